"""What runs beside a connection while it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Pumps:
    """Coroutines that move media; those that come before the connection stands wait for it."""

    def __init__(self) -> None:
        self._waiting: list[Coroutine[Any, Any, None]] = []
        self._tasks: asyncio.TaskGroup | None = None

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """The connection stands: run them in this group."""
        self._tasks = tasks
        while self._waiting:
            tasks.create_task(self._waiting.pop())

    def run(self, pump: Coroutine[Any, Any, None]) -> None:
        """Run one while the connection stands."""
        if self._tasks is None:
            self._waiting.append(pump)
            return
        try:
            self._tasks.create_task(pump)
        except RuntimeError:  # the group is ending, and takes no more
            pump.close()

    def close(self) -> None:
        """Forget those that wait; idempotent."""
        while self._waiting:
            self._waiting.pop().close()
