"""`Block`: what an input source delivers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidFrameError
from ..frames import AudioFrame, to_audio_frame


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


def as_block(data: Any, pts: int, discontinuity: bool, sample_rate: int | None = None) -> Block:
    """What a source handed over: a block, a frame, or a list of what each channel says.

    Args:
        data: A `Block`, which is returned as it is; an `AudioFrame`; frames of one rate and length,
            whose channels are put side by side; or the samples of each channel, as an array of
            shape `(n,)` or a list of int16 values.
        pts: Of anything but a block.
        discontinuity: The same.
        sample_rate: Of the source in Hz, for samples without a rate.

    Raises:
        InvalidFrameError: If it is nothing of that, its channels differ in rate or length, or there
            are none.
    """
    if isinstance(data, Block):
        return data
    if isinstance(data, AudioFrame):
        return Block(data.data, data.sample_rate, pts, discontinuity)
    if not isinstance(data, Sequence | np.ndarray) or isinstance(data, str | bytes):
        raise InvalidFrameError(f"a block is a list of one entry a channel, not {_named(data)}")
    if not all(isinstance(channel, AudioFrame) for channel in data):
        if not isinstance(sample_rate, int):
            raise InvalidFrameError(
                "samples without a rate need that of their source: set its sample_rate in Hz, or "
                "emit frames, AudioFrame(sample_rate, array)"
            )
        data = [_channel(channel, sample_rate) for channel in data]
    forms = {(frame.sample_rate, frame.samples_per_channel) for frame in data}
    if len(forms) != 1:
        raise InvalidFrameError(
            f"the frames of a block have one rate and length; these have {sorted(forms)}"
        )
    rows = np.concatenate([frame.data for frame in data])
    return Block(rows, data[0].sample_rate, pts, discontinuity)


def _channel(samples: Any, sample_rate: int) -> AudioFrame:
    """The samples of one channel as a frame."""
    if isinstance(samples, AudioFrame):
        return samples
    if not isinstance(samples, np.ndarray | list | tuple):
        raise InvalidFrameError(
            f"a channel is an array or a list of samples, or an AudioFrame, not {_named(samples)}"
        )
    try:
        array = np.asarray(samples)
    except ValueError:
        raise InvalidFrameError("the samples of a channel must be one row of numbers") from None
    if array.ndim != 1:
        raise InvalidFrameError(f"the samples of a channel are one row, not of shape {array.shape}")
    if isinstance(samples, list | tuple) and array.dtype.kind in "iu":
        if array.size and not -32768 <= array.min() <= array.max() <= 32767:
            raise InvalidFrameError("a list of samples holds int16 values, -32768 to 32767")
        array = array.astype(np.int16)
    return to_audio_frame((sample_rate, array))


def _named(value: Any) -> str:
    return f"a {type(value).__name__}"
