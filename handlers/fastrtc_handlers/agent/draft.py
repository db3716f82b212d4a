"""A draft of an answer: begun in a pause, and heard only if that was the end of the turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from fastrtc_core import LiveTurn

AHEAD = 256
"""Pieces that a draft holds; then the model is held back."""


class Draft:
    """Recognises what was said so far, and asks the model, without a sound.

    Tools are not called: their calls wait in the draft with everything else.

    Args:
        typed: What was typed in the turn so far.
        turn: Times what may become a turn.
        listen: Finds out what was said.
        ask: Asks the model, with what was said.
        keep: Runs a task.
    """

    def __init__(
        self,
        typed: str,
        turn: LiveTurn,
        listen: Callable[[], Awaitable[str]],
        ask: Callable[[str], Awaitable[AsyncGenerator[Any]]],
        keep: Callable[[Any], asyncio.Task[Any]],
    ) -> None:
        self.typed = typed
        self.turn = turn
        self._listen = listen
        self._ask = ask
        self._words: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answers: asyncio.Queue[Any] = asyncio.Queue(AHEAD)
        with turn.running():
            self._task = keep(self._run())

    def discard(self) -> None:
        """The user was not done; idempotent."""
        self._task.cancel()
        self.turn.discard()
        if self._words.done() and not self._words.cancelled():
            self._words.exception()  # nobody else may have asked for it
        self._words.cancel()

    async def words(self) -> str:
        """What was said.

        Raises:
            Exception: Whatever the recogniser raises.
        """
        return await asyncio.shield(self._words)

    async def answers(self) -> AsyncGenerator[Any]:
        """What the model says, from its beginning; to be read once.

        Raises:
            Exception: Whatever the model raises.
        """
        try:
            while (answer := await self._answers.get()) is not None:
                if isinstance(answer, _Failure):
                    raise answer.error
                yield answer
        finally:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            words = await self._listen()
        except Exception as error:
            self._words.set_exception(error)
            return
        self._words.set_result(words)
        if not words:
            return
        last: Any = None
        try:
            async with contextlib.aclosing(await self._ask(words)) as answers:
                async for answer in answers:
                    await self._answers.put(answer)
        except Exception as error:
            last = _Failure(error)
        await self._answers.put(last)


class _Failure:
    """What a model raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error
