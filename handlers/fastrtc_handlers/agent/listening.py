"""What the user of one session says, as a recogniser tells it while they speak."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastrtc_core import AudioFrame

from ..stt.live import BEHIND, TurnWords
from ..stt.types import LiveSTTModel
from ..turns import TurnTaking
from .limits import AgentLimits

logger = logging.getLogger(__name__)

STEADY = 0.1
"""For how long in s words must be known, and the same, before an answer to them is begun."""

CONFIRMS = 0.7
"""How long in s to wait for the words of somebody who speaks beside the agent."""


class Listening:
    """Has each turn recognised that begins, and hands out what was said when it is over.

    `hear`, `follow` and `hand_over` are called where frames arrive, under the lock of the handler;
    the rest on the event loop.

    Args:
        model: The recogniser.
        turns: What tells when a turn begins and is over.
        limits: How long the last words may take.
        loop: Of the session.
        keep: Runs a task as long as the session lasts.
        tell: Called with the turn that is being spoken when more of its words is known.
        forget: Called with a turn that came to nothing.
    """

    def __init__(
        self,
        model: LiveSTTModel,
        turns: TurnTaking,
        limits: AgentLimits,
        loop: asyncio.AbstractEventLoop,
        keep: Callable[[Coroutine[Any, Any, None]], Any],
        tell: Callable[[TurnWords], None],
        forget: Callable[[TurnWords], None],
    ) -> None:
        self._model = model
        self._turns = turns
        self._limits = limits
        self._loop = loop
        self._keep = keep
        self._tell = tell
        self._forget = forget
        self._current: TurnWords | None = None
        self._number = 0
        """Which turn it is."""
        self._answered: TurnWords | None = None
        """The turn before, as long as it may go on."""
        self._taken_back = turns.taken_back
        self._dropped = 0.0

    @property
    def current(self) -> TurnWords | None:
        """The turn that is being spoken, if there is one."""
        return self._current

    @property
    def dropped(self) -> float:
        """Audio in s that the recogniser was too slow for."""
        current = self._current
        return self._dropped + (0.0 if current is None else current.dropped)

    # Where frames arrive

    def hear(self, frame: AudioFrame) -> None:
        """Have a frame recognised that turn-taking is about to hear."""
        if self._current is not None:
            self._loop.call_soon_threadsafe(self._current.push, frame)

    def follow(self) -> None:
        """Turn-taking has heard the frame: a turn may have begun, or come to nothing."""
        turns = self._turns
        if self._current is not None and (not turns.in_turn or turns.begun != self._number):
            self._loop.call_soon_threadsafe(self._close, self._current)
            self._current = None
        if not turns.in_turn:
            return
        if self._current is None:
            self._current = live = self._open()
            self._number = turns.begun
            self._loop.call_soon_threadsafe(self._start, live, turns.said())
        self._go_on()

    def hand_over(self, silence: float) -> TurnWords | None:
        """The turn is over, with so many s of silence at its end; what was said in it."""
        self._go_on()
        live, self._current = self._current, None
        self._answered = live
        if live is not None:
            self._loop.call_soon_threadsafe(self._finish, live, silence)
        return live

    def _go_on(self) -> None:
        """The turn before was not over, where turn-taking has taken that back."""
        if self._turns.taken_back == self._taken_back:
            return
        self._taken_back = self._turns.taken_back
        before, self._answered = self._answered, None
        if self._current is None:
            self._current = before  # nothing more was said: it is handed out once more
        elif before is not None:
            self._current.follow(before)

    def _open(self) -> TurnWords:
        return TurnWords(self._model, self._note, patience=self._limits.stt)

    # On the event loop

    async def words(self, live: TurnWords | None, audio: AudioFrame) -> str:
        """All that was said in a turn that is over.

        If the recogniser has failed in its middle, it is given all of the turn once more.

        Raises:
            Exception: Whatever the recogniser raises.
        """
        if live is not None:
            try:
                return await live.words()
            except Exception:
                if not live.failed:
                    raise
                logger.warning("the recogniser failed, and hears the turn again", exc_info=True)
        again = TurnWords(self._model, lambda _: None, patience=self._limits.stt, backlog=math.inf)
        self._start(again, audio)
        again.finish()
        try:
            return await again.words()
        finally:
            again.close()

    async def draft_words(self, live: TurnWords) -> str:
        """What was said up to the present pause, as soon as it is known and steady.

        It is not for ever: who goes on speaking, or ends the turn, wants it no more.
        """
        return await live.steady_words(live.heard - self._pause() - BEHIND, STEADY)

    async def words_beside(self, live: TurnWords, suffices: Callable[[str], bool]) -> str:
        """What somebody has said up to now beside the agent, or as much of it as suffices.

        Raises:
            Exception: What the recogniser has raised.
        """
        until = live.heard - self._pause() - BEHIND
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONFIRMS):
                await live.until(lambda: live.knows(until) or suffices(live.own_text))
        if live.failed:
            await live.words()
        return live.own_text

    def _pause(self) -> float:
        return self._turns.observe().pause

    def _note(self, live: TurnWords) -> None:
        if live is self._current:
            self._read(live.text, live.lag)
            self._tell(live)

    def _read(self, text: str, lag: float) -> None:
        """Hand on the words to what decides about turns; that it fails is no fault of theirs."""
        try:
            self._turns.read(text, lag)
        except Exception:
            logger.exception("the turn detector failed: from now on, a silence ends each turn")

    def _start(self, live: TurnWords, audio: AudioFrame) -> None:
        live.push(audio)
        if live is self._current:
            self._read("", 0.0)
        with contextlib.suppress(RuntimeError):  # the session has ended meanwhile
            self._keep(live.run())

    def _finish(self, live: TurnWords, silence: float) -> None:
        if not live.finished:  # it may be handed out once more
            self._dropped += live.dropped
        live.finish(silence)

    def _close(self, live: TurnWords) -> None:
        self._dropped += live.dropped
        live.close()
        self._forget(live)
