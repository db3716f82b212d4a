"""`ReplyOnPause`: listens until the speaker is done, then says what a function replies."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Self

import numpy as np

from fastrtc_core import (
    AudioFrame,
    ConfigurationError,
    LiveTurn,
    Speech,
    StreamHandlerBase,
    get_current_context,
)
from fastrtc_core.toolkit import Function, Layout, channels_of, guarded

from .ear import Ear, EarVAD
from .stt import STTModel
from .turns import (
    Action,
    AlgoOptions,
    Bot,
    Observation,
    SilenceTurnDetector,
    TurnDetector,
    TurnEnd,
    TurnOptions,
    TurnTaking,
)
from .vad import VAD, LegacyVAD, SileroVAD, VADOptions, WindowedVAD
from .words import words_of

logger = logging.getLogger(__name__)

_GAP = 0.2
"""Time in s without a frame after which silence is heard."""

_LATE = 2.0
"""The same where nothing is lost on the way: what does not come there is late, and may come yet."""

_LOSSLESS = frozenset({"telephone", "websocket", "realtime"})
"""Transports over TCP, whose clients send silence as well."""

_OBSERVED = 0.1
"""Audio in s from one observation that is sent to the next, while no turn ends."""

MAX_TYPED = 100_000
"""Characters that are kept of what is typed in one turn: the latest."""

_OF_OPTIONS = ("silence", "pre_roll")
"""The turn options that a client can set."""


class _OfInit:
    """The signature of a class whose `__new__` takes anything: that of its `__init__`."""

    def __get__(self, handler: object, owner: Callable[..., Any]) -> inspect.Signature:
        signature = inspect.signature(owner.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


class ReplyOnPause(StreamHandlerBase):
    """Replies to each turn of the speaker with what a function says.

    Messages of the client that are a `dict` with a `command` steer it: `text` (with `text`: what
    was typed, and `respond`, false if more follows), `push_to_talk` and `mute` (each with `on`:
    whether from now on), `respond` (answer what was said so far), `forget` (what was said so far),
    `interrupt` and `observe` (with `on`: whether it is told what is heard, see `observe`). The
    client is told in a `log` that it is `listening`, and then of each turn: `started_talking`,
    `pause_detected`, `response_starting` and `response_done`.

    Args:
        fn: `fn(audio, *additional_inputs)`; a function, coroutine, or sync or async generator of
            whatever `say` takes: audio, text in the voice of `tts`, `AdditionalOutputs`. `audio` is
            an `AudioFrame` at the input rate; with a keyword-only parameter `text`, the function
            also gets what was typed in this turn.
        startup_fn: The same without `audio`, said when the session begins: a greeting.
        algo_options: When a turn is over and what interrupts; `AlgoOptions` of FastRTC are taken.
        model_options: Options of the default voice activity detector, or what a `model` of
            FastRTC's kind gets as its options.
        can_interrupt: Whether the speaker can interrupt. If not, nothing is listened to until the
            reply has been played to its end.
        expected_layout: Layout of `audio`.
        output_sample_rate: Rate at which replies are sent, in Hz; replies may have any.
        output_frame_size: Deprecated and ignored.
        input_sample_rate: Rate of `audio`, in Hz.
        model: A `VAD`, or a detector written for FastRTC. `SileroVAD` by default.
        needs_args: Whether to wait for the additional inputs before the first reply. It is known
            where `fn` cannot be called without them. The client is asked for them anew before
            each reply, whenever `fn` accepts any.
        turn_detector: How long to wait in a pause; by default as long as the options say, adapted
            to the speaker.
        tts: The voice of what is said as text; see `StreamHandlerBase.say`.
        stt: What recognises the words of somebody who speaks while the bot is heard: "stop"
            interrupts, "yeah" does not.
        ear: What listens in front of the speech detector, where what is said may come back from the
            client's loudspeaker: each session has a copy. Browsers cancel their echo themselves.

    Raises:
        ConfigurationError: If arguments contradict each other.
    """

    # Every sample counts more than the delay.
    max_input_latency = 2.0

    carried_settings = (
        *StreamHandlerBase.carried_settings,
        "fn",
        "startup_fn",
        "options",
        "can_interrupt",
        "needs_args",
        "turn_detector",
        "stt",
        "ear",
    )

    __signature__ = _OfInit()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments: `copy` makes another one of them, of a subclass too."""
        handler = super().__new__(cls)
        handler._made_of = args, kwargs
        return handler

    _made_of: tuple[tuple[Any, ...], dict[str, Any]]

    def __init__(
        self,
        fn: Callable[..., Any],
        startup_fn: Callable[..., Any] | None = None,
        algo_options: TurnOptions | AlgoOptions | None = None,
        model_options: Any = None,
        can_interrupt: bool = True,
        expected_layout: Layout = "mono",
        output_sample_rate: int = 24000,
        output_frame_size: int | None = None,
        input_sample_rate: int = 48000,
        model: VAD | Any = None,
        needs_args: bool = False,
        *,
        turn_detector: TurnDetector | None = None,
        tts: Any = None,
        stt: STTModel | None = None,
        ear: Ear | None = None,
    ) -> None:
        super().__init__(expected_layout, output_sample_rate, output_frame_size, input_sample_rate)
        if not callable(fn):
            raise ConfigurationError(f"fn must be a function, not {fn!r}")
        if isinstance(algo_options, AlgoOptions):
            algo_options = algo_options.as_turn_options()
        self.fn = fn
        self.startup_fn = startup_fn
        self.options = algo_options or TurnOptions()
        self.can_interrupt = can_interrupt
        self.needs_args = needs_args
        self.turn_detector = turn_detector
        self.tts = tts
        self.stt = stt
        self.ear = ear
        self._vad = _vad(model, model_options)
        self._check_settings()
        self._lock = threading.Lock()  # `receive` has a thread, and so may whoever steers
        self._reply: Speech | None = None
        self._text = ""
        self._answered_text = ""
        """What was typed in the turn that `_reply` answers."""
        self._text_goes_on = False
        """Whether what was typed in the turn before is part of this one."""
        self._taken_back = 0
        """How many turns were part of the one after them, as of the latest answer."""
        self._recognition = ThreadPoolExecutor(1, "recognition")
        self._frames = 0
        self._in_turn = asyncio.Event()
        self._talking = False
        self._heard = 0.0
        """Audio in s of the client, without the silence that bridges gaps."""
        self._came = 0.0
        """When the latest of it came, in loop time (s)."""
        self._bridged = 0.0
        """Silence in s that has bridged the gap since."""
        self._tuning: dict[str, Any] = {}
        """How the client sets turn detection, of `silence`, `pre_roll` and `threshold`."""
        self._tuned = True
        self._observed: tuple[float, int] | None = None
        """If the client is told what is heard: as of how much audio in s, and how many turns."""

    def copy(self) -> Self:
        """Another one with the same arguments; a subclass need not override it."""
        args, kwargs = self._made_of
        return type(self)(*args, **kwargs).take_settings(self)

    @functools.cached_property
    def turns(self) -> TurnTaking:
        """Follows the speaker of this session, as the settings say when it is first needed."""
        return TurnTaking(
            self._ear_vad or self._vad,
            (self.turn_detector or SilenceTurnDetector(self.options.silence)).copy(),
            self.options,
            self.input_sample_rate,
            channels_of(self.expected_layout),
            recognises=self.stt is not None,
        )

    @functools.cached_property
    def _ear_vad(self) -> EarVAD | None:
        """The detector with the ear of this session in front of it."""
        return None if self.ear is None else EarVAD(self._vad, self.ear.copy())

    @property
    def wants_played(self) -> bool:
        """An ear needs to know what was played."""
        return self.ear is not None

    def _check_settings(self) -> None:
        super()._check_settings()
        options: Any = getattr(self, "options", None)
        if options is None:
            return  # the base class has its own checked first
        if isinstance(options, AlgoOptions):
            self.options = options.as_turn_options()
        if self.options.min_words and self.stt is None:
            raise ConfigurationError("min_words needs stt: something that recognises words")

    @property
    def _requires_args(self) -> bool:
        """Whether there is no reply before the additional inputs have arrived."""
        return self.needs_args or Function(self.fn, leading=0).required > 1

    # What the session calls

    async def start_up(self) -> None:
        """Say the greeting, if there is one."""
        self.create_task(self._bridge_gaps())
        self._log("listening")
        if self.startup_fn is not None:
            self.say(self._greet)

    def receive(self, frame: AudioFrame) -> None:
        """Listen to a frame."""
        self._frames += 1
        self._listen(frame)
        if self.turns.in_turn != self._in_turn.is_set():
            change = self._in_turn.set if self.turns.in_turn else self._in_turn.clear
            self.loop.call_soon_threadsafe(change)

    async def emit(self) -> None:
        """Nothing: all that is heard is said."""
        await asyncio.Event().wait()

    def on_message(self, message: Any) -> None:
        """Do what the client commands; other messages are for subclasses."""
        if not isinstance(message, dict):
            return
        command = message.get("command")
        if command == "text":
            self.add_text(str(message.get("text", "")), respond=bool(message.get("respond", True)))
        elif command == "push_to_talk":
            self.push_to_talk(bool(message.get("on")))
        elif command == "mute":
            self.mute(bool(message.get("on")))
        elif command == "respond":
            if not self.trigger_response():
                self._log("nothing_to_answer", event_id=message.get("event_id"))
        elif command == "forget":
            self.forget()
        elif command == "interrupt":
            self.interrupt()
        elif command == "observe":
            with self._lock:
                self._observed = (-_OBSERVED, self.turns.ended) if message.get("on") else None

    def shutdown(self) -> Any:
        """End what works for this session alone."""
        self._recognition.shutdown(wait=False, cancel_futures=True)

    # What an application may call, from any thread

    def trigger_response(self, *, empty: bool = False) -> bool:
        """Answer what was said so far, without waiting for a pause.

        If it was said beside a reply, it interrupts that.

        Args:
            empty: Whether to answer even if nothing was said. `fn` then gets a frame of no samples.

        Returns:
            Whether there was anything to answer.
        """
        with self._lock:
            if self.turns.in_turn and not self.turns.has_floor:
                self._go_on()
            return self._respond(empty)

    def add_text(self, text: str, *, respond: bool = True) -> None:
        """Add what was typed to the turn.

        Args:
            text: It goes to `fn` as its keyword argument `text`, with what was spoken; of more than
                100,000 characters in a turn, the latest do.
            respond: Whether the turn is over; the reply before it is interrupted. If nothing of
                that was heard, the turn before is part of this one.
        """
        with self._lock:
            self._text = _joined(self._text, text)
            if respond:
                self._go_on()
                self._respond()

    def push_to_talk(self, on: bool) -> None:
        """Begin a turn, which interrupts, or end it and reply.

        Whoever wants nothing but this mutes the handler: what is said then is heard only between
        the two calls.
        """
        with self._lock:
            if on:
                self.interrupt()
                self.turns.hold()
            else:
                self._respond()

    def forget(self) -> None:
        """Forget what was said so far; a turn that a key holds goes on from here."""
        with self._lock:
            self._text = self._answered_text = ""
            self._text_goes_on = False
            self._do(self.turns.forget())

    def observe(self) -> Observation:
        """What is known of what is heard now; from any thread.

        That is how loud it is, which gates are closed, how long a pause must last, and why the
        latest turn ended. It is worked out when it is asked for. A client asks with the command
        `observe`, and is then told ten times in a second of audio, and at the end of each turn.
        """
        with self._lock:
            return self.turns.observe()

    def mute(self, on: bool) -> None:
        """Stop listening, and forget what was said so far; or listen again."""
        with self._lock:
            self.turns.listening = not on

    def tune_turns(self, **changes: float) -> dict[str, float]:
        """Set `silence`, `pre_roll` or `threshold`, see `StreamHandlerBase.tune_turns`.

        A silence that is set is the same for every speaker. It cannot be set with a `turn_detector`
        of your own, nor the threshold of a `model` that is no `WindowedVAD`.
        """
        holds = {"pre_roll": self.options.pre_roll}
        if self.turn_detector is None or isinstance(self.turn_detector, SilenceTurnDetector):
            holds["silence"] = getattr(self.turn_detector, "silence", self.options.silence)
        if isinstance(self._vad, WindowedVAD):
            holds["threshold"] = self._vad.options.threshold
        for name in changes:
            if name not in holds:
                raise ConfigurationError(f"{name} cannot be set: {', '.join(sorted(holds))} can")
        tuning: dict[str, Any] = {**self._tuning, **changes}
        if changes:
            TurnOptions(**{name: tuning[name] for name in _OF_OPTIONS if name in tuning})
            if "threshold" in tuning:
                VADOptions(threshold=tuning["threshold"])
            # Taken up by the thread that listens, with the next frame.
            self._tuning, self._tuned = tuning, False
        return {**holds, **tuning}

    def determine_reply(self, audio: AudioFrame) -> bool:
        """Whether a turn is to be answered; for subclasses. It runs where frames arrive."""
        return True

    def first_argument(self, audio: AudioFrame, text: str) -> Any:
        """What `fn` gets as its first argument; for subclasses.

        Args:
            audio: What was said in the turn.
            text: What was typed in it.
        """
        return audio

    # Turns

    def _listen(self, frame: AudioFrame, *, bridges: bool = False) -> None:
        with self._lock:
            if not self._tuned:
                self._tune()
            if bridges:
                self._bridged += frame.duration
            else:
                self._heard += frame.duration
                self._came, self._bridged = self.loop.time(), 0.0
            if self._ear_vad is not None:
                frame = self._ear_vad.hear(frame)
            self._take_in(frame)
            if self.turns.has_floor and not self._talking:
                began = max(0.0, self._heard - self.turns.began)
                self._log("started_talking", audio_seconds=round(began, 3))
            self._talking = self.turns.has_floor
            if self._observed is not None:
                self._tell_observation(*self._observed)

    def _take_in(self, frame: AudioFrame) -> None:
        """Hear a frame, and do what follows from it."""
        self._do(self.turns.push(frame, self._bot()))

    def _tell_observation(self, told: float, turns: int) -> None:
        if self._heard - told < _OBSERVED and self.turns.ended == turns:
            return
        self._observed = self._heard, self.turns.ended
        observation = self.turns.observe().as_message()
        self.post_message({"event": "observed", "at": round(self._heard, 3), **observation})

    def _tune(self) -> None:
        """Take up how the client sets turn detection."""
        self._tuned, tuning = True, self._tuning
        own = {name: tuning[name] for name in _OF_OPTIONS if name in tuning}
        detector = None
        if "silence" in tuning:
            detector = SilenceTurnDetector(tuning["silence"], adaptive=False)
        self.turns.tune(replace(self.options, **own), detector)
        if "threshold" in tuning and isinstance(self._vad, WindowedVAD):
            self._vad.set_threshold(tuning["threshold"])

    async def _bridge_gaps(self) -> None:
        """Hear silence where a client sends nothing in the midst of a turn, or it would not end."""
        patience = _LATE if get_current_context().transport in _LOSSLESS else _GAP
        size = round(_GAP * self.input_sample_rate)
        silence = np.zeros((channels_of(self.expected_layout), size), np.int16)
        frames, gaps = self._frames, 0
        while True:
            await self._in_turn.wait()
            await asyncio.sleep(_GAP)
            gaps = gaps + 1 if frames == self._frames else 0
            frames = self._frames
            if gaps >= round(patience / _GAP):
                frame = AudioFrame(self.input_sample_rate, silence)
                listen = functools.partial(self._listen, frame, bridges=True)
                await self.loop.run_in_executor(self._recognition, listen)
                if not self.turns.in_turn:
                    self._in_turn.clear()

    def _bot(self) -> Bot:
        if not self.sends_audio:
            return Bot()  # nobody hears it: who goes on speaking interrupts nothing
        current = self.speech
        if current is None and self._reply is not None and not self._reply.done:
            current = self._reply
        if current is None:
            return Bot(interruptible=self.can_interrupt)
        return Bot(True, current.heard, current.interruptible)

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            if action.kind == "pause":
                self.pause_speech()
            elif action.kind == "resume":
                self.resume_speech()
            elif action.kind == "interrupt":
                self._cut_short()
            elif action.kind == "draft" and action.audio is not None:
                self._begin_draft(action.audio)
            elif action.kind == "discard":
                self._discard_draft()
            elif action.kind == "confirm" and action.audio is not None:
                self.loop.call_soon_threadsafe(self._begin_to_confirm, action.audio)
            elif action.audio is not None:
                if self.determine_reply(action.audio):
                    self._answer(action.audio)
                else:
                    self._discard_draft()

    def _begin_draft(self, audio: AudioFrame) -> None:
        """Answer what was said so far, but let nobody hear it yet; for `VoiceAgent`."""

    def _discard_draft(self) -> None:
        """What was begun was no answer: the speaker goes on, or is not answered."""

    def _respond(self, empty: bool = False) -> bool:
        audio = self.turns.finish()
        if audio is None and (self._text or empty):
            channels = channels_of(self.expected_layout)
            audio = AudioFrame(self.input_sample_rate, np.zeros((channels, 0), np.int16))
        if audio is not None:
            self._answer(audio)
        return audio is not None

    def _answer(self, audio: AudioFrame) -> None:
        ended = self.turns.latest_end if audio.samples_per_channel else None
        silence = 0.0 if ended is None else ended.silence  # where all was typed, there was none
        heard = round(self._heard, 3)
        self._log("pause_detected", audio_seconds=heard, silence=round(silence, 3))
        self._talking = False
        text, self._text, self._answered_text = self._text, "", self._text
        goes_on = self._text_goes_on or self.turns.taken_back > self._taken_back
        self._text_goes_on, self._taken_back = False, self.turns.taken_back
        turn = self._turn_to_answer(ended, text, goes_on)
        reply = self._reply_to(turn, audio, text, goes_on)
        self._session.take_turn(turn, "text" if ended is None else ended.reason, said=True)
        self._reply = self.say(reply, interruptible=self.can_interrupt, turn=turn)

    def _turn_to_answer(self, ended: TurnEnd | None, text: str, goes_on: bool) -> LiveTurn:
        """Begin to time the answer to a turn; `ended` is why, where it was spoken."""
        return self._open_turn(0.0 if ended is None else ended.silence)

    def _open_turn(self, silence: float) -> LiveTurn:
        """Time an answer from the end of the speech, after so many s of silence were heard."""
        if silence:  # where nothing came, what bridged the gap is shorter or longer than that was
            silence = max(0.0, self.loop.time() - self._came + silence - self._bridged)
        return self._session.open_turn(silence)

    def _reply_to(self, turn: LiveTurn, audio: AudioFrame, text: str, goes_on: bool) -> Any:
        """What is said to a turn, a source as `say` takes it.

        Args:
            turn: Times the answer.
            audio: What was said in the turn.
            text: What was typed in it.
            goes_on: Whether the turn before, of whose answer nothing was heard, is part of it.
        """
        return functools.partial(self._call, audio, text)

    def _go_on(self) -> None:
        """Interrupt; a turn is taken back if nothing of the reply to it was heard."""
        self.turns.go_on(self._bot())
        self._cut_short()

    def _cut_short(self) -> None:
        """Interrupt; what was typed is part of the next turn if nothing of the reply was heard."""
        reply = self._reply
        if reply is not None and not reply.done and not reply.heard and reply.interruptible:
            self._text = _joined(self._answered_text, self._text)
            self._text_goes_on = bool(self._answered_text)
        self._answered_text = ""
        self.interrupt()

    def _begin_to_confirm(self, audio: AudioFrame) -> None:
        """Recognise what was said so far, in a task: it tells the session what `stt` raises."""
        with contextlib.suppress(RuntimeError):  # the session has ended meanwhile
            self.create_task(self._recognise(audio))

    async def _recognise(self, audio: AudioFrame) -> None:
        assert self.stt is not None
        recognise: Callable[[AudioFrame], Any] = self.stt.stt
        if not inspect.iscoroutinefunction(recognise):
            await self.loop.run_in_executor(self._recognition, self._confirm, recognise, audio)
            return
        said: asyncio.Future[Any] = self.loop.create_future()
        try:
            said.set_result(await guarded(recognise(audio)))
        except Exception as error:
            said.set_exception(error)
        listen = functools.partial(self._confirm, lambda _: said.result(), audio)
        await self.loop.run_in_executor(self._recognition, listen)

    def _confirm(self, recognise: Callable[[AudioFrame], Any], audio: AudioFrame) -> None:
        """Ask the recogniser; it has a thread of its own."""
        try:
            meant = self._interrupts(recognise(audio))
        except Exception:
            logger.exception("it is not known what was said: taken for an interruption")
            meant = True
        with self._lock:
            self._do(self.turns.confirm(meant))

    def _interrupts(self, text: str) -> bool:
        """Whether what was said beside the bot is meant to interrupt it."""
        counting = [word for word in words_of(text) if word not in self.options.backchannels]
        return len(counting) >= max(1, self.options.min_words)

    def _log(self, event: str, **more: Any) -> None:
        """Tell the client how the turn goes, in the words of FastRTC; and where in its audio."""
        self.post_message(json.dumps({"type": "log", "data": event, **more}))

    async def _greet(self) -> Any:
        """What `startup_fn` is going to say."""
        assert self.startup_fn is not None
        greeting = Function(self.startup_fn, leading=0)
        if self._requires_args or greeting.required:
            await self.wait_for_args()
        elif greeting.accepted != 0 and not self.args_set.is_set():
            await self.refresh_args()
        return functools.partial(self.startup_fn, *greeting.pick(self.args))

    async def _call(self, audio: AudioFrame, text: str) -> Any:
        """What `fn` is going to say; it is called where it belongs, on a thread if it is sync."""
        function = Function(self.fn, leading=0)
        if self._requires_args and not self.args_set.is_set():
            await self.wait_for_args()
        elif self.needs_args or function.accepted is None or function.accepted > 1:
            await self.refresh_args()
        arguments = function.pick((self.first_argument(audio, text), *self.args))
        keywords = {"text": text} if _takes_text(self.fn) else {}
        return functools.partial(self.fn, *arguments, **keywords)


def _joined(before: str, text: str) -> str:
    """What was typed in a turn so far."""
    joined = f"{before} {text}".strip()
    if len(joined) > MAX_TYPED:
        logger.info("more than %d characters are typed in a turn: the latest count", MAX_TYPED)
    return joined[-MAX_TYPED:]


def _vad(model: Any, options: Any) -> VAD:
    """A detector for one session."""
    if model is None:
        if options is not None and not isinstance(options, VADOptions):
            raise ConfigurationError(f"model_options of SileroVAD are VADOptions, not {options!r}")
        return SileroVAD(options)
    if isinstance(model, VAD):
        return model.copy()
    return LegacyVAD(model, options)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin without a signature
        return []


def _takes_text(function: Callable[..., Any]) -> bool:
    return any(
        parameter.name == "text" and parameter.kind is parameter.KEYWORD_ONLY
        for parameter in _parameters(function)
    )
