"""Looking at, and stopping, the process of a server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil  # type: ignore[import-untyped]


class Process:
    """The process of a server, all its threads included.

    Args:
        pid: Its id.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._process = psutil.Process(pid)
        # The clock of the CPU time of a process (clock_getcpuclockid(3)): to the nanosecond, where
        # what psutil reads comes in steps of 10 ms.
        self._clock = (~pid << 3) | 2

    def cpu(self) -> float:
        """CPU time in s that it has used so far."""
        return time.clock_gettime(self._clock)

    def memory(self) -> float:
        """Its resident memory in MB."""
        return float(self._process.memory_info().rss) / 1e6

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it for as long as the block takes."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)
