"""`Conversation`: which answer of a model belongs to which turn, and what is to be done about it.

It is used on the event loop alone, and nothing in it waits but the tools.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any, Literal, Protocol

from fastrtc_core import AdditionalOutputs, CloseStream, Playback, StreamHandlerBase

from ..agent.tools import Tool, ToolError, failure_in_words, in_words
from .dialect import Dialect, Message
from .events import (
    AnswerBegan,
    AnswerEnded,
    Call,
    CallsCancelled,
    Event,
    Refused,
    Sound,
    Unanswered,
    Words,
)
from .turn import Turn
from .upstream import RealtimeLimits, Upstream

logger = logging.getLogger(__name__)

State = Literal["connecting", "listening", "thinking", "tool", "speaking"]
"""What goes on."""

CANCELLED = "Cancelled: the user spoke before it was done."

AGAIN = 0.2
"""Time in s after which a model is asked again that was busy with what is not known here."""


class Host(Protocol):
    """What a conversation needs of its handler."""

    limits: RealtimeLimits
    state: State

    @property
    def toolbox(self) -> Mapping[str, Tool]:
        """What the model may call, by name."""

    @property
    def handler(self) -> StreamHandlerBase:
        """What tools may ask for."""

    @property
    def sends_audio(self) -> bool:
        """Whether anybody hears what is said."""

    def begin(self, turn: Turn) -> None:
        """Say a turn that nobody here asked for."""

    def show(self, state: State, tool: Tool | None = None) -> None:
        """Say what goes on."""

    def write(self, role: Literal["user", "assistant"], text: str, *, final: bool) -> None:
        """Show what was said."""

    def complain(self, problem: str) -> None:
        """Tell the log and the client of something that is no turn's."""

    def interrupt(self) -> None:
        """End what is being said."""

    def keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run it until the session ends."""


class Conversation:
    """The turns of one session.

    Args:
        host: The handler.
        upstream: The model.

    Attributes:
        dropped: How much audio of the model in s was too far ahead.
    """

    def __init__(self, host: Host, upstream: Upstream) -> None:
        self._host = host
        self._upstream = upstream
        self.dropped = 0.0
        self._numbers = itertools.count(1)
        self._turns: dict[int, Turn] = {}
        """Those of which something is still to come."""
        self._answers: dict[str, Turn] = {}
        """The turns of the answers that have begun and not ended."""
        self._asking: deque[tuple[Turn, list[Message]]] = deque()
        """What is to be asked for, in order."""
        self._pending: tuple[Turn, list[Message]] | None = None
        """What was asked for and has not begun."""

    @property
    def idle(self) -> bool:
        """Whether nothing is said, and nothing is going to be."""
        return all(turn.settled for turn in self._turns.values())

    # What the handler does

    def new_turn(self) -> Turn:
        """A turn that is going to be asked for; from any thread."""
        return Turn(
            next(self._numbers),
            ahead=self._host.limits.ahead,
            patience=self._host.limits.answer,
            audible=self._host.sends_audio,
        )

    def ask(self, turn: Turn, told: str = "", *, spoken: bool = False) -> None:
        """Ask the model to answer, now or when its present answer is over; see `Dialect.ask`."""
        if turn.cut:
            return
        self._turns[turn.number] = turn
        turn.rounds += 1
        turn.asked += 1
        self._asking.append((turn, self._upstream.dialect.ask(turn.number, told, spoken=spoken)))
        self._ask_next()

    def settle(self, turn: Turn, playback: Playback) -> None:
        """A turn is no longer said: it was heard to its end, or was cut short here."""
        turn.settled = True
        turn.cut = playback.interrupted or playback.error is not None
        dialect = self._upstream.dialect
        if turn.cut:
            self._take_back(turn)
            for answer in turn.answers & self._answers.keys():
                self._upstream.send(dialect.cancel(answer))
            for name, task in turn.calls.values():
                self._cancel(name, task)
        if turn.cut or turn.dropped:
            for item, milliseconds in turn.unheard(playback.heard):
                self._upstream.send(dialect.truncate(item, milliseconds))
        if turn.text and turn.cut:
            # After the news that it was interrupted.
            words = turn.words(playback.heard)
            write = functools.partial(self._host.write, "assistant", words, final=True)
            asyncio.get_running_loop().call_soon(write)
        elif turn.text:
            self._host.write("assistant", turn.text, final=True)
        if playback.error is not None:
            self._give_up()
        self._ask_next()
        self._forget(turn)
        if self.idle:
            self._host.show("listening" if self._upstream.ready else "connecting")

    def _take_back(self, turn: Turn) -> None:
        """What is still to be asked for is not."""
        kept = deque(each for each in self._asking if each[0] is not turn)
        turn.asked -= len(self._asking) - len(kept)
        self._asking = kept

    def _give_up(self) -> None:
        """Do not wait for what may never come and nobody hears, lest all that follows waits."""
        for id, turn in tuple(self._answers.items()):
            if turn.cut:
                del self._answers[id]
                turn.answers.discard(id)
                self._forget(turn)
        if self._pending is not None and self._pending[0].cut:
            turn, self._pending = self._pending[0], None
            turn.asked = 0
            self._forget(turn)

    def lose(self) -> None:
        """The connection is lost: nothing more comes of what has begun."""
        self._answers.clear()
        self._asking.clear()
        self._pending = None
        for turn in tuple(self._turns.values()):
            turn.answers.clear()
            turn.asked = turn.results = 0
            turn.end()
            self._forget(turn)

    # What the model tells

    def take(self, event: Event) -> None:
        """Obey an event that is about an answer."""
        match event:
            case AnswerBegan():
                self._begin(event)
            case Unanswered():
                self._pass_over(event.turn)
            case Sound():
                self._sound(event)
            case Words():
                self._write(event)
            case Call():
                self._call(event)
            case CallsCancelled():
                self._cancel_calls(event.ids)
            case AnswerEnded():
                self._end(event)
            case Refused():
                self._refuse(event)

    def _begin(self, event: AnswerBegan) -> None:
        turn = self._turns.get(event.turn) if event.turn is not None else None
        if turn is None:
            turn = self._begin_turn()
        else:
            self._note_answer(turn)
        self._answers[event.id] = turn
        turn.answers.add(event.id)
        turn.note()
        if turn.cut:
            self._upstream.send(self._upstream.dialect.cancel(event.id))

    def _pass_over(self, number: int) -> None:
        turn = self._turns.get(number)
        if turn is not None:
            self._note_answer(turn)
            self._go_on(turn)
        self._ask_next()

    def _note_answer(self, turn: Turn) -> None:
        """What was asked for has begun, or is not going to."""
        turn.asked = max(0, turn.asked - 1)
        if self._pending is not None and self._pending[0] is turn:
            self._pending = None

    def _begin_turn(self) -> Turn:
        """One that nobody here asked for."""
        turn = self.new_turn()
        self._turns[turn.number] = turn
        self._host.begin(turn)
        return turn

    def _sound(self, event: Sound) -> None:
        turn = self._answers.get(event.answer)
        if turn is None:
            return
        if not turn.cut:
            before = turn.dropped
            turn.sound(event.item, event.frame)
            if turn.sounds and self._host.state in ("thinking", "tool"):
                self._host.show("speaking")  # again, after a tool
            if turn.dropped and not before:
                logger.warning("the model is more than %g s ahead", self._host.limits.ahead)
            self.dropped += turn.dropped - before
        elif not turn.has(event.item):
            turn.item(event.item)
            self._upstream.send(self._upstream.dialect.truncate(event.item, 0))

    def _write(self, event: Words) -> None:
        turn = self._answers.get(event.answer)
        if turn is None or turn.cut:
            return
        item = turn.item(event.item)
        item.text, item.done = event.text, event.final
        turn.note()
        self._host.write("assistant", turn.text, final=False)

    def _end(self, event: AnswerEnded) -> None:
        turn = self._answers.pop(event.id, None)
        if turn is not None:
            if event.interrupted and not turn.settled:
                self._host.interrupt()
            turn.answers.discard(event.id)
            if event.problem:
                turn.end(event.problem)
            self._go_on(turn)
        self._ask_next()

    def _refuse(self, event: Refused) -> None:
        turn = self._turns.get(event.turn) if event.turn is not None else None
        if turn is None:
            self._host.complain(event.problem)
            return
        pending = self._pending
        if pending is not None and pending[0] is turn:
            self._pending = None
            if event.busy:
                self._asking.appendleft(pending)
                if not self._answers:
                    asyncio.get_running_loop().call_later(AGAIN, self._ask_next)
                return
        turn.asked = max(0, turn.asked - 1)
        turn.end(event.problem)
        self._go_on(turn)
        self._ask_next()

    def _ask_next(self) -> None:
        """Ask for what is to be asked for next, if the model takes it now."""
        while self._asking:
            if self._upstream.dialect.one_at_a_time and (self._answers or self._pending):
                return
            turn, messages = self._asking.popleft()
            if turn.cut:
                turn.asked -= 1
                self._forget(turn)
                continue
            self._pending = turn, messages
            self._upstream.send(messages)

    def _go_on(self, turn: Turn) -> None:
        """Nothing more comes of a turn, unless its tools have given the model something to say."""
        turn.note()
        if turn.answers or turn.asked or turn.calls:
            return
        if not turn.over and turn.results:
            turn.results = 0
            if turn.rounds <= self._host.limits.rounds:
                self._host.show("thinking")
                self.ask(turn, spoken=True)
                return
            turn.end("The model calls tools again and again.")
        turn.end()
        self._forget(turn)

    def _forget(self, turn: Turn) -> None:
        if turn.settled and not (turn.answers or turn.asked or turn.calls):
            self._turns.pop(turn.number, None)

    # Tools

    def _call(self, call: Call) -> None:
        turn = self._answers.get(call.answer) or self._latest()
        if turn is None:
            turn = self._begin_turn()
        task = self._host.keep(self._result(turn, call))
        turn.calls[call.id] = call.name, task
        turn.note()
        # Not within the task: one that is cancelled before its first step never comes to its end.
        task.add_done_callback(functools.partial(self._finish, turn, call, self._upstream.dialect))

    def _latest(self) -> Turn | None:
        """The turn that is being said, where a model does not tell which is meant."""
        alive = [turn for turn in self._turns.values() if not turn.over]
        return alive[-1] if alive else None

    def _finish(self, turn: Turn, call: Call, dialect: Dialect, task: asyncio.Task[str]) -> None:
        """Give the model what came of a tool."""
        wanted = turn.calls.pop(call.id, None) is not None
        # Another connection knows nothing of the call.
        if wanted and self._upstream.dialect is dialect:
            text = CANCELLED if task.cancelled() else task.result()
            self._upstream.send(dialect.result(call.id, call.name, text))
            turn.results += not (dialect.goes_on and turn.answers)
        if not turn.settled:
            self._host.show("thinking")
        self._go_on(turn)

    async def _result(self, turn: Turn, call: Call) -> str:
        """Call a tool; what the model is told of it."""
        host = self._host
        tool = host.toolbox.get(call.name)
        if tool is None:
            known = ", ".join(host.toolbox) or "none"
            return f"Error: there is no tool {call.name}. There are: {known}."
        if not turn.settled:
            host.show("tool", tool)
        elif tool.on_interrupt == "cancel":
            return CANCELLED
        timeout = tool.timeout or host.limits.tool
        try:
            async with asyncio.timeout(timeout):
                value = await tool.run(call.arguments, host.handler)
            text = in_words(value)
        except Exception as error:
            unexpected = None if isinstance(error, ToolError | TimeoutError) else error
            logger.warning("the tool %s failed: %s", tool.name, error, exc_info=unexpected)
            return failure_in_words(error, timeout)
        if isinstance(value, CloseStream | AdditionalOutputs):
            turn.put(value)
        return text

    def _cancel_calls(self, ids: tuple[str, ...]) -> None:
        for turn in self._turns.values():
            for id in ids:
                if id in turn.calls:
                    self._cancel(*turn.calls.pop(id))

    def _cancel(self, name: str, task: asyncio.Task[str]) -> None:
        """Nobody waits for a tool any more; it may be one that ends what it has begun."""
        tool = self._host.toolbox.get(name)
        if tool is None or tool.on_interrupt == "cancel":
            task.cancel()
