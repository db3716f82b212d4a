"""What sections receive that are used again: one track after another."""

from __future__ import annotations

import av
from aiortc import MediaStreamTrack, RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError

from ..media.rtp import RtpPacket
from ..tracks import RemoteAudioTrack, RemoteVideoTrack
from . import internals, statistics
from .incoming import IncomingAudio

RemoteTrack = RemoteAudioTrack | RemoteVideoTrack


class Inlet:
    """What a section receives: one track after another.

    Args:
        kind: Of the section.
        receiver: Of the section; one that has not been started.
    """

    def __init__(self, kind: str, receiver: RTCRtpReceiver) -> None:
        self.track: RemoteTrack | None = None
        self._kind = kind
        self._receiver = receiver
        self._incoming: IncomingAudio | None = None
        if kind == "audio":
            internals.receive_directly(receiver, self._take)

    def renew(self, track: RemoteTrack | None = None) -> RemoteTrack:
        """Another track begins: this one, or one that is made here."""
        self.release()
        if track is None:
            track = RemoteAudioTrack() if self._kind == "audio" else RemoteVideoTrack()
        if isinstance(track, RemoteAudioTrack):
            self._incoming = IncomingAudio(track)
            track._statistics = statistics.of_incoming_audio(self._incoming)
        else:
            track._statistics = statistics.of_receiver(self._receiver)
        self.track = track
        return track

    def release(self) -> None:
        """The track is over; idempotent. Whoever published it ends it."""
        self.track = None
        if self._incoming is not None:
            self._incoming.close()
            self._incoming = None

    async def pump(self, track: MediaStreamTrack) -> None:
        """Move pictures; what aiortc has decoded is read whether anybody wants it or not."""
        try:
            while True:
                frame = await track.recv()
                if isinstance(self.track, RemoteVideoTrack) and isinstance(frame, av.VideoFrame):
                    self.track.push(frame)
        except MediaStreamError:
            if self.track is not None:
                self.track.end()

    def _take(self, packet: RtpPacket) -> None:
        if self._incoming is not None:
            self._incoming.take(packet)
