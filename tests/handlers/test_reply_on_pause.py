"""`ReplyOnPause` through a session: what a function says is heard after each turn."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AdditionalOutputs, AudioFrame, ConfigurationError, Playback
from fastrtc_core.testing import InProcessPeer, connect, fit_sine, tone
from fastrtc_handlers import AlgoOptions, ReplyOnPause, TurnOptions
from fastrtc_handlers.reply_on_pause import MAX_TYPED
from fastrtc_handlers.vad import EnergyVAD, LegacyVAD, SileroVAD, VADOptions

from .turns.test_taking import LoudIsSpeech

RATE = 16000
SPEECH = AudioFrame(RATE, np.full((1, RATE), 100, np.int16))
"""A second of what `LoudIsSpeech` takes for speech."""
SILENCE = AudioFrame(RATE, np.zeros((1, RATE), np.int16))
REPLY = tone(500, 0.5, 24000)
LONG = tone(500, 30, 24000)
OPTIONS = TurnOptions(silence=0.5)


def agent(fn: Any, **options: Any) -> ReplyOnPause:
    """A handler on a detector that says what the test wants."""
    options.setdefault("model", LoudIsSpeech())
    options.setdefault("algo_options", OPTIONS)
    return ReplyOnPause(fn, input_sample_rate=RATE, **options)


def handler_of(peer: InProcessPeer) -> ReplyOnPause:
    handler = peer.session.handler
    assert isinstance(handler, ReplyOnPause)
    return handler


async def take_turn(peer: InProcessPeer, silence: float = 1.0) -> None:
    """A second of speech, and silence."""
    await peer.speak(SPEECH)
    await peer.speak(AudioFrame(RATE, np.zeros((1, round(RATE * silence)), np.int16)))


def whole(audio: AudioFrame) -> AudioFrame:
    return REPLY


def generator(audio: AudioFrame) -> Iterator[AudioFrame]:
    yield REPLY


async def coroutine(audio: AudioFrame) -> AudioFrame:
    return REPLY


async def async_generator(audio: AudioFrame) -> AsyncIterator[AudioFrame]:
    yield REPLY


class Replier:
    def __call__(self, audio: AudioFrame) -> AudioFrame:
        return REPLY

    def method(self, audio: AudioFrame) -> Iterator[AudioFrame]:
        yield REPLY


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    "fn", [whole, generator, coroutine, async_generator, Replier(), Replier().method]
)
async def test_a_function_of_any_kind(fn: Any) -> None:
    """Its reply is heard at the end of the silence, whole."""
    async with connect(agent(fn)) as peer:
        start = asyncio.get_running_loop().time()
        await take_turn(peer, 2)
        assert peer.heard[0][0] - start == pytest.approx(1.5, abs=0.03)
    heard = np.concatenate([timed.data[0] for _, timed in peer.heard])
    assert fit_sine(heard[:12000], 500, 24000).snr > 40
    assert not peer.of_type("error")


@pytest.mark.virtual_clock
async def test_who_never_pauses_is_answered_again_and_again() -> None:
    """At each `max_turn`; each answer is heard whole."""
    told: list[Playback] = []

    class Noting(ReplyOnPause):
        def on_interrupted(self, playback: Playback) -> None:
            told.append(playback)

    options = TurnOptions(silence=0.5, max_turn=2.0)
    handler = Noting(whole, input_sample_rate=RATE, model=LoudIsSpeech(), algo_options=options)
    async with connect(handler) as peer:
        for _ in range(7):
            await peer.speak(SPEECH)
        await peer.speak(SILENCE)
    assert not told
    heard = np.concatenate([timed.data[0] for _, timed in peer.heard])
    assert len(heard) / 24000 == pytest.approx(4 * REPLY.duration, abs=0.05)


@pytest.mark.virtual_clock
async def test_the_function_gets_the_turn_and_the_inputs() -> None:
    """As many of the additional inputs as it takes; without those that it needs, it waits."""
    calls: list[tuple[AudioFrame, Any]] = []

    def reply(audio: AudioFrame, name: str) -> AudioFrame:
        calls.append((audio, name))
        return REPLY

    async with connect(agent(reply)) as peer:
        await take_turn(peer)
        assert not calls
        assert peer.of_type("send_input") == [[]]
        peer.send(["Ada", "unused"], "send_input")
        await take_turn(peer, 2.5)
        ((audio, name), _) = calls
    assert name == "Ada"
    rate, array = audio
    assert rate == RATE
    assert array.dtype == np.int16
    assert array.shape[0] == 1
    assert np.count_nonzero(array) == RATE, "all of the speech"


@pytest.mark.virtual_clock
async def test_greeting() -> None:
    """`startup_fn` is said before anything was heard; it may need inputs too."""

    def greet(name: str) -> Iterator[Any]:
        assert name == "Ada"
        yield REPLY
        yield AdditionalOutputs(name)

    async with connect(agent(whole, startup_fn=greet), args=["Ada"]) as peer:
        await asyncio.sleep(1)
        assert len(peer.heard) == 25
        assert peer.session.outputs.latest is not None


@pytest.mark.virtual_clock
async def test_a_turn_that_raises_is_reported_once_and_the_next_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whether before or after its first word."""
    turns = 0

    def reply(audio: AudioFrame) -> Iterator[AudioFrame]:
        nonlocal turns
        turns += 1
        if turns == 2:
            yield REPLY
        if turns < 3:
            raise ValueError("no")
        yield REPLY

    with caplog.at_level(logging.ERROR):
        async with connect(agent(reply)) as peer:
            for expected in (0, 25, 50):
                await take_turn(peer, 2)
                assert len(peer.heard) == expected
    assert turns == 3
    assert len(peer.of_type("error")) == len(caplog.records) == 2


@pytest.mark.virtual_clock
async def test_a_turn_of_ninety_seconds() -> None:
    """Slow to begin, long to say, and all of it is heard."""

    async def reply(audio: AudioFrame) -> AsyncIterator[AudioFrame]:
        await asyncio.sleep(65)
        for _ in range(90):
            yield tone(500, 1.0, 24000)

    async with connect(agent(reply)) as peer:
        await take_turn(peer)
        await asyncio.sleep(160)
        assert len(peer.heard) == 90 * 50


@pytest.mark.virtual_clock
async def test_who_speaks_interrupts() -> None:
    """The bot is silent in the first moment, and over when the guard has passed."""
    interrupted: list[Playback] = []
    turns: list[AudioFrame] = []

    class Agent(ReplyOnPause):
        async def on_interrupted(self, playback: Playback) -> None:
            interrupted.append(playback)

    def reply(audio: AudioFrame) -> Iterator[AudioFrame]:
        turns.append(audio)
        yield LONG

    made = Agent(reply, input_sample_rate=RATE, model=LoudIsSpeech(), algo_options=OPTIONS)
    async with connect(made) as peer:
        await take_turn(peer, 2)
        onset = asyncio.get_running_loop().time()
        await take_turn(peer, 0.1)
        last = peer.heard[-1][0]
        assert last - onset < 0.045
        assert peer.of_type("interrupted")[0]["heard_ms"] == pytest.approx(1500, abs=60)
        assert len(interrupted) == 1
        sent = len(peer.heard)
        await peer.speak(AudioFrame(RATE, np.zeros((1, RATE // 4), np.int16)))
        assert len(peer.heard) == sent
        await peer.speak(SILENCE)
        assert len(turns) == 2
        assert np.count_nonzero(turns[1].data) == RATE


@pytest.mark.virtual_clock
async def test_a_false_alarm_costs_a_pause() -> None:
    """The reply goes on from the very sample."""
    sound = tone(500, 3, 24000)
    async with connect(agent(lambda audio: sound)) as peer:
        await take_turn(peer, 1)
        await peer.speak(AudioFrame(RATE, SPEECH.data[:, : RATE // 5]))
        await peer.speak(SILENCE)
        await asyncio.sleep(4)
    heard = np.concatenate([timed.data[0] for _, timed in peer.heard])
    assert np.array_equal(heard, sound.data[0])
    assert not peer.of_type("interrupted")


@pytest.mark.virtual_clock
async def test_without_interruption_nothing_is_heard_before_the_reply_was_played() -> None:
    """To its last sample, not until it was made."""
    turns: list[AudioFrame] = []

    def reply(audio: AudioFrame) -> AudioFrame:
        turns.append(audio)
        return tone(500, 3, 24000)

    async with connect(agent(reply, can_interrupt=False)) as peer:
        await take_turn(peer, 0.6)
        await take_turn(peer, 0.8)  # while it speaks
        assert len(turns) == 1
        await asyncio.sleep(3)
        assert len(peer.heard) == 150
        await take_turn(peer)
        assert len(turns) == 2
        assert np.count_nonzero(turns[1].data) == RATE


@pytest.mark.virtual_clock
async def test_subclasses_survive_their_copy() -> None:
    """With whatever arguments their constructor takes, and a state of their own."""

    class Counting(ReplyOnPause):
        def __init__(self, start: int, *, step: int = 1) -> None:
            super().__init__(
                self.count, input_sample_rate=RATE, model=LoudIsSpeech(), algo_options=OPTIONS
            )
            self.value, self.step = start, step

        def count(self, audio: AudioFrame) -> AdditionalOutputs:
            self.value += self.step
            return AdditionalOutputs(self.value)

    prototype = Counting(5, step=2)
    for _ in range(2):
        async with connect(prototype) as peer:
            await take_turn(peer)
            latest = peer.session.outputs.latest
            assert latest is not None
            assert latest.args == (7,)
    assert prototype.value == 5


@pytest.mark.virtual_clock
async def test_text_turns() -> None:
    """What is typed is a turn by itself, or part of what is spoken."""
    turns: list[tuple[float, str]] = []

    def reply(audio: AudioFrame, *, text: str) -> AudioFrame:
        turns.append((audio.duration, text))
        return REPLY

    async with connect(agent(reply)) as peer:
        peer.send({"command": "text", "text": "hello"})
        await asyncio.sleep(1)
        assert turns == [(0.0, "hello")]
        handler_of(peer).add_text("and look at", respond=False)
        handler_of(peer).add_text("this", respond=False)
        await take_turn(peer)
        assert turns[1][0] > 1
        assert turns[1][1] == "and look at this"
        await take_turn(peer)
        assert turns[2][1] == ""


@pytest.mark.virtual_clock
async def test_what_is_typed_in_a_turn_has_a_bound() -> None:
    """Whether it waits, or goes on because no answer was heard."""
    told: list[str] = []

    async def reply(audio: AudioFrame, *, text: str) -> AudioFrame:
        told.append(text)
        await asyncio.sleep(5)
        return REPLY

    async with connect(agent(reply)) as peer:
        for letter, responds in (("a", False), ("b", True), ("c", True)):
            text = letter * (MAX_TYPED // 2)
            peer.send({"command": "text", "text": text, "respond": responds})
            await asyncio.sleep(0.1)
    assert [len(text) for text in told] == [MAX_TYPED] * 2
    assert told[1].endswith("c" * (MAX_TYPED // 2))


@pytest.mark.virtual_clock
async def test_text_interrupts() -> None:
    """The reply before it ends."""
    async with connect(agent(lambda audio: LONG)) as peer:
        await take_turn(peer)
        peer.send({"command": "text", "text": "stop"})
        await asyncio.sleep(0.1)
        assert len(peer.of_type("interrupted")) == 1


@pytest.mark.virtual_clock
async def test_a_response_may_be_triggered() -> None:
    """Without waiting for a pause; where nothing was said, nothing is answered."""
    turns: list[AudioFrame] = []

    def reply(audio: AudioFrame) -> None:
        turns.append(audio)

    async with connect(agent(reply)) as peer:
        peer.send({"command": "respond"})
        await asyncio.sleep(0.1)
        assert not turns
        await peer.speak(SPEECH)
        handler_of(peer).trigger_response()
        await asyncio.sleep(0.1)
        assert len(turns) == 1


@pytest.mark.virtual_clock
async def test_push_to_talk() -> None:
    """While muted, only what is said between press and release is heard, pauses and all."""
    turns: list[AudioFrame] = []

    def reply(audio: AudioFrame) -> AudioFrame:
        turns.append(audio)
        return LONG

    async with connect(agent(reply)) as peer:
        peer.send({"command": "mute", "on": True})
        await take_turn(peer)
        assert not turns
        peer.send({"command": "push_to_talk", "on": True})
        await take_turn(peer)
        await take_turn(peer, 0.5)
        peer.send({"command": "push_to_talk", "on": False})
        await asyncio.sleep(0.5)
        assert len(turns) == 1
        assert np.count_nonzero(turns[0].data) == 2 * RATE
        assert peer.heard
        peer.send({"command": "push_to_talk", "on": True})
        await asyncio.sleep(0.05)
        assert peer.of_type("interrupted"), "the key interrupts"
        peer.send({"command": "push_to_talk", "on": False})
        peer.send({"command": "mute", "on": False})
        await take_turn(peer)
        assert len(turns) == 3


@pytest.mark.virtual_clock
async def test_commands_of_the_client() -> None:
    """`interrupt` ends a reply; what is no command is left to subclasses."""
    async with connect(agent(lambda audio: LONG)) as peer:
        await take_turn(peer)
        for message in ("text", 5, None, {"command": "dance"}, {"no": "command"}):
            peer.send(message)
        peer.send({"command": "interrupt"})
        await asyncio.sleep(0.1)
        assert len(peer.of_type("interrupted")) == 1
        assert not peer.of_type("error")


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    ("said", "seconds", "min_words", "interrupts"),
    [
        ("stop", 0.3, 0, True),
        ("Yeah, okay.", 0.3, 0, False),
        ("", 0.3, 0, False),
        ("well", 2.0, 2, False),
        ("wait a moment", 2.0, 2, True),
        ("yeah", 2.0, 0, True),
        (RuntimeError("no model"), 0.3, 0, True),
    ],
)
async def test_words_decide_what_interrupts(
    said: Any, seconds: float, min_words: int, interrupts: bool
) -> None:
    """With a recogniser, "stop" does and "yeah" does not; one that fails lets everybody."""

    class STT:
        def stt(self, audio: Any) -> str:
            assert "recognition" in threading.current_thread().name
            if isinstance(said, Exception):
                raise said
            return str(said)

    options = TurnOptions(silence=0.5, min_words=min_words)
    sound = tone(500, 10, 24000)
    async with connect(agent(lambda audio: sound, algo_options=options, stt=STT())) as peer:
        await take_turn(peer)
        await peer.speak(AudioFrame(RATE, np.full((1, round(seconds * RATE)), 100, np.int16)))
        await peer.speak(SILENCE)
        assert bool(peer.of_type("interrupted")) == interrupts
        if not interrupts:
            await asyncio.sleep(11)
            assert len(peer.heard) == 500, "the reply goes on"


@pytest.mark.virtual_clock
async def test_an_agent_speaks_in_the_voice_of_the_handler() -> None:
    """What is yielded as text is spoken."""

    class Voice:
        def tts(self, text: str) -> AudioFrame:
            return tone(500, 0.1 * len(text), 24000)

    async with connect(agent(lambda audio: "four", tts=Voice())) as peer:
        await take_turn(peer, 2)
        assert len(peer.heard) == 20


@pytest.mark.virtual_clock
async def test_a_client_that_sends_nothing_when_nobody_speaks() -> None:
    """Its turns end as well."""
    turns: list[AudioFrame] = []
    async with connect(agent(turns.append)) as peer:
        for number in range(1, 4):
            await peer.speak(SPEECH)
            await asyncio.sleep(1.5)
            assert len(turns) == number
            assert np.count_nonzero(turns[-1].data) == RATE
            await asyncio.sleep(60)


def yields_nonsense(audio: AudioFrame) -> Iterator[Any]:
    yield "no voice for this"


def yields_numbers(audio: AudioFrame) -> Iterator[Any]:
    yield 42


def raises_in_its_end(audio: AudioFrame) -> Iterator[Any]:
    try:
        while True:
            yield REPLY
    finally:
        raise ValueError("not even this")


async def never_ends(audio: AudioFrame) -> AsyncIterator[Any]:
    while True:
        await asyncio.sleep(0.01)
        if audio is None:
            yield REPLY


async def swallows_its_end(audio: AudioFrame) -> AsyncIterator[Any]:
    while True:
        try:
            await asyncio.sleep(0.3)
            yield REPLY
        except asyncio.CancelledError:
            return


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    ("bad", "errors"),
    [
        (yields_nonsense, 1),
        (yields_numbers, 1),
        (raises_in_its_end, 0),
        (never_ends, 0),
        (swallows_its_end, 0),
    ],
)
async def test_a_function_that_misbehaves(bad: Any, errors: int) -> None:
    """It is interrupted, or reported once; the next turn is answered."""
    functions = iter([bad, whole])
    async with connect(agent(lambda audio: next(functions)(audio))) as peer:
        await take_turn(peer, 2)
        await take_turn(peer, 2)
        assert len(peer.of_type("error")) == errors
        assert peer.session.handler.speech is None
        handler_of(peer).add_text("again")
        await asyncio.sleep(0.1)
    heard = np.concatenate([timed.data[0] for _, timed in peer.heard[-25:]])
    assert fit_sine(heard, 500, 24000).snr > 40


async def test_a_function_that_blocks() -> None:
    """It is left to itself; the next turn is answered."""
    let_go = threading.Event()
    calls: list[int] = []

    def block(audio: AudioFrame) -> AudioFrame:
        calls.append(1)
        if len(calls) == 1:
            let_go.wait(20)
        return REPLY

    async with connect(agent(block)) as peer:
        handler_of(peer).add_text("first")
        await asyncio.sleep(0.2)
        assert not peer.heard
        handler_of(peer).add_text("second")
        reply = handler_of(peer)._reply
        assert reply is not None
        assert (await reply).heard == 0.5


@pytest.mark.virtual_clock
async def test_a_detector_that_raises() -> None:
    """A frame is lost, and the turn is answered."""

    class Flaky(LoudIsSpeech):
        frames = 0

        def push(self, frame: AudioFrame) -> Any:
            self.frames += 1
            if self.frames % 40 == 7:
                raise RuntimeError("no model")
            return super().push(frame)

    async with connect(agent(whole, model=Flaky())) as peer:
        await take_turn(peer, 2)
        assert len(peer.heard) == 25
        assert peer.of_type("error")


@pytest.mark.virtual_clock
async def test_an_idle_agent_does_nothing() -> None:
    """No frames, no work: `emit` is not polled."""
    async with connect(agent(whole)) as peer:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(600)
        assert loop.time() - before == pytest.approx(600)
        assert not peer.heard


def test_detectors() -> None:
    """The default, ours, and those written for FastRTC; nonsense is refused."""

    class Old:
        def vad(self, audio: Any, options: Any) -> Any:
            return 0.0, []

    assert isinstance(ReplyOnPause(whole).turns.vad, SileroVAD)
    strict = ReplyOnPause(whole, model_options=VADOptions(threshold=0.7)).turns.vad
    assert isinstance(strict, SileroVAD)
    assert strict.options.threshold == 0.7
    energy = EnergyVAD()
    vad = ReplyOnPause(whole, model=energy).turns.vad
    assert isinstance(vad, EnergyVAD)
    assert vad is not energy
    legacy = ReplyOnPause(whole, None, AlgoOptions(), {"some": 1}, model=Old()).turns.vad
    assert isinstance(legacy, LegacyVAD)
    with pytest.raises(ConfigurationError, match="VADOptions"):
        ReplyOnPause(whole, model_options={"threshold": 0.5})
    with pytest.raises(ConfigurationError, match="stt"):
        ReplyOnPause(whole, algo_options=TurnOptions(min_words=1))
    with pytest.raises(ConfigurationError, match="function"):
        ReplyOnPause("hello")  # type: ignore[arg-type]


@pytest.mark.virtual_clock
async def test_the_client_is_told_for_how_long_nobody_had_spoken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From it a page knows how long after the last word an answer is heard; typing has no pause."""
    logs: list[str] = []
    async with connect(agent(whole)) as peer:
        monkeypatch.setattr(handler_of(peer), "post_message", logs.append)
        await take_turn(peer)
        await asyncio.sleep(1)
        peer.send({"command": "text", "text": "typed"})
        await asyncio.sleep(0.1)
        messages = [json.loads(text) for text in logs]
        spoken, typed = (m["silence"] for m in messages if m["data"] == "pause_detected")
        assert 0.5 <= spoken < 0.7
        assert typed == 0
