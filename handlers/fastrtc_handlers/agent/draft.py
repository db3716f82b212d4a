"""A draft of an answer: begun in a pause, and heard only if that was the end of the turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from fastrtc_core import LiveTurn

from ..words import words_of

AHEAD = 256
"""Pieces that a draft holds; then the model is held back."""

MOST = 3
"""How many drafts there are at most in one pause, where other words come to be known in it."""


class Draft:
    """Recognises what was said so far, and asks the model, without a sound.

    Tools are not called: their calls wait in the draft with everything else.

    Args:
        typed: What was typed in the turn so far.
        turn: Times what may become a turn.
        listen: Finds out what was said.
        ask: Asks the model, with what was said.
        keep: Runs a task.

    Attributes:
        typed: As above.
        turn: As above.
        known: What was said; `None` as long as it is not known.
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
        self.known: str | None = None
        self._listen = listen
        self._ask = ask
        self._words: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answers: asyncio.Queue[Any] = asyncio.Queue(AHEAD)
        with turn.running():
            self._task = keep(self._run())

    def discard(self) -> None:
        """The user was not done; idempotent."""
        self.cancel()
        self.turn.discard()

    def cancel(self) -> None:
        """Another draft takes its place; idempotent."""
        self._task.cancel()
        if self._words.done() and not self._words.cancelled():
            self._words.exception()  # nobody else may have asked for it
        self._words.cancel()

    def is_for(self, words: str) -> bool:
        """Whether it answers these words, however they are written."""
        return self.known is not None and words_of(self.known) == words_of(words)

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
        self.known = words
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


class Drafts:
    """The draft that there may be in a pause; used on the event loop.

    Args:
        ask: As of `Draft`.
        keep: As of `Draft`.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[AsyncGenerator[Any]]],
        keep: Callable[[Any], asyncio.Task[Any]],
    ) -> None:
        self._ask = ask
        self._keep = keep
        self._draft: Draft | None = None
        self._listen: Callable[[], Awaitable[str]] | None = None
        self._left = 0

    @property
    def current(self) -> Draft | None:
        """The draft, if there is one."""
        return self._draft

    def begin(self, typed: str, turn: LiveTurn, listen: Callable[[], Awaitable[str]]) -> None:
        """The pause has lasted long enough; the arguments are as of `Draft`."""
        self.drop()
        self._listen = listen
        self._left = MOST
        self._begin(typed, turn)

    def reconsider(self, spoken: str) -> None:
        """Begin again if this was said, and the draft answers something else."""
        draft = self._draft
        if draft is None or draft.known is None or not self._left:
            return
        if not draft.is_for(f"{spoken} {draft.typed}"):
            draft.cancel()
            self._begin(draft.typed, draft.turn)

    def take(self, turn: LiveTurn) -> Draft | None:
        """A turn is over: hand out the draft, if it is of that."""
        draft = self._draft
        if draft is None or draft.turn is not turn:
            self.drop()
            return None
        self._draft = None
        return draft

    def drop(self) -> None:
        """The user was not done."""
        if self._draft is not None:
            self._draft.discard()
            self._draft = None

    def _begin(self, typed: str, turn: LiveTurn) -> None:
        assert self._listen is not None
        self._left -= 1
        with contextlib.suppress(RuntimeError):  # the session has ended meanwhile
            self._draft = Draft(typed, turn, self._listen, self._ask, self._keep)


class _Failure:
    """What a model raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error
