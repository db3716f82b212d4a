"""`Source`: an input source with a thread of its own."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from ..usercode import call_guarded
from .interface import SourceInterface, logger

STOP_TIMEOUT = 5.0
"""How long in s `stop` waits for the thread, which may be busy in the callback."""


class _Run:
    """What happens between one start and its stop.

    Each has its own: a thread that a bounded `stop` had to leave behind must not take a later start
    for its own.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.error: Exception | None = None
        self.thread: threading.Thread


class Source(SourceInterface):
    """Runs `_run` on a thread from `start` to `stop`, again and again.

    A subclass loops in `_run` while `self._continue`, waits with `self._wait`, and hands over what
    it has with `self._emit`. When `_run` returns or raises, the source has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: _Run | None = None
        self._of_thread = threading.local()
        self._at_stop: set[Callable[[], object]] = set()

    @property
    def running(self) -> bool:
        """Whether it was started, and neither ended nor stopped."""
        run = self._active
        return run is not None and run.thread.is_alive() and not run.stopping.is_set()

    def start(self) -> None:
        """Start the thread; without effect while it runs. The sample clock starts at 0."""
        with self._lock:
            if self.running:
                return
            previous = self._active
            run = _Run()
            run.thread = threading.Thread(
                target=self._main, args=(run, previous), name=type(self).__name__, daemon=True
            )
            run.thread.start()
            self._active = run

    def stop(self) -> None:
        """Stop the thread and wait for it, 5 s at most; safe at any time and on any thread.

        Called from the callback it does not wait: the callback is the last.

        Raises:
            Exception: What ended the source, or else what its callback raised first. Once.
        """
        with self._lock:  # a start that is under way comes first
            run = self._active
        if run is None:
            return
        run.stopping.set()
        for function in tuple(self._at_stop):
            function()
        if run.thread is threading.current_thread():
            return
        run.thread.join(STOP_TIMEOUT)
        if run.thread.is_alive():
            logger.warning(
                "%s: its callback has not returned for %g s; its thread is left behind",
                type(self).__name__,
                STOP_TIMEOUT,
            )
        with self._lock:
            if self._active is run:
                self._active = None
            error, run.error = run.error, None
        if error is not None:
            raise error

    # For subclasses

    @abstractmethod
    def _run(self) -> None:
        """Produce audio until there is no more, or `_continue` is false; runs on the thread."""

    @property
    def _thread(self) -> threading.Thread | None:
        run = self._active
        return None if run is None else run.thread

    @property
    def _continue(self) -> bool:
        """Whether this thread is to go on."""
        run = self._current
        return run is not None and not run.stopping.is_set()

    def _wait(self, seconds: float) -> bool:
        """Sleep, but not beyond `stop`; returns whether to go on."""
        run = self._current
        return run is not None and not run.stopping.wait(max(0.0, seconds))

    def _emit(
        self,
        data: Sequence[Any] | NDArray[Any],
        pts: int | None = None,
        *,
        discontinuity: bool = False,
    ) -> None:
        """Deliver audio to the callback; after `stop`, nothing."""
        if self._continue:
            super()._emit(data, pts, discontinuity=discontinuity)

    def _report(self, error: Exception) -> None:
        run = self._current
        if run is not None and run.error is None:
            run.error = error
        super()._report(error)

    # The thread

    @property
    def _current(self) -> _Run | None:
        """The run that the calling thread belongs to; the present one for any other thread."""
        run: _Run | None = getattr(self._of_thread, "run", self._active)
        return run

    def _main(self, run: _Run, previous: _Run | None) -> None:
        self._of_thread.run = run
        if previous is not None:  # it may hold the device that is wanted now
            previous.thread.join(STOP_TIMEOUT)
        self._next_pts = 0
        try:
            call_guarded(self._run)
        except Exception as error:
            run.error = None  # what ended it is told before what a callback raised
            self._report(error)
        if not run.stopping.is_set():
            self._report_end()
