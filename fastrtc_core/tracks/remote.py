"""Remote tracks: one medium that comes in, fanned out to any number of streams."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import av

from ..frames import AudioFrame
from ..media.jitter import JitterStatistics

F = TypeVar("F", contravariant=True)
G = TypeVar("G")


class _Reader(Protocol[F]):
    def _push(self, frame: F) -> None: ...
    def _end(self) -> None: ...


class _RemoteTrack(Generic[G]):
    """A hub: the transport pushes frames, every stream gets each of them.

    Without a stream the frames are discarded; a stream that nobody reads drops its oldest and
    delays no other.
    """

    def __init__(self) -> None:
        self.frames_received = 0
        self._readers: set[_Reader[G]] = set()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the track has ended; it stays so."""
        return self._ended

    def push(self, frame: G) -> None:
        """Hand a frame to every stream; called by the transport, on the event loop."""
        self.frames_received += 1
        for reader in tuple(self._readers):
            reader._push(frame)

    def end(self) -> None:
        """End the track and with it every stream; idempotent."""
        self._ended = True
        for reader in tuple(self._readers):
            reader._end()
        self._readers.clear()

    def _attach(self, reader: _Reader[G]) -> None:
        if self._ended:
            reader._end()
        else:
            self._readers.add(reader)

    def _detach(self, reader: _Reader[G]) -> None:
        self._readers.discard(reader)


class RemoteAudioTrack(_RemoteTrack[AudioFrame]):
    """Audio from a peer, as frames of whatever rate and layout its transport decodes to.

    Args:
        sample_rate: Rate in Hz that suits its readers best; a transport that can choose uses it.
        num_channels: The same for the layout.

    Attributes:
        network: What the network did to the packets, where the transport knows.
    """

    kind = "audio"

    def __init__(self, sample_rate: int = 48000, num_channels: int = 2) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self.network: JitterStatistics | None = None


class RemoteVideoTrack(_RemoteTrack[av.VideoFrame]):
    """Video from a peer, as decoded `av.VideoFrame`s."""

    kind = "video"
