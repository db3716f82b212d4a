"""Records of turns against the sound at the client: the stages are the silence that it heard."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AsyncStreamHandler, AudioFrame, TurnRecord, stage
from fastrtc_core.speech.live_turn import LiveTurn
from fastrtc_core.testing import InProcessPeer, connect, tone
from fastrtc_core.tracks.audio_source import AUDIBLE
from fastrtc_handlers import ReplyOnPause, TurnOptions, VoiceAgent
from fastrtc_handlers.agent import ToolCall
from tests.handlers.turns.test_taking import LoudIsSpeech

RATE = 16000
SPOKEN = np.full((1, RATE // 50), 1000, np.int16)
"""A frame of what `LoudIsSpeech` takes for speech."""


class Draw:
    """What a test draws, turn by turn."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.has_gaps = seed % 4 == 1
        """Whether the client may send nothing while the user is silent."""

    async def work(self, longest: float) -> None:
        """Be busy for a while, or not at all."""
        if self.random.random() < 0.8:
            await asyncio.sleep(self.random.uniform(0, longest))

    def sound(self) -> AudioFrame:
        """An answer, which begins with silence as those of voices do."""
        lead = np.zeros((1, round(24000 * self.random.choice([0, 0.013, 0.15]))), np.int16)
        return AudioFrame(24000, np.hstack([lead, tone(400, 0.2, 24000).data]))


class Voice:
    def __init__(self, draw: Draw) -> None:
        self.draw = draw

    async def stream_tts(self, text: str) -> AsyncIterator[AudioFrame]:
        await self.draw.work(0.3)
        yield self.draw.sound()
        await self.draw.work(0.1)
        yield self.draw.sound()


class Recogniser:
    def __init__(self, draw: Draw) -> None:
        self.draw = draw

    async def stt(self, audio: Any) -> str:
        await self.draw.work(0.4)
        return "hello"


class Agent(VoiceAgent):
    """Everything in it takes some time; frames come on the event loop, for speed."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        stt: Any = Recogniser(draw)
        super().__init__(
            model=self.think,
            stt=stt,
            tts=Voice(draw),
            tools=[self.look],
            vad=LoudIsSpeech(),
            input_sample_rate=RATE,
            algo_options=TurnOptions(
                silence=0.3, min_speech=0.1, draft_after=draw.random.choice([None, 0.1])
            ),
        )

    async def receive(self, frame: AudioFrame) -> None:  # type: ignore[override]
        super().receive(frame)

    async def look(self) -> str:
        async with self.stage("database"):
            await self.draw.work(0.3)
        return "found"

    async def think(self, messages: list[dict[str, Any]]) -> AsyncIterator[Any]:
        with self.stage("rag"):
            await self.draw.work(0.2)
            with stage("rerank"):
                await self.draw.work(0.1)
        await self.draw.work(0.5)
        if messages[-1]["role"] == "user" and self.draw.random.random() < 0.3:
            yield ToolCall("look")
            return
        for word in ("Well, ", "I think ", "so. ", "And more."):
            yield word
            await self.draw.work(0.1)

    def copy(self) -> Agent:
        return Agent(self.draw)


def replier(draw: Draw) -> ReplyOnPause:
    """A function answers, with audio."""

    async def reply(audio: AudioFrame) -> AsyncIterator[AudioFrame]:
        await draw.work(0.2)
        for _ in range(2):
            with stage("rag"):
                await draw.work(0.2)
        yield draw.sound()

    class OnLoop(ReplyOnPause):
        async def receive(self, frame: AudioFrame) -> None:  # type: ignore[override]
            super().receive(frame)

    return OnLoop(
        reply,
        model=LoudIsSpeech(),
        input_sample_rate=RATE,
        algo_options=TurnOptions(silence=0.3, min_speech=0.1),
    )


class Own(AsyncStreamHandler):
    """Decides by itself that a turn is over, and emits its answer or says it."""

    def __init__(self, draw: Draw) -> None:
        super().__init__(input_sample_rate=RATE, output_sample_rate=24000)
        self.draw = draw
        self.quiet = -1.0
        self.answers: asyncio.Queue[AudioFrame] = asyncio.Queue()

    async def receive(self, frame: AudioFrame) -> None:
        if frame.data.any():
            self.quiet = 0.0
        elif self.quiet >= 0:
            self.quiet += frame.duration
            if self.quiet >= 0.3:
                self.create_task(self.answer(self.take_turn(self.quiet)))
                self.quiet = -1.0

    async def answer(self, turn: LiveTurn) -> None:
        with self.stage("rag"):
            await self.draw.work(0.3)
        await self.draw.work(0.2)
        if self.draw.random.random() < 0.5:
            self.say(self.draw.sound(), turn=turn)
        else:
            self.answers.put_nowait(self.draw.sound())

    async def emit(self) -> AudioFrame:
        return await self.answers.get()

    def copy(self) -> Own:
        return Own(self.draw)


async def gaps(peer: InProcessPeer, draw: Draw) -> tuple[float, TurnRecord]:
    """The user speaks; returns the silence that follows at the client, and the record of it."""
    loop = asyncio.get_running_loop()
    told = len(peer.turns)
    for _ in range(draw.random.randint(6, 12)):
        peer.push(AudioFrame(RATE, SPOKEN))
        fell_silent = loop.time()  # a frame is there when its last sample was spoken
        await asyncio.sleep(0.02)
    sends_silence = not (draw.has_gaps and draw.random.random() < 0.5)
    before = len(peer.heard)
    while len(peer.turns) == told:
        if sends_silence:
            peer.push(AudioFrame(RATE, np.zeros_like(SPOKEN)))
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)  # what was emitted is heard to its end
    for at, frame in peer.heard[before:]:
        loud = np.flatnonzero(np.abs(frame.data[0]) > AUDIBLE)
        if loud.size:
            return at + loud[0] / frame.sample_rate - fell_silent, peer.turns[told]
    raise AssertionError("no answer was heard")


MAKERS = (Agent, replier, Own)


async def off_by(seed: int, turns: int) -> list[float]:
    """By how much records differ from what was heard, over so many turns with one handler."""
    draw = Draw(seed)
    make: Any = MAKERS[seed % 3]
    draw.has_gaps = draw.has_gaps and make is not Own
    off = []
    async with connect(make(draw)) as peer:
        for _ in range(turns):
            heard, record = await gaps(peer, draw)
            assert record.gap == sum(record.stages.values())
            assert all(seconds >= 0 for seconds in record.stages.values()), record
            off.append(abs(record.gap - heard))
    assert not peer.of_type("error")
    return off


@pytest.mark.virtual_clock
@pytest.mark.parametrize("seed", range(6))
async def test_the_stages_are_the_silence_that_was_heard(seed: int) -> None:
    assert max(await off_by(seed, 2)) < 0.02


@pytest.mark.soak
@pytest.mark.virtual_clock
async def test_the_stages_are_the_silence_that_was_heard_500_times() -> None:
    off = sorted([each for seed in range(50) for each in await off_by(seed, 10)])
    print(f"median {off[250]:.6f}, p99 {off[494]:.6f}, largest {off[-1]:.6f} s")
    assert off[494] < 0.02


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_began_last_has_the_time() -> None:
    """Nested, side by side, again, and across the decision."""
    clock = Clock()
    turn = LiveTurn(clock, -0.5, -0.5)
    early = turn.stage("early")
    early.__enter__()
    clock.now = 0.3
    turn.decide(1, "silence", queued=True)
    clock.now = 0.4
    turn.go()
    clock.now = 0.6  # what a draft has begun goes on
    turn.reach("model")
    early.__exit__()
    outer, inner = turn.stage("outer"), turn.stage("inner")
    outer.__enter__()
    clock.now = 0.7
    inner.__enter__()
    outer.__exit__()  # side by side, as tasks are
    clock.now = 0.9
    inner.__exit__()
    clock.now = 1.0
    with turn.stage("outer"):
        clock.now = 1.3
        turn.reach("sentence")
        clock.now = 1.4
    turn.sound(1.5)
    clock.now = 2.0
    record = turn.close(heard="Well", interrupted=True)
    expected = {"silence": 0.8, "queue": 0.1, "early": 0.2, "model": 0.1, "outer": 0.4}
    expected |= {"inner": 0.2, "sentence": 0.2}
    assert dict(record.stages) == pytest.approx(expected)
    assert list(record.stages) == list(expected)
    assert record.gap == pytest.approx(2.0)
    assert record.until("early") == pytest.approx(0.9)
    assert (record.duration, record.head_start, record.interrupted) == (2.5, 0.3, True)
    assert str(record).startswith("turn 1: 2000 ms = silence 800, queue 100, early 200, model 100")


def test_a_turn_that_is_not_answered_is_no_short_one() -> None:
    """Whoever asserts on its gap fails, and its message is JSON."""
    turn = LiveTurn(Clock(), -0.1, 0.0)
    turn.decide(1, "text", queued=False)
    record = turn.close(error=ValueError("no route"))
    assert (record.duration, "receive" in record.stages) == (0.0, False)  # it was typed
    assert record.gap == math.inf
    assert "head start" not in str(replace(record, head_start=0.0003))
    assert record.errors == ("ValueError: no route",)
    assert (record.as_message()["gap"], record.as_message()["errors"]) == (None, ["ValueError"])


@pytest.mark.virtual_clock
async def test_what_is_no_answer_has_no_record() -> None:
    """A greeting; a stage in it does nothing. What interrupts an answer ends its turn."""

    async def greet() -> AsyncIterator[AudioFrame]:
        with stage("rag"):
            yield tone(400, 0.2, 24000)

    async def never(audio: AudioFrame) -> AsyncIterator[AudioFrame]:
        await asyncio.sleep(60)
        yield tone(400, 0.2, 24000)

    handler = ReplyOnPause(
        never,
        startup_fn=greet,
        model=LoudIsSpeech(),
        input_sample_rate=RATE,
        algo_options=TurnOptions(silence=0.4),
    )
    async with connect(handler) as peer:
        await peer.speak(AudioFrame(RATE, np.zeros((1, RATE), np.int16)))
        assert peer.turns == []
        for _ in range(2):
            peer.send({"command": "text", "text": "hello"})
            await asyncio.sleep(1)
        (record,) = peer.turns
        assert (record.number, record.ending, record.interrupted) == (1, "text", True)
        assert record.stages["reply"] == pytest.approx(1, abs=0.01)
        assert not record.answered
    assert len(peer.turns) == 2
