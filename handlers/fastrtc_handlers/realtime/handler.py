"""`RealtimeHandler`: a call with a model that hears and speaks by itself."""

from __future__ import annotations

import asyncio
import functools
import logging
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from fastrtc_core import (
    AudioFrame,
    CloseStream,
    ConfigurationError,
    LiveTurn,
    Speech,
    StreamHandlerBase,
)
from fastrtc_core.toolkit import model_name

from ..agent.tools import Tool, as_tool
from ..reply_on_pause import ReplyOnPause
from ..vad import VADEvent
from .conversation import Conversation, State
from .dialect import Dialect, Message, Said, Settings
from .events import Event, Ready, RealtimeError, SpeechBegan, SpeechEnded, Words
from .turn import Turn
from .uplink import LocalUplink
from .upstream import Address, RealtimeLimits, Upstream

logger = logging.getLogger(__name__)

REMEMBERED = 100
"""Turns of the conversation, in words, that another connection begins with."""

GAP = 0.2
"""Time in s without a frame, while somebody speaks, after which the model hears silence."""

BRIDGED = 15
"""Gaps in a row that are bridged; then whoever speaks is gone."""


class RealtimeHandler(ReplyOnPause):
    """Bridges each session to a realtime model of its own; for subclasses that know a service.

    What the model says is played at its own pace, however fast it comes. When the user interrupts,
    the rest is discarded, and the model is told how much of it was heard.

    The client is told the same as of a `VoiceAgent`: a `log` of `agent` with a `state`
    (`connecting`, `listening`, `thinking`, `tool`, `speaking`), a `status` while a tool runs, and
    `transcript`s of both sides. The messages by which a client steers it are those of
    `ReplyOnPause`; `push_to_talk` needs `turn_detection="local"`.

    The record of a turn (`on_turn`) has the stage `model` from the decision that the user was done
    to the first audio. Where the model finds the turns, it does not tell for how long it has heard
    silence by then: the gap begins with its word that they are done.

    Args:
        instructions: What the model is told first.
        tools: Functions that the model may call; see `fastrtc_handlers.agent.tool`. Fillers are
            not said: have the instructions ask the model to say something before it calls one.
        greeting: What the model is asked to say when a session begins, word for word.
        turn_detection: `model`: it finds the turns of the user. `local`: `ReplyOnPause` does, and
            tells the model.
        limits: How long it waits, and how much it keeps.
        vad: A detector of speech for `local`; `SileroVAD` by default.
        options: More arguments of `ReplyOnPause`; all but `can_interrupt` are for `local`.

    Raises:
        ConfigurationError: If arguments contradict each other, or a tool has no schema.

    Attributes:
        state: What goes on.
    """

    carried_settings = (*ReplyOnPause.carried_settings, "instructions", "greeting")

    def __init__(
        self,
        instructions: str = "",
        *,
        tools: Sequence[Callable[..., Any] | Tool] = (),
        greeting: str = "",
        turn_detection: Literal["model", "local"] = "model",
        limits: RealtimeLimits | None = None,
        vad: Any = None,
        **options: Any,
    ) -> None:
        if turn_detection not in ("model", "local"):
            raise ConfigurationError(
                f"turn_detection is 'model' or 'local', not {turn_detection!r}"
            )
        self.is_local = turn_detection == "local"
        self.limits = limits or RealtimeLimits()
        self._upstream = Upstream(
            self.make_dialect,
            self.find_address,
            self.limits,
            set_up=self._set_up,
            take=self._take,
            lost=self._lose,
        )
        super().__init__(
            _unused,
            model=vad if self.is_local else _NoDetector(),
            input_sample_rate=self._upstream.dialect.input_sample_rate,
            output_sample_rate=self._upstream.dialect.output_sample_rate,
            **options,
        )
        self.instructions = instructions
        self.greeting = greeting
        self.state: State = "connecting"
        self._tools = {tool.name: tool for tool in map(as_tool, tools)}
        self._conversation = Conversation(self, self._upstream)
        self._uplink = LocalUplink(self._upstream, self.options.pre_roll)
        self._history: deque[Said] = deque(maxlen=REMEMBERED)
        self._greeted = False
        self._muted = False
        self._answering: Turn | None = None
        """The turn that `_reply` is; for those who hold the lock."""
        self._timed: LiveTurn | None = None
        """Times the latest turn of the user."""
        self._unsaid: LiveTurn | None = None
        """The same, until its answer is said."""
        self._typed = ""
        """What was typed in the latest turn."""

    # For subclasses

    @abstractmethod
    def make_dialect(self) -> Dialect:
        """How the service is spoken to; for each connection, and by `__init__` of this class."""

    @abstractmethod
    def find_address(self) -> Address:
        """Where the service is; asked for each connection, so that a key may be short-lived.

        Raises:
            ConfigurationError: If that is not known.
        """

    def on_status(self, state: State, tool: str) -> Any:
        """Called when something else goes on; for subclasses. It does not wait."""

    def on_lost(self, error: RealtimeError) -> Any:
        """Called when the model is lost for good, before the error is reported; it does not wait.

        By default, the session ends when all was played that had come. A subclass may say
        something first, or let the session stay.
        """
        self.say(_closing(str(error)), interruptible=False)

    # What an application may call, from any thread

    @property
    def conversation(self) -> list[Said]:
        """What was said so far: of interrupted answers, about what was heard."""
        return list(self._history)

    @property
    def dropped_input(self) -> float:
        """Audio of the user in s that the model did not get, because the service was too slow."""
        return self._upstream.dropped

    @property
    def dropped_output(self) -> float:
        """Audio of the model in s that the user did not get, because it was too far ahead."""
        return self._conversation.dropped

    def add_text(self, text: str, *, respond: bool = True) -> None:
        """Send what was typed. If the model is to respond, what it says now is interrupted."""
        if self.is_local:
            super().add_text(text, respond=respond)
        else:
            self._soon(self._write_turn, text, respond)

    def trigger_response(self, *, empty: bool = False) -> bool:
        """Have the model answer what was said so far, without waiting for a pause."""
        if self.is_local:
            return super().trigger_response(empty=empty)
        self._soon(self._write_turn, "", True)
        return True

    def push_to_talk(self, on: bool) -> None:
        """Begin a turn, which interrupts, or end it and reply.

        Raises:
            ConfigurationError: If the model finds the turns.
        """
        if not self.is_local:
            raise ConfigurationError('push_to_talk needs turn_detection="local"')
        super().push_to_talk(on)

    def mute(self, on: bool) -> None:
        """Stop listening, and forget what was said so far; or listen again."""
        if self.is_local:
            super().mute(on)
        else:
            self._muted = on
            self.forget()

    def forget(self) -> None:
        """Forget what was said and not answered."""
        if self.is_local:
            super().forget()
            self._soon(self._uplink.drop)
        else:
            self._soon(self._forget_heard)

    def tune_turns(self, **changes: float) -> dict[str, float]:
        """Set how turns are detected, where that is done here."""
        if self.is_local:
            return super().tune_turns(**changes)
        if changes:
            raise ConfigurationError("the model finds the turns: use turn_detection")
        return {}

    # What the session calls

    async def start_up(self) -> None:
        """Connect, while frames come in already."""
        await super().start_up()
        self.show("connecting")
        self.create_task(self._run())

    def receive(self, frame: AudioFrame) -> None:
        """Listen to a frame."""
        if self.is_local:
            super().receive(frame)
        else:
            self._frames += 1
            self._listen(frame)

    # What the user says and types

    def _listen(self, frame: AudioFrame, *, bridges: bool = False) -> None:
        if self.is_local:
            super()._listen(frame, bridges=bridges)
        elif not self._muted:
            self._soon(self._hear, frame)

    def _take_in(self, frame: AudioFrame) -> None:
        if self.turns.listening or self.turns.in_turn:
            self._soon(self._uplink.hear, frame)
        else:
            self._soon(self._uplink.drop)
        super()._take_in(frame)
        self._soon(self._uplink.follow, self.turns.in_turn, self.turns.has_floor)

    def _hear(self, frame: AudioFrame) -> None:
        if self.can_interrupt or self.speech is None:
            self._upstream.hear(frame)

    async def _bridge_gaps(self) -> None:
        """Who waits for silence gets it, where a client sends nothing in the midst of a turn."""
        if self.is_local:
            await super()._bridge_gaps()
        size = round(GAP * self.input_sample_rate)
        silence = AudioFrame(self.input_sample_rate, np.zeros((1, size), np.int16))
        frames, gaps = -1, 0
        while True:
            await self._in_turn.wait()
            gaps = gaps + 1 if frames == self._frames else 0
            if 0 < gaps <= BRIDGED:
                self._hear(silence)
            frames = self._frames
            await asyncio.sleep(GAP)

    def _answer(self, audio: AudioFrame) -> None:
        super()._answer(audio)
        turn, self._answering = self._answering, None
        if turn is not None and self._reply is not None:
            self._soon(self._follow, turn, self._reply)

    def _reply_to(self, live: LiveTurn, audio: AudioFrame, text: str, goes_on: bool) -> Any:
        live.user = text
        self._time(live)
        self._answering = turn = self._conversation.new_turn()
        self._soon(self._end_turn, turn, text, goes_on)
        return turn.pieces

    def _end_turn(self, turn: Turn, text: str, goes_on: bool) -> None:
        spoken = self._uplink.end()
        if spoken:
            self._upstream.send(self._upstream.dialect.end_turn())
        # What was typed in a turn that is part of this one is known already.
        self._type(text.removeprefix(self._typed).strip() if goes_on else text)
        self._typed = text
        self.show("thinking")
        self._conversation.ask(turn, spoken=spoken)

    def _write_turn(self, text: str, respond: bool) -> None:
        self._type(text)
        if respond:
            self.interrupt()
            self._take_over("text", text)
            self._ask_for()

    def _type(self, text: str) -> None:
        if text:
            if self._upstream.begun:  # if not, it is going to be told of it
                self._upstream.send(self._upstream.dialect.write(text))
            self.write("user", text, final=True)

    def _ask_for(self, told: str = "") -> None:
        turn = self._conversation.new_turn()
        self.begin(turn)
        self._conversation.ask(turn, told)

    def _take_over(
        self, ending: Literal["silence", "text"], text: str = "", *, silence: float = 0.0
    ) -> None:
        """The user is done, as the model says after so many s, or has typed: it answers."""
        self._unsaid = live = self._session.open_turn(silence)
        live.user = text
        self._time(live)
        self._session.take_turn(live, ending)

    def _time(self, live: LiveTurn) -> None:
        self._timed = live
        live.models["model"] = model_name(self)
        live.reach("model")

    def _forget_heard(self) -> None:
        self._in_turn.clear()
        self._upstream.forget()
        self._upstream.send(self._upstream.dialect.forget())

    def _soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Call it on the event loop, after what was to be called before."""
        self.loop.call_soon_threadsafe(function, *args)

    # What the model does

    async def _run(self) -> None:
        try:
            await self._upstream.run()
        except Exception as error:
            self._conversation.lose()
            self._in_turn.clear()
            if isinstance(error, RealtimeError):
                lost = error
            else:
                lost = RealtimeError("The model cannot be reached.")
            try:
                self.on_lost(lost)
            except Exception:
                logger.exception("on_lost failed")
                self.interrupt(force=True)  # lest too much waits to be said
                RealtimeHandler.on_lost(self, lost)
            raise  # it is reported once

    def _set_up(self, dialect: Dialect) -> list[Message]:
        settings = Settings(
            self.instructions,
            tuple(self._tools.values()),
            listens=not self.is_local,
            interruptible=self.can_interrupt,
        )
        return dialect.set_up(settings, self.conversation)

    def _lose(self, error: RealtimeError) -> None:
        self._conversation.lose()
        self._uplink.begin_again()
        self._in_turn.clear()
        self.post_message({"type": "warning", "data": f"{error} Connecting again…"})
        self.show("connecting")

    def _take(self, event: Event) -> None:
        try:
            self._obey(event)
        except Exception:  # too much waits to be said, for example
            logger.exception("an event of the model is passed over")

    def _obey(self, event: Event) -> None:
        match event:
            case Ready():
                self._begin_session()
            case SpeechBegan() | SpeechEnded() if self.is_local:
                pass  # it is known here already
            case SpeechBegan():
                self._in_turn.set()
                self._log("started_talking")
                if self.can_interrupt:
                    self.interrupt()
            case SpeechEnded():
                self._in_turn.clear()
                self._log("pause_detected")
                self._take_over("silence", silence=event.silence)
                self.show("thinking")
            case Words(role="user"):
                self.write("user", event.text, final=event.final)
                if event.final and self._timed is not None:
                    self._timed.user = f"{self._timed.user} {event.text}".strip()
            case _:
                self._conversation.take(event)

    def _begin_session(self) -> None:
        if self._conversation.idle:
            self.show("listening")
        if self.greeting and not self._greeted and self.sends_audio:
            self._ask_for(f"Say exactly this, and nothing else: {self.greeting}")
        self._greeted = True

    # What the conversation asks for

    @property
    def toolbox(self) -> Mapping[str, Tool]:
        """What the model may call, by name."""
        return self._tools

    @property
    def handler(self) -> StreamHandlerBase:
        """What tools get that ask for the handler."""
        return self

    def begin(self, turn: Turn) -> None:
        """Say a turn."""
        self.show("thinking")
        live, self._unsaid = self._unsaid, None
        if live is not None and live.over:
            live = None
        self._follow(turn, self.say(turn.pieces, interruptible=self.can_interrupt, turn=live))

    def _follow(self, turn: Turn, speech: Speech) -> None:
        speech.when_heard(functools.partial(self._sound, turn))
        speech.when_done(functools.partial(self._conversation.settle, turn))

    def _sound(self, turn: Turn) -> None:
        turn.sounds = True
        self.show("speaking")

    def show(self, state: State, tool: Tool | None = None) -> None:
        """Tell the client and the application what goes on."""
        before, self.state = self.state, state
        if tool is not None or before == "tool":
            self.post_message({"type": "status", "data": "" if tool is None else tool.status})
        called = {} if tool is None else {"tool": tool.name}
        self._log("agent", state=state, **called)
        try:
            self.on_status(state, called.get("tool", ""))
        except Exception:
            logger.exception("on_status failed")

    def write(self, role: Literal["user", "assistant"], text: str, *, final: bool) -> None:
        """Show what was said, and keep what stands."""
        if final and text:
            self._history.append(Said(role, text))
        said = {"role": role, "text": text, "final": final}
        self.post_message({"type": "transcript", "data": said})

    def complain(self, problem: str) -> None:
        """Report what is no turn's."""
        self.create_task(_failing(RealtimeError(problem)))

    def keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run it until the session ends."""
        return self.create_task(work)


class _NoDetector:
    """Stands where `ReplyOnPause` has a detector of speech: the model has its own."""

    end_delay = 0.0
    probability = 0.0
    speaking = False

    def push(self, frame: AudioFrame) -> list[VADEvent]:
        """Hear nothing."""
        return []

    def reset(self) -> None:
        """Nothing is known."""

    def copy(self) -> _NoDetector:
        """The same."""
        return self


def _unused() -> None:
    """Stands where `ReplyOnPause` has the function that replies."""


async def _failing(error: Exception) -> None:
    raise error


def _closing(message: str) -> Iterator[Any]:
    yield CloseStream(message)
