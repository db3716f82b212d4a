"""What sections receive that are used again: one track after another."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from aiortc import RTCRtpReceiver

from ..media.rtp import RtpPacket
from ..tracks import RemoteAudioTrack, RemoteVideoTrack
from . import internals, statistics
from .incoming import IncomingAudio
from .incoming_video import IncomingVideo

RemoteTrack = RemoteAudioTrack | RemoteVideoTrack


class Inlet:
    """What a section receives: one track after another.

    Args:
        kind: Of the section.
        receiver: Of the section; one that has not been started.
        run: Runs a coroutine while the connection stands.
    """

    def __init__(
        self,
        kind: str,
        receiver: RTCRtpReceiver,
        run: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.track: RemoteTrack | None = None
        self._kind = kind
        self._receiver = receiver
        self._incoming: IncomingAudio | None = None
        self._video: IncomingVideo | None = None
        if kind == "audio":
            internals.receive_directly(receiver, self._take)
        else:
            self._video = IncomingVideo(None, receiver, run)

    def renew(self, track: RemoteTrack | None = None) -> RemoteTrack:
        """Another track begins: this one, or one that is made here."""
        self.release()
        if track is None:
            track = RemoteAudioTrack() if self._kind == "audio" else RemoteVideoTrack()
        if isinstance(track, RemoteAudioTrack):
            self._incoming = IncomingAudio(track)
            track._statistics = statistics.of_incoming_audio(self._incoming)
        elif self._video is not None:
            self._video.carry(track)
            track._statistics = statistics.of_receiver(self._receiver)
        self.track = track
        return track

    def release(self) -> None:
        """The track is over; idempotent. Whoever published it ends it."""
        self.track = None
        if self._incoming is not None:
            self._incoming.close()
            self._incoming = None
        if self._video is not None:
            self._video.carry(None)

    def close(self) -> None:
        """The section is over; idempotent."""
        self.release()
        if self._video is not None:
            self._video.close()

    def _take(self, packet: RtpPacket) -> None:
        if self._incoming is not None:
            self._incoming.take(packet)
