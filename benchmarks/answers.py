"""How soon a `VoiceAgent` answers, with a recogniser and a voice that work offline.

    python -m benchmarks.answers [--rounds N]

Sentences of a grammar, spoken by eSpeak NG, are played in real time to an agent in this process:
with PocketSphinx given each turn when it is over, given it while it is spoken, and with a draft
begun in the pause. The language model is a function that answers at once, or after 0.5 s. Measured
is from the last loud sample of the user to the first loud frame of the agent.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrtc_core import AudioFrame, TurnRecord
from fastrtc_core.testing import connect
from fastrtc_core.toolkit import Resampler
from fastrtc_handlers import TurnOptions, VoiceAgent
from fastrtc_handlers.stt import PocketSphinxSTT
from fastrtc_handlers.tts import EspeakTTS

from .statistics import percentile

RATE = 16000
THINKS = 0.5
"""How long in s a slow model takes for its first word."""
DRAFT_AFTER = 0.2
_LOUD = 500
_PAUSE = 3.0
"""Silence in s after each sentence."""

SENTENCES = (
    "turn on the light",
    "what time is it",
    "set a timer for ten minutes",
    "turn off the heating",
    "how is the weather",
)
GRAMMAR = f"#JSGF V1.0; grammar c; public <c> = {' | '.join(SENTENCES)};"


class WholeTurns:
    """The recogniser as one that knows whole turns only."""

    def __init__(self, stt: PocketSphinxSTT) -> None:
        self._stt = stt

    def stt(self, audio: Any) -> str:
        """The words of an utterance."""
        return self._stt.stt(audio)


@dataclass
class Answer:
    """What became of one turn; times in s.

    Attributes:
        delay: From the end of speech to the first sound.
        record: What the agent tells of the turn.
    """

    delay: float
    record: TurnRecord


class _Agent(VoiceAgent):
    def __init__(self, **options: Any) -> None:
        super().__init__(input_sample_rate=RATE, **options)
        self.records: list[TurnRecord] = []

    def on_turn(self, record: TurnRecord) -> None:
        """Note it."""
        self.records.append(record)


def spoken(text: str, voice: EspeakTTS) -> tuple[AudioFrame, float]:
    """A sentence with silence around it, and when in s its last loud sample is."""
    speech = voice.tts(text)
    resampler = Resampler(speech.sample_rate, RATE, 1)
    data = np.concatenate([resampler.push(speech.data), resampler.flush()], axis=1)
    lead, rest = (np.zeros((1, round(RATE * s)), np.int16) for s in (0.5, _PAUSE))
    whole = np.concatenate([lead, data, rest], axis=1)
    return AudioFrame(RATE, whole), float(np.flatnonzero(abs(whole[0]) > _LOUD)[-1]) / RATE


async def answers(
    stt: Any,
    tts: Any,
    *,
    thinks: float = 0.0,
    draft_after: float | None = None,
    sentences: Sequence[str] = SENTENCES,
) -> list[Answer]:
    """Say these sentences, and measure the answers."""

    async def model(messages: list[dict[str, Any]]) -> AsyncIterator[str]:
        if thinks:
            await asyncio.sleep(thinks)
        yield "Very well."

    options = TurnOptions(draft_after=draft_after)
    caller = EspeakTTS("en-us+f3", speed=150)
    loop, found = asyncio.get_running_loop(), []
    agent = _Agent(model=model, stt=stt, tts=tts, algo_options=options)
    async with connect(agent) as peer:
        handler = peer.session.handler
        assert isinstance(handler, _Agent)
        for text in sentences:
            audio, end = spoken(text, caller)
            before, heard = len(handler.records), len(peer.heard)
            began = loop.time()
            await peer.speak(audio)
            record = handler.records[before]
            sounds = [at for at, frame in peer.heard[heard:] if np.abs(frame.data).max() > _LOUD]
            found.append(Answer(sounds[0] - began - end, record))
    return found


def decision(record: TurnRecord) -> float:
    """How long in s the user had been silent when the turn was over."""
    return sum(record.stages.get(name, 0.0) for name in ("receive", "silence"))


def sounded(record: TurnRecord) -> float:
    """How long in s after that the answer was heard."""
    return (record.gap or 0.0) - decision(record)


def row(title: str, found: list[Answer]) -> str:
    """One line of a table."""

    def of(values: list[float]) -> str:
        at = [1000 * percentile(values, p) for p in (50, 95)]
        return f"{at[0]:.0f}, {at[1]:.0f} ms"

    decided = [decision(answer.record) for answer in found]
    words = [answer.record.stages.get("stt", 0.0) for answer in found]
    sound = [sounded(answer.record) for answer in found]
    delay = [answer.delay for answer in found]
    right = sum(answer.record.user in SENTENCES for answer in found)
    return (
        f"| {title} | {of(decided)} | {of(words)} | {of(sound)} | {of(delay)} "
        f"| {right} of {len(found)} |"
    )


async def measure(rounds: int) -> None:
    """Print the table."""
    stt, tts = PocketSphinxSTT(GRAMMAR), EspeakTTS("en-us")
    await answers(stt, tts, sentences=SENTENCES[:1])  # engines start with their first words
    await answers(WholeTurns(stt), tts, sentences=SENTENCES[:1])
    print(
        "| p50, p95 | silence | words known | first sound | end of speech to sound | understood |"
    )
    print("|---|---|---|---|---|---|")
    for thinks in (0.0, THINKS):
        asked = f"a model that takes {thinks:g} s" if thinks else "a model that answers at once"
        for title, recogniser, draft_after in (
            ("whole turns", WholeTurns(stt), None),
            ("while the user speaks", stt, None),
            ("with a draft", stt, DRAFT_AFTER),
        ):
            found = await answers(
                recogniser,
                tts,
                thinks=thinks,
                draft_after=draft_after,
                sentences=SENTENCES * rounds,
            )
            print(row(f"{title}, {asked}", found), flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.answers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=4, help="how often each sentence is said")
    asyncio.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
