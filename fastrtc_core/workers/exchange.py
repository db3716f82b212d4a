"""The two ends of a call from one process to another."""

from __future__ import annotations

import asyncio
from typing import Any

from ..errors import EndOfStreamError
from ..tracks.ring import Ring

CAPACITY = 64
"""Items that wait for whoever has asked for them; then the oldest are dropped."""


class Exchange:
    """The end of who calls.

    Args:
        now: The time in s.

    Attributes:
        accepted: Set once some process says that it holds the id.
        holder: Which one.
        heard: When it was last heard, in s.
        ended: Whether there is nothing more to come.
    """

    def __init__(self, now: float) -> None:
        self.accepted = asyncio.Event()
        self.holder = ""
        self.heard = now
        self._items: Ring[Any] = Ring(CAPACITY)
        self._result: Any = None
        self._error: Exception | None = None

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to come."""
        return self._items.ended

    def accept(self, holder: str) -> None:
        """Somebody holds the id; the first one is believed."""
        if not self.accepted.is_set():
            self.holder = holder
            self.accepted.set()

    def put(self, item: Any) -> None:
        """An item of a stream."""
        self._items.put(item)

    def end(self, result: Any = None, error: Exception | None = None) -> None:
        """The answer, or the end of a stream; the first one counts."""
        if not self.ended:
            self._result, self._error = result, error
            self._items.end()

    async def get(self) -> Any:
        """The next item.

        Raises:
            EndOfStreamError: If there is none; then `result` says what came of it.
        """
        return await self._items.get()

    async def result(self) -> Any:
        """Wait for the answer; raises what went wrong."""
        while True:
            try:
                await self._items.get()
            except EndOfStreamError:
                break
        if self._error is not None:
            raise self._error
        return self._result


class Service:
    """The end of who is called.

    Args:
        caller: Which process calls.
        number: Of its call.
        task: What answers it.
        now: The time in s.

    Attributes:
        heard: When the caller was last heard, in s.
    """

    def __init__(self, caller: str, number: int, task: asyncio.Task[None], now: float) -> None:
        self.caller = caller
        self.number = number
        self.task = task
        self.heard = now
