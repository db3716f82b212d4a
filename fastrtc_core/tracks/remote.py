"""Remote tracks: one medium that comes in, fanned out to any number of streams."""

from __future__ import annotations

from collections.abc import Callable

import av

from ..frames import AudioFrame
from ..media.jitter import JitterStatistics
from ..media.rtp import RtpPacket
from .stats import TrackKind
from .track import Reader, Track


class RemoteAudioTrack(Track[AudioFrame]):
    """Audio from a peer, as frames of whatever rate and layout its transport decodes to.

    Args:
        sample_rate: Rate in Hz that suits its readers best; a transport that can choose uses it.
        num_channels: The same for the layout.
        name: What its publisher calls it.
        sparse: Whether pauses in which its publisher sends nothing are pauses here, too. Otherwise
            frames keep coming at the rate of the publisher.

    Attributes:
        network: What the network did to the packets, where the transport knows.
        forward: Given each packet of Opus as it comes, before it is decoded, where there are such.
    """

    kind: TrackKind = "audio"

    def __init__(
        self,
        sample_rate: int = 48000,
        num_channels: int = 2,
        name: str = "",
        *,
        sparse: bool = False,
    ) -> None:
        super().__init__(name)
        self.sparse = sparse
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self.network: JitterStatistics | None = None
        self.forward: Callable[[RtpPacket], None] | None = None

    def push(self, frame: AudioFrame) -> None:
        """Hand a frame to every stream; called by the transport, on the event loop."""
        self._deliver(frame)


class RemoteVideoTrack(Track[av.VideoFrame]):
    """Video from a peer, as `av.VideoFrame`s, which are decoded only while somebody reads."""

    kind: TrackKind = "video"

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._first_reader: Callable[[], None] | None = None
        """Called when somebody reads, and nobody has before."""

    def push(self, frame: av.VideoFrame) -> None:
        """Hand a frame to every stream; called by the transport, on the event loop."""
        self._deliver(frame)

    def _attach(self, reader: Reader[av.VideoFrame]) -> None:
        first = not self._readers
        super()._attach(reader)
        if first and self._readers and self._first_reader is not None:
            self._first_reader()
