"""Calls from any thread to an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs on this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def on_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> None:
    """Call a function on the thread of a loop: now if this is it, else soon."""
    if running_loop() is loop or loop.is_closed():
        function()
    else:
        loop.call_soon_threadsafe(function)
