"""The words that were heard of what is interrupted: real speech, over each transport."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, SpokenFrame
from fastrtc_handlers.tts import EspeakTTS

from ..webrtc.support import eventually
from .agent import Agent
from .clients import Client, Transport
from .server import serving

RATE = 24000
WINDOW = 0.01

SENTENCES = (
    "The appointment has been moved to Thursday, the 14th, at half past three in the afternoon.",
    "It will be 21 degrees in Edinburgh tomorrow, with light rain before noon.",
    "I have added milk, bread, two dozen eggs and a bottle of olive oil to your list.",
    "Hold the button down for ten seconds, wait until the light turns green, and let go.",
    "That costs forty pounds. It is available in black, white and red.",
)


class Untimed:
    """eSpeak NG as a voice that does not say when its words are spoken."""

    def __init__(self, voice: EspeakTTS) -> None:
        self._voice = voice

    def stream_tts_sync(self, text: str) -> Iterator[AudioFrame]:
        for frame in self._voice.stream_tts_sync(text):
            yield AudioFrame(*frame)


@pytest.mark.parametrize("timed", [True, False], ids=["timed", "untimed"])
@pytest.mark.parametrize(
    "cuts", [pytest.param(3, id="some"), pytest.param(10, id="many", marks=pytest.mark.soak)]
)
async def test_the_words_that_were_heard(
    transport: Transport, timed: bool, cuts: int, record_property: Any
) -> None:
    """At most one more or less than the client heard, in 95 of 100."""
    random = np.random.default_rng(cuts)
    voice = EspeakTTS("en-us")
    errors = []
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        client.agent.tts = voice if timed else Untimed(voice)
        for number in range(cuts):
            text = SENTENCES[number % len(SENTENCES)]
            reference = list(voice.stream_tts_sync(text))
            length = sum(frame.duration for frame in reference)
            errors.append(await _error(client, text, reference, random.uniform(0.05, 1) * length))
    record_property("errors", errors)
    print(f"{transport}, {'timed' if timed else 'untimed'}: {sorted(errors)}")
    assert np.percentile(np.abs(errors), 95) <= 1


async def test_the_words_that_have_arrived(transport: Transport) -> None:
    """Never more than were sent; in the end all, even if the client tells it only now and then."""
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        client.agent.tts = EspeakTTS("en-us")
        speech = client.agent.say(SENTENCES[0])
        behind = []
        while not speech.done:
            words = speech.words
            assert words.arrived <= words.sent <= words.made
            behind.append(words.sent - words.arrived)
            await asyncio.sleep(0.02)
        await eventually(lambda: speech.words.arrived == speech.words.made, "the last word")
        assert (max(behind) > 0) == (transport.name == "webrtc" or transport.holds_back)


async def _error(client: Client, text: str, reference: list[AudioFrame], cut: float) -> int:
    """Words that are said to have been heard, less those that were."""
    before = client.heard().samples_per_channel
    speech = client.agent.say(text)
    await eventually(lambda: speech.heard > 0, "the voice")
    await asyncio.sleep(cut - 0.02)
    client.agent.interrupt()
    playback = await speech
    assert text.startswith(playback.text)
    assert len(playback.text.split()) == speech.words.heard <= speech.words.sent
    await asyncio.sleep(0.5)
    heard = client.heard().data[:1, before:]
    return speech.words.heard - _words_in(heard[0], client.hears_at, text, reference)


def _words_in(heard: NDArray[Any], rate: int, text: str, reference: list[AudioFrame]) -> int:
    """Of how many words at least half is in what was heard."""
    said = np.concatenate([frame.data[0] for frame in reference])
    of_said = _loudness(said, reference[0].sample_rate)
    of_heard = _loudness(heard, rate)
    if of_heard.max(initial=0) < 0.02 * of_said.max():
        return 0
    lags = np.correlate(np.pad(of_heard, (0, len(of_said))), of_said, "valid")
    last = np.flatnonzero(of_heard > 0.02 * of_said.max())[-1] + 1 - np.argmax(lags)
    return int(np.searchsorted(_halves(text, reference), last * WINDOW, "right"))


def _halves(text: str, reference: list[AudioFrame]) -> list[float]:
    """When half of each word has been said, or a quarter of a second."""
    begins: dict[int, float] = {}
    begin = 0.0
    for frame in reference:
        assert isinstance(frame, SpokenFrame)
        for position, time in frame.words:
            word = len(text[: position + 1].split()) - 1
            begins.setdefault(word, begin + time)  # some take several, such as numbers
        begin += frame.duration
    # Some are said together, such as "of a".
    count = len(text.split())
    known = [*begins, count], [*begins.values(), begin]
    starts = np.interp(range(count + 1), *known)
    return [
        start + min((end - start) / 2, 0.25) for start, end in itertools.pairwise(starts.tolist())
    ]


def _loudness(samples: NDArray[Any], rate: int) -> NDArray[np.float64]:
    size = round(WINDOW * rate)
    parts = samples[: len(samples) // size * size].reshape(-1, size).astype(float)
    return np.asarray(np.sqrt(np.mean(parts**2, axis=1)))
