"""Falling silent: what has not been played is discarded, and it is known what was heard."""

from __future__ import annotations

import asyncio
import math

import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import tone

from ..webrtc.support import eventually
from .agent import Agent
from .clients import Client, Transport
from .meters import purity
from .server import serving

pytestmark = pytest.mark.sound

RATE = 24000
LATE = 0.5
"""How much longer in s something may be heard where this machine is busy."""


class Voice:
    """Speaks every sentence as 200 ms of a tone."""

    def tts(self, text: str) -> AudioFrame:
        return tone(500, 0.2, RATE)


async def test_clear_queue_discards_what_has_not_been_played(transport: Transport) -> None:
    """However much was queued, little of it is heard after; what comes next is heard at once."""
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        client.agent.emits(tone(500, 5.0, RATE))
        await client.hears(0.2)
        client.agent.clear_queue()
        await only_the_next_is_heard(client, before=client.loudness())


async def test_an_interruption_tells_what_was_heard(transport: Transport) -> None:
    """In seconds and in words, to `on_interrupted`, to who awaits it, and to the client."""
    agent = Agent(output_sample_rate=RATE)
    async with serving(agent, transport) as server:
        client = await server.connect()
        client.agent.tts = Voice()
        speech = client.agent.say(" ".join(f"Sentence{number}." for number in range(20)))
        waiting = client.agent.say("Never said.")
        await client.hears(0.3)
        client.agent.interrupt()
        playback = await speech
        assert playback.interrupted
        assert 0.25 < playback.heard < 0.3 + LATE
        words = math.floor(playback.heard / 0.2 + 0.5 + 1e-3)  # half of one is enough
        assert playback.text == " ".join(f"Sentence{number}." for number in range(words))
        assert (await waiting).heard == 0
        await eventually(lambda: client.agent.playbacks)
        assert client.agent.playbacks == [playback]
        told = {"heard_ms": round(1000 * playback.heard), "text": playback.text}
        await client.is_told("interrupted", told)
        await only_the_next_is_heard(client, before=playback.heard)


async def only_the_next_is_heard(client: Client, before: float) -> None:
    """What was cleared stays silent, and what is said next is heard from its first sample."""
    await asyncio.sleep(0.3)
    silent = client.heard().samples_per_channel
    heard = client.loudness()
    assert heard <= before + 0.02 + client.transport.slack
    playback = await client.agent.say(tone(1000, 0.4, RATE))
    assert (round(playback.heard, 3), playback.interrupted) == (0.4, False)
    await client.hears(heard + 0.38)
    if not client.disturbed:
        later = AudioFrame(client.hears_at, client.heard().data[:, silent:])
        assert purity(later, 1000, 0.4) > client.transport.snr


async def test_speech_that_may_not_be_interrupted_goes_on(transport: Transport) -> None:
    """To its last sample; nobody is told of an interruption."""
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        speech = client.agent.say(tone(1000, 0.4, RATE), interruptible=False)
        await client.hears(0.1)
        client.agent.interrupt()
        assert not (await speech).interrupted
        await client.hears(0.38)
        await client.is_told("interrupted")
        assert client.agent.playbacks == []


async def test_a_pause_loses_nothing(transport: Transport) -> None:
    """Silence within a packet, and then the very next sample."""
    sound = tone(1000, 0.6, 48000)
    async with serving(Agent(output_sample_rate=48000), transport) as server:
        client = await server.connect()
        speech = client.agent.say(sound)
        await client.hears(0.2)
        client.agent.pause_speech()
        await asyncio.sleep(0.1)
        played = speech.heard
        await asyncio.sleep(0.15)
        assert speech.heard == played < 0.55
        client.agent.resume_speech()
        await client.hears(0.58)
        assert (await speech).heard == pytest.approx(0.6)
        await asyncio.sleep(0.1)
        assert client.has_heard(0.6, sounds=2)
        if transport.exact:
            assert purity(client.heard(), 1000, 0.6) > transport.snr


async def test_the_application_speaks_in_a_session(transport: Transport) -> None:
    """`Stream.say` and `Stream.interrupt`, in that session alone."""
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        one = await server.connect()
        two = await server.connect()
        speech = await asyncio.to_thread(server.stream.say, two.id, tone(500, 5.0, RATE))
        await two.hears(0.1)
        await asyncio.to_thread(server.stream.interrupt, two.id)
        assert 0.05 < (await speech).heard < 0.1 + LATE
        assert one.heard().samples_per_channel == 0
