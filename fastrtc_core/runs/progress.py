"""How far a run is, on one line of the terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

INTERVAL = 0.2
"""How often in s the line is written."""


class Progress:
    """Writes the line.

    Args:
        duration: Length of the source in s, if it is known.
        out: Where to; standard error by default. Without one, nothing is shown.
    """

    def __init__(self, duration: float | None, out: TextIO | None) -> None:
        self._duration = duration
        self._out = out
        self._began = time.monotonic()
        self._shown = float("-inf")
        self._width = 0

    def show(self, position: float) -> None:
        """Tell that so many s have been heard."""
        now = time.monotonic()
        if self._out is not None and now - self._shown >= INTERVAL:
            self._shown = now
            self._write(position, now)

    def finish(self, position: float) -> None:
        """The same for the last time."""
        if self._out is not None:
            self._write(position, time.monotonic())
            self._out.write("\n")
            self._out.flush()

    def _write(self, position: float, now: float) -> None:
        text = f"{position:.1f} s"
        if self._duration:
            text += f" of {self._duration:.1f} s ({min(1.0, position / self._duration):.0%})"
        text += f", {position / max(now - self._began, 1e-6):.1f} times real time"
        assert self._out is not None
        self._out.write("\r" + text.ljust(self._width))
        self._out.flush()
        self._width = len(text)


def terminal(progress: bool) -> TextIO | None:
    """Where progress is shown."""
    return sys.stderr if progress else None
