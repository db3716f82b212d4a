"""The life of a session: which state may follow which, and the tasks that end with it."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..states import StateMachine
from .tasks import SessionTasks
from .types import CloseReason

Result = TypeVar("Result")


class SessionState(enum.Enum):
    """Where a session is in its life."""

    NEW = "new"
    """It was made; its handler has not been started."""
    RUNNING = "running"
    """Its handler was started, and its loops run."""
    PAUSED = "paused"
    """The same, while its client is away and may come back."""
    ENDING = "ending"
    """It was told to end, and takes nothing more for its handler."""
    CLOSED = "closed"
    """Nothing of it is left."""


MAY_FOLLOW = {
    SessionState.NEW: {SessionState.RUNNING, SessionState.ENDING},
    SessionState.RUNNING: {SessionState.PAUSED, SessionState.ENDING},
    SessionState.PAUSED: {SessionState.RUNNING, SessionState.ENDING},
    SessionState.ENDING: {SessionState.CLOSED},
    SessionState.CLOSED: set[SessionState](),
}


class Life:
    """The tasks of a session, from their start to their end, and the reason of that.

    Args:
        session_id: Named in errors.

    Attributes:
        loop: The event loop on which the session was made.
        reason: Why it ends, once it was told to.
    """

    def __init__(self, session_id: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.reason: CloseReason | None = None
        self._session_id = session_id
        self._progress = StateMachine(f"session {session_id}", SessionState.NEW, MAY_FOLLOW)
        self._told_to_end = asyncio.Event()
        self._tasks: SessionTasks | None = None

    @property
    def state(self) -> SessionState:
        """Where it is."""
        return self._progress.state

    @property
    def running(self) -> bool:
        """Whether code of the handler may be started."""
        return self.state in (SessionState.RUNNING, SessionState.PAUSED)

    @property
    def paused(self) -> bool:
        """Whether its client is away."""
        return self.state is SessionState.PAUSED

    @property
    def ending(self) -> bool:
        """Whether it was told to end: what has queued up is not handed to its handler."""
        return self.state in (SessionState.ENDING, SessionState.CLOSED)

    @property
    def tasks(self) -> int:
        """How many tasks run."""
        return 0 if self._tasks is None else len(self._tasks)

    async def stopped(self) -> None:
        """Wait until it was told to end."""
        await self._told_to_end.wait()

    def stop(self, reason: CloseReason) -> None:
        """Tell it to end; the first reason counts."""
        if self.ending:
            return
        self.reason = reason
        self._progress.enter(SessionState.ENDING)
        self._told_to_end.set()

    def begin(self) -> None:
        """It is going to run.

        Raises:
            RuntimeError: If it has run before.
        """
        if self.state is not SessionState.ENDING:  # it may be over before it begins
            if self.paused:
                self._progress.require(SessionState.NEW)
            self._progress.enter(SessionState.RUNNING)

    def pause(self) -> None:
        """Its client is away, and may come back.

        Raises:
            RuntimeError: If it does not run.
        """
        self._progress.enter(SessionState.PAUSED)

    def resume(self) -> None:
        """Its client is back.

        Raises:
            RuntimeError: If it was not away.
        """
        self._progress.require(SessionState.PAUSED)
        self._progress.enter(SessionState.RUNNING)

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Work until it is told to end, and end all that was started meanwhile."""
        self._tasks = tasks = SessionTasks(self._session_id, lambda: self.stop(CloseReason.CLOSED))
        try:
            tasks.create_task(work)
            await self._told_to_end.wait()
        finally:
            self.stop(CloseReason.CLOSED)  # where it was cancelled
            try:
                await tasks.end()
            finally:
                self._tasks = None

    def close(self) -> None:
        """Nothing of it is left; idempotent."""
        if self.state is not SessionState.CLOSED:
            self._progress.enter(SessionState.CLOSED)

    def own(self, coro: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run a coroutine until the session ends; it must keep what it raises to itself.

        Raises:
            RuntimeError: If the session does not run; the coroutine is closed then.
        """
        if self._tasks is None:
            coro.close()
            raise RuntimeError(f"session {self._session_id} is {self.state.value}, not running")
        return self._tasks.create_task(coro)
