"""Async handlers whose `start_up` may run as long as the session, as in FastRTC."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from .. import handler as core

GRACE = 0.1
"""How long in s frames wait for a `start_up`; then they are handled beside it."""


class _StartsBeside:
    """Runs an async `start_up` as a task: a session for a service stays open in it.

    What it raises is reported; the session goes on. A `start_up` that ends within `GRACE` has ended
    before the first frame comes.
    """

    _starting = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__dict__.get("start_up")
        if inspect.iscoroutinefunction(own):
            cls.start_up = _beside(own)  # type: ignore[attr-defined]


def _beside(
    start_up: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    @functools.wraps(start_up)
    async def beside(self: Any) -> None:
        if self._starting:  # by `super().start_up()` of the one that runs already
            await start_up(self)
            return
        self._starting = True
        await asyncio.wait({self.create_task(start_up(self))}, timeout=GRACE)

    return beside


class AsyncStreamHandler(_StartsBeside, core.AsyncStreamHandler):
    """`fastrtc_core.AsyncStreamHandler`, but for a `start_up` that does not return."""


class AsyncAudioVideoStreamHandler(_StartsBeside, core.AsyncAudioVideoStreamHandler):
    """`fastrtc_core.AsyncAudioVideoStreamHandler`, but for a `start_up` that does not return."""
