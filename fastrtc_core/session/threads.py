"""Threads that belong to one session and end with it.

Every loop of a sync handler has a thread of its own, so that a call that blocks holds up neither
the event loop, nor another loop of its session, nor any other session.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import logging
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from ..usercode import guarded

logger = logging.getLogger(__name__)

INTERRUPTS = 8
"""How often code is told at most that its call was abandoned: at once, 0.1 s later, 0.2 s, 0.4 …"""


class CallAbandonedError(GeneratorExit):
    """Raised in user code that still runs when nobody wants its result any more.

    Its session has ended, or what it was about to say was interrupted. It is a `GeneratorExit`, so
    that a generator that works sees what one sees that waits at its `yield`.
    """


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
        self._running = False
        self._closed = False
        self._last_call: Callable[[], Any] = lambda: None

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
        self._running = True
        self._loop = loop
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name=self._name, daemon=True)
            self._thread.start()
        self._wake.release()
        return await guarded(future)

    def close(self) -> None:
        """End the thread; where it runs user code, that code sees `CallAbandonedError`.

        The exception is raised at the next line of Python that the code runs. A wait on one of
        Python's own primitives (`queue.Queue.get`, `threading.Event.wait`, `Future.result`, …) is
        woken for it; a call that blocks in C ends when it returns.
        """
        self._closed = True
        self._wake.release()
        self._interrupt(INTERRUPTS)

    def _interrupt(self, left: int, pause: float = 0.1) -> None:
        """Interrupt what runs, and look again later.

        What is raised while a callback runs whose errors Python drops (`__del__`, that of a weak
        reference or of the garbage collector) never reaches the code below it.
        """
        if self._thread is None or self._loop is None or not self._running:
            return
        if not _is_abandoning(self._thread):
            _interrupt(self._thread)
        if left > 1 and not self._loop.is_closed():
            self._loop.call_later(pause, self._interrupt, left - 1, 2 * pause)

    def _main(self) -> None:
        for step in (self._run_calls, lambda: self._last_call()):
            try:
                step()
            except CallAbandonedError:
                pass
            except BaseException:  # the thread ends here: nobody else is told
                logger.exception("%s failed at its end", self._name)

    def _run_calls(self) -> None:
        while True:
            self._wake.acquire()
            if self._closed or self._call is None:
                return
            future, context, function = self._call
            # Nothing may keep the call alive while the thread waits for the next one.
            self._call = None
            self._run_call(future, context, function)
            del future, context, function

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


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration):  # a future cannot carry it (PEP 479)
        error = RuntimeError("a handler raised StopIteration")
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _interrupt(thread: threading.Thread) -> None:
    """Raise `CallAbandonedError` in a thread, and wake it if it waits in `threading`."""
    ident = thread.ident
    if ident is None or not thread.is_alive():
        return
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(ident), ctypes.py_object(CallAbandonedError)
    )
    waiter = _condition_waiter(sys._current_frames().get(ident))
    if waiter is not None:
        try:
            waiter.release()
        except RuntimeError:
            return  # it was notified in the meantime


def _is_abandoning(thread: threading.Thread) -> bool:
    """Whether a thread is in an `except` or a `finally` that `CallAbandonedError` has led to."""
    active: Any = sys._current_exceptions().get(thread.ident or 0)
    error = active[1] if isinstance(active, tuple) else active  # a tuple before Python 3.12
    while isinstance(error, BaseException):
        if isinstance(error, CallAbandonedError):
            return True
        error = error.__context__
    return False


def _condition_waiter(frame: FrameType | None) -> Any:
    """The lock on which a thread sleeps in `threading.Condition.wait`, if it does."""
    if frame is not None and frame.f_code is threading.Condition.wait.__code__:
        return frame.f_locals.get("waiter")
    return None
