"""Threads that belong to one session and end with it.

Every loop of a sync handler has a thread of its own, so that a call that blocks holds up neither
the event loop, nor another loop of its session, nor any other session.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

from ..abandonment import Abandonment, CallAbandonedError, watch
from ..usercode import guarded

logger = logging.getLogger(__name__)

_started: set[SessionThread] = set()
"""Those whose threads live."""

INTERRUPTS = 8
"""How often code is told at most that its call was abandoned: at once, 0.1 s later, 0.2 s, 0.4 …"""


class SessionThread:
    """Runs calls one after the other on a thread, which starts with the first of them.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._call: tuple[asyncio.Future[Any], contextvars.Context, Callable[[], Any]] | None = None
        self._wake = threading.Semaphore(0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._abandonment = Abandonment()
        self._running = False
        self._awaited = False
        self._closed = False
        self._last_call: Callable[[], Any] = lambda: None

    @property
    def idle(self) -> bool:
        """Whether it waits for its next call, and whoever awaited the last one has the result."""
        return not (self._running or self._awaited or self._closed)

    def at_close(self, function: Callable[[], Any]) -> None:
        """Have `close` call a function, on the thread, after what runs on it."""
        self._last_call = function

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function on the thread, in a copy of the current context, and wait for its result.

        One call at a time. Where the caller is cancelled, the function runs on, its result is
        dropped, and `close` is what remains to be called. Raises what `guarded` raises.
        """
        loop = asyncio.get_running_loop()
        if self._closed or self._running:
            raise RuntimeError(f"the thread {self._name} is {'closed' if self._closed else 'busy'}")
        future: asyncio.Future[Any] = loop.create_future()
        self._call = (future, contextvars.copy_context(), lambda: function(*args))
        self._running = self._awaited = True
        self._loop = loop
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name=self._name, daemon=True)
            _started.add(self)
            self._thread.start()
        self._wake.release()
        try:
            return await guarded(future)
        finally:
            self._awaited = False

    def close(self) -> None:
        """End the thread; where it runs user code, that code is told to end with it.

        What it sees of that depends on the Python; see `abandonment`. The thread lasts until the
        code returns.
        """
        self._closed = True
        self._wake.release()
        self._abandon(INTERRUPTS)

    def _abandon(self, left: int, pause: float = 0.1) -> None:
        """Tell what runs, and look again later where that may help."""
        if self._thread is None or self._loop is None or not self._running:
            return
        may_help_again = self._abandonment.tell(self._thread)
        if left > 1 and may_help_again and not self._loop.is_closed():
            self._loop.call_later(pause, self._abandon, left - 1, 2 * pause)

    def _main(self) -> None:
        try:
            self._end_well(self._run_calls)
            self._end_well(self._run_last_call)
        finally:
            _started.discard(self)

    def _end_well(self, step: Callable[[], Any]) -> None:
        try:
            step()
        except CallAbandonedError:
            pass
        except BaseException:  # the thread ends here: nobody else is told
            logger.exception("%s failed at its end", self._name)

    def _run_calls(self) -> None:
        watch(self._abandonment)
        while True:
            self._wake.acquire()
            if self._closed or self._call is None:
                return
            future, context, function = self._call
            # Nothing may keep the call alive while the thread waits for the next one.
            self._call = None
            self._run_call(future, context, function)
            del future, context, function

    def _run_last_call(self) -> None:
        watch(None)  # nobody waits for this one, but it is wanted
        self._last_call()

    def _run_call(
        self, future: asyncio.Future[Any], context: contextvars.Context, function: Callable[[], Any]
    ) -> None:
        result, failure = None, None
        try:
            result = context.run(function)
        except CallAbandonedError:
            self._running = False
            raise
        except BaseException as error:  # carried to whoever awaits the call
            failure = error
        self._running = False
        loop = future.get_loop()
        try:
            loop.call_soon_threadsafe(_resolve, future, result, failure)
        except RuntimeError:
            # The loop is closed: nobody waits for the result any more.
            logger.debug("the event loop closed before %s finished", self._name)


def idle_threads() -> set[threading.Thread | None]:
    """Those of these threads that do nothing now, so that nothing is to be expected of them."""
    return {each._thread for each in list(_started) if each.idle}


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration):  # a future cannot carry it (PEP 479)
        error = RuntimeError("a handler raised StopIteration")
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
