"""A member that is connected to another server."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace
from typing import Any

from ..media.rtp import RtpPacket
from ..room.events import Event, Sent
from ..room.member import Member
from ..room.room_mixer import SAMPLE_RATE
from ..room.snapshot import MemberSnapshot
from ..tracks import RemoteAudioTrack, Track, TrackSource
from ..webrtc.incoming import IncomingAudio
from .cameras import RelayedVideo


class RemoteMember(Member):
    """Somebody on another server.

    Args:
        uid: Who it is.
        name: What it is called.
        server: Where it is connected.
        forward: Sends what it is sent to there.
        ask: Asks for a keyframe of its camera.

    Attributes:
        camera: Its pictures, while somebody here looks.
    """

    is_here = False

    def __init__(
        self,
        uid: int,
        name: str,
        server: bytes,
        forward: Callable[[Sent], None],
        ask: Callable[[], None],
    ) -> None:
        super().__init__(uid, name)
        self.server = server
        self._forward = forward
        self._voice = RemoteAudioTrack(SAMPLE_RATE, 1, sparse=True)
        self._incoming: IncomingAudio | None = None
        self.camera = RelayedVideo(ask)

    def snapshot(self) -> MemberSnapshot:
        """What goes on with it now."""
        return replace(self._snapshot("server"), decodes=self._incoming is not None)

    def tell(self, event: Event) -> None:
        """Have it told there of what was sent to it; all else its own server tells it."""
        if isinstance(event, Sent):
            self._forward(event)

    def expel(self, reason: str = "left") -> None:
        """That is for its own server to do."""

    def take(self, packet: RtpPacket) -> None:
        """Take a packet of what it says; decoding begins with the first."""
        if self._incoming is None:
            self._incoming = IncomingAudio(self._voice)
        self._incoming.take(packet)

    def follow(self, sources: Container[str]) -> list[tuple[str, bool]]:
        """It publishes these tracks now; of them its voice and its camera are carried to here.

        Returns:
            What is published here now that was not before, and the other way round.
        """
        changed: list[tuple[str, bool]] = []
        tracks: dict[TrackSource, Track[Any]] = {"microphone": self._voice, "camera": self.camera}
        for source, track in tracks.items():
            published = source in sources
            if published == (source in self.participant.tracks):
                continue
            if published:
                self.participant.publish(source, track)
            else:
                self.participant.unpublish(source)
            changed.append((source, published))
        return changed

    def close(self) -> None:
        """It is gone."""
        if self._incoming is not None:
            self._incoming.close()
        self._voice.end()
        self.camera.close()
