"""The end of a session that lasts too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .reports import Reporter
from .types import CloseReason

NOTICE = 10.0
"""How long in s before the time limit the client is warned."""


async def enforce_time_limit(
    limit: float, reporter: Reporter, stop: Callable[[CloseReason], None]
) -> None:
    """End a session after so many s, and warn its client before."""
    notice = min(NOTICE, limit / 2)
    await asyncio.sleep(limit - notice)
    reporter.tell("warning", f"The session ends in {notice:g} s.")
    await asyncio.sleep(notice)
    stop(CloseReason.TIME_LIMIT)
