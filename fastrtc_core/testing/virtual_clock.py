"""An event loop whose clock jumps to the next timer instead of waiting for it.

Ten minutes of silence pass in milliseconds, and always in the same way. It is for code that waits
on timers, on itself, and on sockets whose other end is in the same process. It waits for what was
handed to an executor (`asyncio.to_thread`), which takes no virtual time. While other threads live,
each jump first waits a little for what they may bring, and for as long as they compute: work on a
thread is done before its time-out, however slow the machine is.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

from ..session.session_thread import idle_threads

T = TypeVar("T")

THREAD_WAIT = 0.001
"""How long in real s a jump waits for other threads at least, if there are any."""

LONG_THREAD_WAIT = 0.25
"""How much of a processor in s other threads may use before it is clear that they do not end."""

THREAD_PACE = 50
"""How many times faster than real time virtual time passes between these, while threads live."""

REAL_WAIT = 5.0
"""How long in real s it waits for threads and sockets at most."""


class _JumpingSelector(selectors.DefaultSelector):
    """Looks for events without waiting, and moves the clock on by what it was told to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.working = 0
        """How many calls run on executors."""
        self.executing: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        """The threads of those executors, which stay when their work is done."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            events = super().select(REAL_WAIT)
            if not events:
                raise RuntimeError("everything waits and nothing is scheduled: a deadlock")
            return events
        if self.working and (events := super().select(REAL_WAIT)):
            return events
        if self._others_live():
            wait = min(max(THREAD_WAIT, timeout / THREAD_PACE), LONG_THREAD_WAIT)
            others = _OtherThreads()
            until = time.monotonic() + REAL_WAIT
            while not (events := super().select(wait)):
                if not others.worked() or time.monotonic() > until:
                    break
            else:
                return events
        self.now += timeout
        return []

    def _others_live(self) -> bool:
        """Whether there is a thread that may bring something.

        Those of executors are idle where no call runs, and those of sessions where they wait for
        the next: that is known without looking at them.
        """
        own = threading.current_thread()
        idle = idle_threads()
        return any(
            thread is not own
            and thread not in idle
            and thread not in self.executing
            # Of `asyncio.to_thread`, and maybe of another loop.
            and not thread.name.startswith("asyncio_")
            for thread in threading.enumerate()
        )


class _OtherThreads:
    """Looks again and again whether other threads of this process compute."""

    def __init__(self) -> None:
        self._before = self._used = _used_by_others()

    def worked(self) -> bool:
        """Whether one has computed since the last look, or could do so now.

        One that waits for the interpreter's lock sleeps like any other: only what it has used of
        the processor shows that it is at work.
        """
        # In this order: what runs now may not be counted yet.
        ready = _another_is_ready()
        used = _used_by_others()
        worked = ready or used - self._used > _NOTHING
        self._used = used
        return worked and used - self._before < LONG_THREAD_WAIT


_NOTHING = 20e-6
"""What a thread uses in s that only looks whether there is anything to do, and less."""


def _used_by_others() -> float:
    return time.process_time() - time.thread_time()


def _another_is_ready() -> bool:
    """Whether another thread runs, is ready to, or waits for a disk; only Linux tells."""
    own = str(threading.get_native_id())
    try:
        for thread in os.listdir("/proc/self/task"):
            if thread != own:
                with open(f"/proc/self/task/{thread}/stat", "rb") as file:
                    # "number (name) state": a name may have anything in it.
                    if file.read().rpartition(b") ")[2][:1] in b"RD":
                        return True
    except OSError:  # not Linux, or the thread has just ended
        pass
    return False


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, which starts at 0."""

    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        super().__init__(self._jumping_selector)

    def time(self) -> float:
        """Virtual time in s."""
        return self._jumping_selector.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a call on a thread; virtual time stands still until it is done."""
        executing = self._jumping_selector.executing

        def execute() -> T:
            executing.add(threading.current_thread())
            return func(*args)

        if executor is None or isinstance(executor, ThreadPoolExecutor):
            future = super().run_in_executor(executor, execute)
        else:  # maybe of processes, to which only what can be pickled gets
            future = super().run_in_executor(executor, func, *args)
        self._jumping_selector.working += 1
        future.add_done_callback(self._one_less)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads of `asyncio.to_thread` to end, however long that takes.

        With a time-out (Python 3.12 and newer), virtual time would be over before they are.
        """
        await super().shutdown_default_executor()

    def _one_less(self, _done: object) -> None:
        self._jumping_selector.working -= 1


def run_virtual(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on virtual time; like `asyncio.run`."""
    results: list[T] = []

    async def keep() -> None:
        # When it restores the handler of SIGINT, Python writes out the `repr` of the task, and with
        # it of all that the task returns: seconds, where that is a minute of audio.
        results.append(await coro)

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(keep())
    return results[0]
