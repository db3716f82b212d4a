"""What a peer connects to the network."""

from __future__ import annotations

from typing import Protocol

from ..session import CloseReason, MessageChannel
from ..tracks import LocalAudioTrack, LocalVideoTrack, RemoteAudioTrack, RemoteVideoTrack
from .encoded import EncodedAudio, EncodedVideo


class Endpoint(Protocol):
    """What a peer connects to the network: a session, or a client."""

    @property
    def remote_audio(self) -> RemoteAudioTrack | None:
        """Where incoming audio goes."""

    @property
    def remote_video(self) -> RemoteVideoTrack | None:
        """Where incoming video goes."""

    @property
    def local_audio(self) -> LocalAudioTrack | EncodedAudio | None:
        """Where outgoing audio comes from."""

    @property
    def local_video(self) -> LocalVideoTrack | EncodedVideo | None:
        """Where outgoing video comes from."""

    def open_channel(self, channel: MessageChannel) -> None:
        """Take the message channel, now open."""

    def take_message(self, text: str | bytes) -> None:
        """Take a message of the other side."""

    def stop(self, reason: CloseReason) -> None:
        """Note that the connection has ended."""
