"""What sources share that make their audio themselves, and so need a clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import ConfigurationError
from ..frames import FRAME_DURATION
from .source import Source

MAX_LAG = 0.5
"""How far in s a source may lag behind; beyond that its clock is set back, and nothing hurries."""


class SampleClock:
    """Tells when a sample is due, by the monotonic clock of the system.

    Args:
        sample_rate: In Hz.
        wait: Sleeps for so many s; returns whether to go on.
    """

    def __init__(self, sample_rate: int, wait: Callable[[float], bool]) -> None:
        self._rate = sample_rate
        self._wait = wait
        self._start = time.monotonic()

    def wait_for(self, sample: int) -> bool:
        """Sleep until a sample is due; returns whether to go on.

        No error adds up: each sample is due at its own time after the first.
        """
        ahead = self._start + sample / self._rate - time.monotonic()
        if ahead < -MAX_LAG:
            self._start -= ahead
        return self._wait(ahead)


class PacedSource(Source):
    """A source that delivers in real time, or as fast as its callback takes it.

    Args:
        real_time: Whether each block comes when it is due.
        block_duration: Length of a block in s.

    Raises:
        ConfigurationError: If the length makes no sense.
    """

    # It waits for its callback, and loses nothing.
    live = False

    def __init__(self, real_time: bool, block_duration: float = FRAME_DURATION) -> None:
        super().__init__()
        if not 0.001 <= block_duration <= 10:
            raise ConfigurationError("block_duration must be between 0.001 and 10 s")
        self.real_time = real_time
        self.block_duration = block_duration

    @property
    def duration(self) -> float | None:
        """Length in s, or `None` where nobody knows."""
        return None

    def _block_size(self, sample_rate: int) -> int:
        """Samples in a block; where that is no whole number, the nearest."""
        return max(1, round(self.block_duration * sample_rate))

    def _clock(self, sample_rate: int) -> Callable[[int], bool]:
        """What waits for a sample in real time, and else only says whether to go on."""
        if self.real_time:
            return SampleClock(sample_rate, self._wait).wait_for
        return lambda sample: self._continue


def check_format(sample_rate: int, num_channels: int) -> None:
    """Check what a source is asked for.

    Raises:
        ConfigurationError: If it makes no sense.
    """
    if not 1 <= sample_rate <= 768_000:
        raise ConfigurationError(f"a sample rate of {sample_rate} Hz is out of range")
    if not 1 <= num_channels <= 256:
        raise ConfigurationError(f"a source has 1 to 256 channels, not {num_channels}")
