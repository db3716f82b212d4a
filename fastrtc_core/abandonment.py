"""Calls on a thread whose results nobody wants any more: how their code learns of it, and ends.

No Python has a way to end a thread. What there is:

- **Everywhere** the waits of this package on a thread (`wait_for_sync`, `result_of`) end with a
  `CallAbandonedError`, and `call_is_abandoned` answers code that asks.
- **On CPython with the GIL** the error is raised in any code, at its next line, and a wait on one
  of Python's own primitives (`queue.Queue.get`, `threading.Event.wait`, `Future.result`, …) is
  woken for it. This takes `PyThreadState_SetAsyncExc` and a look at the frame in which the other
  thread waits. PyPy has neither, and on a free-threaded build the frame may run on while one looks.

All of the second kind stands in this module.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ctypes
import sys
import threading
from collections.abc import Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class CallAbandonedError(GeneratorExit):
    """Raised in user code that still runs when nobody wants its result any more.

    Its session has ended, or what it was about to say was interrupted. It is a `GeneratorExit`, so
    that a generator that works sees what one sees that waits at its `yield`.
    """


class Abandonment:
    """Tells the code on one thread that nobody waits for it.

    Attributes:
        told: Done once the code was told.
        waits: Whether the thread is in a wait of this module, which ends without being interrupted.
    """

    def __init__(self) -> None:
        self.told: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.waits = False

    def tell(self, thread: threading.Thread) -> bool:
        """Tell the code that runs on the thread now.

        Returns:
            Whether it may help to tell it again, as long as it goes on: what is raised while a
            callback runs whose errors Python drops (`__del__`, that of a weak reference or of the
            garbage collector) never reaches the code below it.
        """
        interrupts = can_interrupt()
        # An error that is raised inside a wait of a future may leave its lock taken, and with it
        # hold up whoever sets the result: the event loop. `waits` is set before a lock is touched.
        if interrupts and not self.waits:
            _interrupt(thread)
        if not self.told.done():
            self.told.set_result(None)
        return interrupts


class _OfThread(threading.local):
    """What holds for the calls on this thread."""

    abandonment: Abandonment | None = None


_of_thread = _OfThread()


def watch(abandonment: Abandonment | None) -> None:
    """Have the waits on this thread, from now on, end when its code is told to; `None`: no more."""
    _of_thread.abandonment = abandonment


def call_is_abandoned() -> bool:
    """Whether nobody wants the result of the sync method that runs on this thread any more.

    For code that works or waits for long without a wait of this package. CPython with the GIL
    interrupts that as well, unless it is in C; free-threaded builds and PyPy do not. Always `False`
    on the event loop, where code is cancelled instead.
    """
    abandonment = _of_thread.abandonment
    return abandonment is not None and abandonment.told.done()


def result_of(future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
    """Wait on a thread for a result, as `future.result` does, until nobody wants it.

    Code that cleans up after a `CallAbandonedError` waits undisturbed.

    Args:
        future: What to wait for.
        timeout: Longest wait in s.

    Raises:
        CallAbandonedError: If the call that waits was abandoned, now or before.
        TimeoutError: If there is no result in time.
        Exception: What the future holds.
    """
    with _waiting() as told:
        return _result_of(future, told, timeout)


def wait_for_sync(
    coro: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop, timeout: float | None = None
) -> T:
    """Run a coroutine on an event loop and wait for it on a thread.

    It is cancelled when the wait ends before it does. Raises what `result_of` raises.
    """
    with _waiting() as told:
        if told is not None and told.done():
            coro.close()
            raise CallAbandonedError(_TOO_LATE)
        future = asyncio.run_coroutine_threadsafe(coro, loop)
        try:
            return _result_of(future, told, timeout)
        finally:
            future.cancel()


_TOO_LATE = "nobody waits for the result of this call any more"

_Told = concurrent.futures.Future[None] | None


@contextlib.contextmanager
def _waiting() -> Iterator[_Told]:
    """A wait on this thread; yields what ends it early, if anything does."""
    abandonment = _of_thread.abandonment
    if abandonment is None or _is_cleaning_up(sys.exception()):
        yield None
        return
    abandonment.waits = True
    try:
        yield abandonment.told
    finally:
        abandonment.waits = False


def _result_of(future: concurrent.futures.Future[T], told: _Told, timeout: float | None) -> T:
    if told is None:
        return future.result(timeout)
    either: list[concurrent.futures.Future[Any]] = [future, told]
    concurrent.futures.wait(either, timeout, concurrent.futures.FIRST_COMPLETED)
    if told.done():
        raise CallAbandonedError(_TOO_LATE)
    return future.result(0)


def _is_cleaning_up(error: Any) -> bool:
    """Whether what a thread handles is, or came while it handled, a `CallAbandonedError`."""
    if isinstance(error, tuple):  # of `sys._current_exceptions`, before Python 3.12
        error = error[1]
    while isinstance(error, BaseException):
        if isinstance(error, CallAbandonedError):
            return True
        error = error.__context__
    return False


# What only CPython with the GIL can do


def can_interrupt() -> bool:
    """Whether this Python can raise an error in code on another thread.

    A free-threaded build can while the GIL is on, which the import of an extension may bring about
    at any time.
    """
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)  # from Python 3.13 on
    return sys.implementation.name == "cpython" and (is_gil_enabled is None or is_gil_enabled())


def _interrupt(thread: threading.Thread) -> None:
    """Raise `CallAbandonedError` in a thread, and wake it if it waits in `threading`.

    Not in one that cleans up after it already.
    """
    ident = thread.ident
    if ident is None or not thread.is_alive():
        return
    if _is_cleaning_up(sys._current_exceptions().get(ident)):
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


def _condition_waiter(frame: FrameType | None) -> Any:
    """The lock on which a thread sleeps in `threading.Condition.wait`, if it does."""
    if frame is not None and frame.f_code is threading.Condition.wait.__code__:
        return frame.f_locals.get("waiter")
    return None
