"""A model that follows a script, a voice of tones and a user, for the tests of agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np

from fastrtc_core import AudioFrame, SpokenFrame, TurnRecord, WordTime
from fastrtc_core.testing import InProcessPeer, tone
from fastrtc_handlers import TurnOptions, VoiceAgent

from ..turns.test_taking import LoudIsSpeech

RATE = 16000
WORD = 0.2
"""Length in s of a word."""


class Voice:
    """Says each word as a tone of 0.2 s, and knows when it does."""

    def __init__(self, frequency: float = 500) -> None:
        self.frequency = frequency
        self.spoken: list[str] = []

    async def stream_tts(self, text: str) -> AsyncIterator[AudioFrame]:
        self.spoken.append(text)
        position = 0
        for word in text.split():
            position = text.index(word, position)
            frame = tone(self.frequency, WORD, 24000)
            yield SpokenFrame.of(frame, [WordTime(position, 0.0)])
            position += len(word)


class Recogniser:
    """Knows how long what it hears is: a word for each half second of sound."""

    async def stt(self, audio: Any) -> str:
        seconds = np.count_nonzero(audio.data) / audio.sample_rate
        return " ".join(f"word{number}" for number in range(round(seconds * 2)))


class Script:
    """A model that yields what a test says, one answer after the other; numbers are pauses in s."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[list[dict[str, Any]]] = []
        self.tools: list[list[str]] = []
        self.closed = 0

    async def __call__(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]
    ) -> AsyncIterator[Any]:
        self.asked.append(messages)
        self.tools.append([each["function"]["name"] for each in tools])
        answer = self.answers.pop(0)
        try:
            for piece in answer if isinstance(answer, list | tuple) else [answer]:
                if isinstance(piece, int | float):
                    await asyncio.sleep(piece)
                elif isinstance(piece, Exception):
                    raise piece
                else:
                    yield piece
        finally:
            self.closed += 1


class Recorded(VoiceAgent):
    """Notes what it is told of its turns."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.records: list[TurnRecord] = []
        self.states: list[str] = []

    async def on_turn(self, record: TurnRecord) -> None:
        self.records.append(record)

    def on_status(self, state: str, tool: str) -> None:
        self.states.append(tool or state)


def make(model: Any, *tools: Any, **options: Any) -> Recorded:
    """An agent on a detector, a recogniser and a voice of the tests."""
    options.setdefault("stt", Recogniser())
    options.setdefault("tts", Voice())
    options.setdefault("algo_options", TurnOptions(silence=0.5))
    cls: type[Recorded] = options.pop("cls", Recorded)
    return cls(
        options.pop("instructions", "Be brief."),
        model=model,
        tools=tools,
        vad=LoudIsSpeech(),
        input_sample_rate=RATE,
        **options,
    )


def agent_of(peer: InProcessPeer) -> Recorded:
    handler = peer.session.handler
    assert isinstance(handler, Recorded)
    return handler


def write(peer: InProcessPeer, text: str) -> None:
    """The user types."""
    peer.send({"command": "text", "text": text})


async def speak(peer: InProcessPeer, speech: float, silence: float = 0.0) -> None:
    """The user speaks and pauses, for so many s."""
    for value, seconds in ((100, speech), (0, silence)):
        await peer.speak(AudioFrame(RATE, np.full((1, round(RATE * seconds)), value, np.int16)))


async def until(condition: Callable[[], Any], within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def turns(peer: InProcessPeer, count: int) -> None:
    """Wait until so many turns are over."""
    await until(lambda: len(agent_of(peer).records) >= count)


def said(peer: InProcessPeer) -> list[tuple[str, str]]:
    """The history without what tools said: roles and contents."""
    return [
        (message["role"], message["content"])
        for message in agent_of(peer).history
        if message["role"] in ("user", "assistant")
    ]
