"""A person and an agent, with real speech: through a session, and once over real peers."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, Playback, Stream
from fastrtc_core.client import Client
from fastrtc_core.media.resampler import Resampler
from fastrtc_core.testing import connect, delay_of, tone
from fastrtc_core.tracks import AudioStream
from fastrtc_handlers import ReplyOnPause, TurnOptions
from fastrtc_handlers.turns import SilenceTurnDetector

from ..webrtc.support import gone
from .conversations import RATE, Conversation, Noise, Speaker, Voices, conversation

ROOMS: list[tuple[Noise, float]] = [("none", 20), ("white", 10), ("hum", 20)]
OPTIONS = TurnOptions(silence=0.5)
STEADY = SilenceTurnDetector(0.5, adaptive=False)
BEEP = tone(500, 0.2, 24000)
LONG = tone(500, 20, 24000)


@pytest.mark.virtual_clock
async def test_every_turn_of_a_conversation_is_answered_in_time(voices: Voices) -> None:
    """From the end of speech to the first sample: the silence, and in the median at most 60 ms."""
    waits: list[float] = []
    for noise, snr in ROOMS:
        talk = conversation(7, voices, noise=noise, snr=snr, turns=5)
        turns, times = await listen(talk, BEEP)
        replies = times[np.diff(times, prepend=-1) > 0.1]
        for segment in talk.of("utterance"):
            later = replies[replies > segment.end / RATE]
            assert len(later), segment
            waits.append(later[0] - segment.end / RATE - OPTIONS.silence)
            spoken = talk.audio.data[0, segment.start : segment.start + RATE // 5]
            assert any(delay_of(turn.data[0], spoken, RATE)[1] > 0.99 for turn in turns), (
                "the first 200 ms are there"
            )
    assert np.median(waits) <= 0.06
    assert max(waits) <= 0.2


@pytest.mark.soak
@pytest.mark.virtual_clock
async def test_a_bot_that_speaks_all_the_time_is_interrupted_by_speech_alone(
    voices: Voices,
) -> None:
    """It is silent 250 ms after each onset; coughs and backchannels cost it a pause at most."""
    others = 0
    for noise, snr in ROOMS:
        talk = conversation(3, voices, noise=noise, snr=snr, turns=6)
        others += len(talk.segments) - len(talk.of("utterance"))
        turns, times = await listen(talk, LONG, greeting=LONG)
        assert len(turns) == len(talk.of("utterance"))
        for segment in talk.of("utterance"):
            onset = segment.start / RATE
            after = times[times > onset - 0.05]
            gaps = np.flatnonzero(np.diff(after) > 0.1)
            assert after[gaps[0]] - onset <= 0.25, segment
        for segment in talk.segments:
            if segment.kind != "utterance":
                assert np.any((times > segment.end / RATE) & (times < segment.end / RATE + 1.5))
    assert others >= 6


async def listen(
    talk: Conversation, answer: AudioFrame, greeting: AudioFrame | None = None
) -> tuple[list[AudioFrame], NDArray[np.float64]]:
    """Let an agent listen to a conversation.

    Returns:
        What it took for turns, and when it said something: the time of each packet in s.
    """
    turns: list[AudioFrame] = []

    def reply(audio: AudioFrame) -> AudioFrame:
        turns.append(audio)
        return answer

    agent = ReplyOnPause(
        reply,
        startup_fn=None if greeting is None else (lambda: greeting),
        input_sample_rate=RATE,
        algo_options=OPTIONS,
        turn_detector=STEADY,
    )
    async with connect(agent) as peer:
        start = asyncio.get_running_loop().time()
        await peer.speak(talk.audio)
        await asyncio.sleep(1)
        times = np.array([when - start for when, _ in peer.heard])
        assert not peer.of_type("error")
    return turns, times


async def test_an_interruption_over_real_peers(voices: Voices) -> None:
    """The agent is silent soon after the onset, and nothing of the turn is heard after it."""
    interrupted: list[Playback] = []
    turns: list[AudioFrame] = []

    class Agent(ReplyOnPause):
        def on_interrupted(self, playback: Playback) -> None:
            interrupted.append(playback)

    def reply(audio: AudioFrame) -> AudioFrame:
        turns.append(audio)
        return LONG

    stream = Stream(Agent(reply, algo_options=OPTIONS, turn_detector=STEADY))
    question = sentence(voices, "What will the weather be like in Edinburgh tomorrow?")
    objection = sentence(voices, "Please change my appointment, I cannot come on Thursday.")
    async with Client(stream.offer) as client:
        assert client.audio_stream is not None
        heard = Ear(client.audio_stream)
        listening = asyncio.create_task(heard.listen())
        loop = asyncio.get_running_loop()
        await say(client, question)
        await say(client, silence(2.0))
        assert heard.sounds(loop.time() - 0.5, loop.time()) > 0.9, "it answers"
        onset = loop.time()
        await say(client, objection)
        ended = loop.time()
        await say(client, silence(0.4))
        quiet = heard.sounds(onset + 0.45, ended + 0.4)
        await say(client, silence(1.5))
        assert heard.sounds(loop.time() - 0.5, loop.time()) > 0.9, "it answers again"
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    await gone(stream)
    assert quiet == 0, "250 ms, and what a jitter buffer and two networks take"
    assert len(interrupted) == 1
    assert 0.5 < interrupted[0].heard < 3
    assert len(turns) == 2


class Ear:
    """Notes when it hears a tone."""

    def __init__(self, stream: AudioStream) -> None:
        self._stream = stream
        self.frames: list[tuple[float, bool]] = []

    async def listen(self) -> None:
        async for event in self._stream:
            loud = bool(np.abs(event.frame.data).max() > 1000)
            self.frames.append((asyncio.get_running_loop().time(), loud))

    def sounds(self, start: float, end: float) -> float:
        """In how much of a time, in parts of it, there was sound."""
        heard = sum(loud for when, loud in self.frames if start <= when < end)
        return float(heard * 0.02 / (end - start))


async def say(client: Client, audio: AudioFrame) -> None:
    """Send audio in real time, and wait until it was sent."""
    assert client.audio_source is not None
    await client.audio_source.capture_frame(audio)
    await client.audio_source.wait_for_playout()


def sentence(voices: Voices, text: str) -> AudioFrame:
    """Speech at 48 kHz."""
    samples = (voices.say(text, Speaker()) * 32767).astype(np.int16)[np.newaxis]
    resampler = Resampler(RATE, 48000, 1)
    return AudioFrame(48000, np.concatenate([resampler.push(samples), resampler.flush()], axis=1))


def silence(seconds: float) -> AudioFrame:
    return AudioFrame(48000, np.zeros((1, round(48000 * seconds)), np.int16))
