"""`Block`: what an input source delivers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidFrameError
from ..frames import AudioFrame


@dataclass(frozen=True, slots=True, eq=False)
class Block(Sequence[AudioFrame]):
    """Samples of all channels of a source, taken at the same time.

    It is a sequence of one mono `AudioFrame` for each channel, so that a callback may treat it as
    the list of channel-aligned frames that it is: `for frame in block`, `block[0]`, `len(block)`.
    The same samples as one array, with any number of channels, are its `data`.

    Attributes:
        data: int16 samples of shape `(channels, samples)`.
        sample_rate: Samples per second (Hz).
        pts: Index of the first sample on the sample clock of the source, which starts at 0.
        discontinuity: Whether something is missing: between the block before and this one, where
            `pts` does not follow on; or within it, where it was filled with silence.
    """

    data: NDArray[np.int16]
    sample_rate: int
    pts: int = 0
    discontinuity: bool = False

    @property
    def channels(self) -> list[AudioFrame]:
        """The channels, each as a mono frame."""
        return list(self)

    @property
    def num_channels(self) -> int:
        """How many channels there are; the same as `len(block)`."""
        return int(self.data.shape[0])

    @property
    def samples(self) -> int:
        """Samples in each channel."""
        return int(self.data.shape[1])

    @property
    def end(self) -> int:
        """The `pts` that follows on."""
        return self.pts + self.samples

    @property
    def time(self) -> float:
        """When it begins, in s on the sample clock."""
        return self.pts / self.sample_rate

    @property
    def duration(self) -> float:
        """Length in s."""
        return self.samples / self.sample_rate

    def __len__(self) -> int:
        return self.num_channels

    def __iter__(self) -> Iterator[AudioFrame]:
        for channel in range(self.num_channels):
            yield self[channel]

    @overload
    def __getitem__(self, index: int) -> AudioFrame: ...
    @overload
    def __getitem__(self, index: slice) -> list[AudioFrame]: ...
    def __getitem__(self, index: int | slice) -> AudioFrame | list[AudioFrame]:
        if isinstance(index, slice):
            return [self[channel] for channel in range(*index.indices(self.num_channels))]
        if not -self.num_channels <= index < self.num_channels:
            raise IndexError(f"a block of {self.num_channels} channels has no channel {index}")
        row = index % self.num_channels
        return AudioFrame(self.sample_rate, np.ascontiguousarray(self.data[row : row + 1]))


def as_block(data: Sequence[Any], pts: int, discontinuity: bool) -> Block:
    """What a source handed over: a block, a frame, or a list of channel-aligned frames.

    Args:
        data: A `Block`, which is returned as it is; an `AudioFrame`; or frames of one rate and
            length, whose channels are put side by side.
        pts: Of anything but a block.
        discontinuity: The same.

    Raises:
        InvalidFrameError: If the frames differ in rate or length, or there are none.
    """
    if isinstance(data, Block):
        return data
    if isinstance(data, AudioFrame):
        return Block(data.data, data.sample_rate, pts, discontinuity)
    forms = {(frame.sample_rate, frame.samples_per_channel) for frame in data}
    if len(forms) != 1:
        raise InvalidFrameError(
            f"the frames of a block have one rate and length; these have {sorted(forms)}"
        )
    rows = np.concatenate([frame.data for frame in data])
    return Block(rows, data[0].sample_rate, pts, discontinuity)
