"""The life of an engine: which state may follow which, and the tasks that end with it."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from ..errors import ConfigurationError
from ..states import StateMachine

logger = logging.getLogger(__name__)


class EngineState(enum.Enum):
    """Where an engine is in its life."""

    NEW = "new"
    """It was made, and not started."""
    RUNNING = "running"
    """It takes members."""
    ENDING = "ending"
    """Its members are leaving."""
    ENDED = "ended"
    """Nothing of it is left; it may be started again."""


MAY_FOLLOW = {
    EngineState.NEW: {EngineState.RUNNING, EngineState.ENDED},
    EngineState.RUNNING: {EngineState.ENDING},
    EngineState.ENDING: {EngineState.ENDED},
    EngineState.ENDED: {EngineState.RUNNING},
}


class EngineLife:
    """Starts and ends an engine, and owns its tasks.

    Args:
        begin: Begins what the engine needs beside its tasks; what it raises ends the engine.
        leave: Has everybody leave, while tasks still run.
        close: Ends the rest, when no task is left.
    """

    def __init__(
        self,
        begin: Callable[[], Awaitable[None]],
        leave: Callable[[], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._progress = StateMachine("the engine", EngineState.NEW, MAY_FOLLOW)
        self._begin = begin
        self._leave = leave
        self._close = close
        self._starting = asyncio.Lock()
        self._root: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._owned: set[asyncio.Task[Any]] = set()
        self._left = asyncio.Event()

    @property
    def state(self) -> EngineState:
        """Where it is."""
        return self._progress.state

    @property
    def running(self) -> bool:
        """Whether tasks can be run."""
        return self._tasks is not None

    @property
    def tasks(self) -> int:
        """How many tasks it owns."""
        return len(self._owned)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it runs on.

        Raises:
            ConfigurationError: If it runs on none.
        """
        if self._root is None or self._tasks is None:
            self.require()
            raise ConfigurationError("the engine is just starting")
        return self._root.get_loop()

    def require(self) -> None:
        """Refuse what needs an engine that runs.

        Raises:
            ConfigurationError: If it does not.
        """
        if self.state is not EngineState.RUNNING:
            raise ConfigurationError(
                f"the engine is {self.state.value}, not running: use `async with`, or mount it"
            )

    async def start(self) -> None:
        """Begin, or begin again once it has ended; idempotent."""
        async with self._starting:
            if self._ending is not None:
                await asyncio.wait({self._ending})
            if self.state is EngineState.RUNNING:
                return
            self._progress.enter(EngineState.RUNNING)
            self._left = asyncio.Event()
            started = asyncio.Event()
            self._root = asyncio.create_task(self._run(started), name="fastrtc-engine")
            await started.wait()
            try:
                await self._begin()
            except BaseException:
                await self.end()
                raise

    async def start_once(self) -> None:
        """Begin, if it has not ended before.

        Raises:
            ConfigurationError: If it has.
        """
        if self.state in (EngineState.ENDING, EngineState.ENDED):
            raise ConfigurationError("the engine was destroyed: start it again, or make another")
        await self.start()

    def end(self) -> Awaitable[None]:
        """End it; await it to wait until all is gone. Idempotent."""
        if self.state is EngineState.ENDING and self._ending is not None:
            return self._ending
        if self.state is EngineState.NEW:
            self._progress.enter(EngineState.ENDED)
        if self.state is EngineState.ENDED:
            return _Done()
        self._progress.enter(EngineState.ENDING)
        self._ending = asyncio.create_task(self._end(), name="fastrtc-engine-end")
        return self._ending

    def own(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine for as long as the engine runs; what it raises goes to the log.

        Raises:
            ConfigurationError: If it does not run.
        """
        if self._tasks is None:
            coro.close()
            raise ConfigurationError("the engine is not running")
        task = self._tasks.create_task(_guard(coro))
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)
        return task

    async def _run(self, started: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            started.set()
            await self._left.wait()
            for task in tuple(self._owned):
                task.cancel()
        self._tasks = None

    async def _end(self) -> None:
        assert self._root is not None
        try:
            await self._leave()
        finally:
            self._left.set()
            await self._root
            try:
                await self._close()
            finally:
                self._progress.enter(EngineState.ENDED)


class _Done:
    """Nothing is left to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


async def _guard(coro: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coro
    except Exception:
        logger.exception("a task of a channel failed")
        return None
