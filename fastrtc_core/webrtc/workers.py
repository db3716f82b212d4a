"""The threads that decode and encode pictures, which all sessions share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

from .cores import usable_cores


@cache
def picture_workers() -> ThreadPoolExecutor:
    """As many threads as the process may use cores, made at the first use; they stay.

    Each decoder and each encoder hands in one picture at a time, so that all get their turn. They
    are not the threads of `asyncio.to_thread`, which an application may block.
    """
    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="pictures")
