"""What is said is what is heard: at any rate, in both directions, on both channels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import tone

from ..webrtc.support import eventually
from .agent import Agent
from .clients import Client, Transport
from .meters import joined, level, purity
from .server import serving

pytestmark = pytest.mark.sound

DURATION = 0.5
ATTEMPTS = 4
"""How often a measurement is made anew when the machine stood still in the middle of it."""


async def undisturbed(measure: Callable[[], Awaitable[Client]]) -> Client:
    """The client of the first attempt in which no packet was late."""
    for _ in range(ATTEMPTS):
        client = await measure()
        if not client.disturbed:
            return client
    pytest.fail(f"late packets in each of {ATTEMPTS} attempts, within one process")


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000])
async def test_a_sine_stays_a_sine_at_every_rate_of_a_handler(
    transport: Transport, rate: int
) -> None:
    """In both directions at once, at the level at which it was sent."""

    async def measure() -> Client:
        agent = Agent(input_sample_rate=rate, output_sample_rate=rate)
        async with serving(agent, transport) as server:
            client = await server.connect()
            client.agent.emits(tone(1000, DURATION, rate))
            await client.speak(tone(700, DURATION, client.speaks_at))
            await client.hears(DURATION - 0.02)
            await eventually(lambda: len(client.agent.frames) >= DURATION * 50 - 2)
        return client

    client = await undisturbed(measure)
    received = AudioFrame(rate, joined(client.agent.frames))
    assert all(frame.sample_rate == rate for frame in client.agent.frames)
    for sound, frequency in ((client.heard(), 1000), (received, 700)):
        assert purity(sound, frequency, DURATION - 0.05) > transport.snr
        assert level(sound, frequency) == pytest.approx(16384, rel=0.06)


async def test_two_channels_stay_apart_where_there_are_two(transport: Transport) -> None:
    """In both directions; a line of one channel mixes them, and copies what it brings."""

    async def measure() -> Client:
        agent = Agent(expected_layout="stereo", input_sample_rate=48000, output_sample_rate=48000)
        async with serving(agent, transport) as server:
            client = await server.connect(stereo=transport.stereo)
            client.agent.emits(two_tones(48000))
            said = two_tones(client.speaks_at)
            await client.speak(said if transport.stereo else tone(500, DURATION, client.speaks_at))
            await client.hears(DURATION - 0.02)
            await eventually(lambda: len(client.agent.frames) >= DURATION * 50 - 2)
        return client

    client = await undisturbed(measure)
    received = AudioFrame(48000, joined(client.agent.frames))
    assert received.num_channels == 2
    if transport.stereo:
        for sound in (client.heard(), received):
            assert purity(sound, 500, DURATION - 0.05, channel=0) > transport.snr - 5
            assert purity(sound, 2000, DURATION - 0.05, channel=1) > transport.snr - 5
    else:
        assert np.array_equal(received.data[0], received.data[1])
        heard = client.heard()
        assert heard.num_channels == 1
        for frequency in (500, 2000):
            assert level(heard, frequency) == pytest.approx(0.2 * 32768, rel=0.06), "half of each"


def two_tones(rate: int) -> AudioFrame:
    """500 Hz on the left, 2 kHz on the right."""
    left, right = (tone(frequency, DURATION, rate, level=0.4) for frequency in (500, 2000))
    return AudioFrame(rate, np.concatenate([left.data, right.data]))


async def test_two_channels_of_a_mono_handler_are_mixed(transport: Transport) -> None:
    """To their mean: the same on both sides keeps its level."""
    async with serving(Agent(output_sample_rate=48000), transport) as server:
        client = await server.connect()
        client.agent.emits(AudioFrame(48000, np.repeat(tone(1000, 0.3).data, 2, axis=0)))
        await client.hears(0.28)
        heard = client.heard()
        assert heard.num_channels == 1
        assert level(heard, 1000) == pytest.approx(16384, rel=0.06)
