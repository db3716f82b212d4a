"""What a sender could not send, reported without a flood."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)

INTERVAL = 10.0
"""Time in s between two reports of one sender."""

Report = Callable[[Exception, str], None]
"""Takes an error, and in what the server failed."""


class Failures:
    """Reports the first error of a sender at once, and those after it by their number.

    Args:
        what: In what it failed, "encoding video" for example.
        report: Tells somebody.

    Attributes:
        count: Errors so far.
    """

    def __init__(self, what: str, report: Report) -> None:
        self.count = 0
        self._what = what
        self._report = report
        self._reported = 0
        self._next = float("-inf")

    def note(self, error: Exception) -> None:
        """Count an error, and report it if it is time."""
        self.count += 1
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return
        self._next = now + INTERVAL
        more = self.count - self._reported
        self._reported = self.count
        self._report(error, self._what if more == 1 else f"{self._what} ({more} times)")


def log_failure(error: Exception, what: str) -> None:
    """A report for the log alone."""
    logger.error("%s failed: %s", what, error, exc_info=error)
