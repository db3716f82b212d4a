"""Calling a method of a handler: on the event loop if it is async, on a thread if it is not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..handler.functions import pick_arguments
from ..usercode import guarded
from .session_thread import SessionThread


class UserCall:
    """One method of a handler, called again and again by one loop.

    Args:
        method: The bound method or function.
        name: Names its thread, where it needs one.

    Attributes:
        method: As above; one that is sync may block, and is called on the thread.
    """

    def __init__(self, method: Callable[..., Any], name: str) -> None:
        self.is_async = inspect.iscoroutinefunction(method)
        self.method = method
        self._thread = SessionThread(name)

    async def __call__(self, *args: Any) -> Any:
        """Call the method and wait for its result; raises what `guarded` raises."""
        if not self.is_async:
            return await self.on_thread(self.method, *args)
        return await guarded(self.method(*args))

    async def on_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function on the thread of this call, to keep its work off the event loop."""
        return await self._thread.run(function, *args)

    def close(self) -> None:
        """End the thread; see `SessionThread.close`."""
        self._thread.close()


async def call_once(method: Callable[..., Any], name: str, *args: Any) -> Any:
    """Call a method once; a sync one on a thread that ends with the call."""
    call = UserCall(method, name)
    try:
        return await call(*args)
    finally:
        call.close()


async def call_hook(hook: Callable[..., Any] | None, name: str, *args: Any) -> None:
    """Call a function of the application, if there is one, with as many arguments as it takes."""
    if hook is not None:
        await call_once(hook, name, *pick_arguments(hook, args))
