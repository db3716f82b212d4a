"""`ChannelAligner`: several inputs, brought together by the index of their samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..errors import ConfigurationError, InvalidFrameError
from .block import Block


@dataclass
class AlignerStatistics:
    """Samples per channel of one input since the start.

    Attributes:
        taken: Samples that were put in their place.
        filled: Samples of silence that stand for what was missing.
        late: Samples that came after their place was filled.
        repeated: Samples that came again.
    """

    taken: int = 0
    filled: int = 0
    late: int = 0
    repeated: int = 0


class ChannelAligner:
    """Puts every sample in the place that its `pts` names, whatever comes when, or never.

    It does no I/O and reads no clock. A block comes out when all inputs have filled it; or when
    one of them is `max_skew` ahead of it, and then silence stands for what the others lack, and it
    is flagged. So a lost or late block is a hole in its own channels, and shifts none. What comes
    too late is discarded. No more than `max_skew`, one block and what is being pushed is held.

    An input that goes on more than `max_gap` after all that has come is followed, and what comes
    out leaves the gap out as well. One that has ended is silent, and no longer flagged.

    Args:
        channels: Number of channels of each input, side by side in what comes out; a number alone
            is that of so many mono inputs.
        sample_rate: Of all inputs, in Hz. Their `pts` count from the same moment.
        block_size: Samples in what comes out.
        max_skew: How far in s an input may be ahead of another.
        max_gap: Longest gap in s that is filled with silence.
        start: Index at which the output begins; by default, where the first block does.

    Raises:
        ConfigurationError: If an argument is out of range.
    """

    def __init__(
        self,
        channels: int | Sequence[int],
        sample_rate: int,
        block_size: int,
        *,
        max_skew: float = 0.1,
        max_gap: float = 1.0,
        start: int | None = None,
    ) -> None:
        widths = [1] * channels if isinstance(channels, int) else list(channels)
        if not widths or min(widths) < 1 or block_size < 1 or min(max_skew, max_gap) < 0:
            raise ConfigurationError("an aligner needs inputs, their channels, and a block size")
        self.sample_rate = sample_rate
        self.block_size = block_size
        self.statistics = [AlignerStatistics() for _ in widths]
        edges = np.cumsum([0, *widths])
        self._rows = [slice(int(a), int(b)) for a, b in pairwise(edges)]
        self._max_gap = round(max_gap * sample_rate)
        self._span = block_size + round(max_skew * sample_rate)
        self._data = np.zeros((int(edges[-1]), self._span), np.int16)
        self._filled = np.zeros((len(widths), self._span), bool)
        self._position = start
        self._ends: list[int | None] = [None] * len(widths)
        """The index after the last sample of each input."""
        self._ended = [False] * len(widths)
        self._lost = False

    @property
    def position(self) -> int:
        """Index of the first sample that has not come out."""
        return self._position or 0

    def push(self, index: int, block: Block) -> list[Block]:
        """Take a block of an input; returns every block that it completes or makes overdue.

        Raises:
            InvalidFrameError: If its rate or number of channels is not that of the input.
        """
        rows = self._rows[index]
        if block.sample_rate != self.sample_rate or block.num_channels != rows.stop - rows.start:
            raise InvalidFrameError(
                f"input {index} has {rows.stop - rows.start} channel(s) at {self.sample_rate} Hz, "
                f"not {block.num_channels} at {block.sample_rate} Hz"
            )
        return list(self._push(index, block))

    def end(self, index: int) -> list[Block]:
        """Wait for an input no longer; returns what waited for it alone."""
        self._ended[index] = True
        return list(self._complete())

    def flush(self) -> list[Block]:
        """What is left, the last block as short as it is."""
        return list(self._drain())

    def _push(self, index: int, block: Block) -> Iterator[Block]:
        if self._position is None:
            self._position = block.pts
        if block.pts - max(self._newest, self._position) > self._max_gap:
            yield from self._drain()
            self._position = block.pts
            self._lost = True
        at = block.pts
        if at < self._position:
            late = min(block.samples, self._position - at)
            self.statistics[index].late += late
            at += late
        while at < block.end:
            # As much as fits; what comes out makes room for the rest.
            if at < self._position + self._span:
                at = self._write(index, block, at)
            yield from self._complete()
            if at < block.end and at >= self._position + self._span:
                yield self._cut(self.block_size)

    def _drain(self) -> Iterator[Block]:
        while (left := self._newest - self.position) > 0:
            yield self._cut(min(left, self.block_size))

    @property
    def _newest(self) -> int:
        return max((end for end in self._ends if end is not None), default=self.position)

    def _write(self, index: int, block: Block, at: int) -> int:
        """Put what fits in its place; returns the index up to which that is."""
        assert self._position is not None
        stop = min(block.end, self._position + self._span)
        place = slice(at - self._position, stop - self._position)
        new = ~self._filled[index, place]
        data = block.data[:, at - block.pts : stop - block.pts]
        count = int(np.count_nonzero(new))
        if count == stop - at:
            self._data[self._rows[index], place] = data
        else:  # what came first stays
            self._data[self._rows[index], place][:, new] = data[:, new]
        self._filled[index, place] = True
        self.statistics[index].taken += count
        self.statistics[index].repeated += stop - at - count
        self._ends[index] = max(stop, self._ends[index] or stop)
        return stop

    def _complete(self) -> Iterator[Block]:
        """Yields the blocks that all inputs have filled."""
        while self._newest - self.position >= self.block_size and all(
            ended or bool(filled.all())
            for ended, filled in zip(self._ended, self._filled[:, : self.block_size], strict=True)
        ):
            yield self._cut(self.block_size)

    def _cut(self, count: int) -> Block:
        assert self._position is not None
        lost = self._lost
        for index, filled in enumerate(np.count_nonzero(self._filled[:, :count], axis=1)):
            self.statistics[index].filled += count - int(filled)
            over = self._ended[index] and (self._ends[index] or 0) <= self._position + filled
            lost = lost or (filled < count and not over)
        block = Block(self._data[:, :count].copy(), self.sample_rate, self._position, lost)
        self._lost = False
        self._position += count
        for window in (self._data, self._filled):
            window[:, :-count] = window[:, count:]
            window[:, -count:] = 0
        return block
