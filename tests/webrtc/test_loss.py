"""What a handler hears when the network loses, delays and doubles packets on the way to it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame, JitterStatistics, Stream
from fastrtc_core.client import Client
from fastrtc_core.testing import fit_sine, tone
from fastrtc_core.webrtc import internals
from fastrtc_handlers import Echo

from ..inside import connection_of, peer_of
from .impairment import Fate, impaired_audio
from .support import Silent, eventually, gone, hear, speak

DURATION = 4.0
SECOND = 50


class Timed(Silent):
    """Notes when each frame came."""

    def __init__(self) -> None:
        super().__init__(input_sample_rate=48000)
        self.times: list[float] = []

    async def receive(self, frame: AudioFrame) -> None:
        self.times.append(asyncio.get_running_loop().time())
        await super().receive(frame)

    def copy(self) -> Timed:
        made = Timed()
        self.copies.append(made)
        return made


@dataclass
class Heard:
    """What a handler got of a tone of four seconds.

    Attributes:
        times: When each frame came, in s.
        frames: The frames.
        network: Counters of the jitter buffer at the end of the tone.
        lost: How many packets of the tone the network lost.
    """

    times: list[float]
    frames: list[AudioFrame]
    network: JitterStatistics
    lost: int

    def delay(self, start: int, end: int) -> float:
        """The least delay in s of these frames, from where a steady rhythm would have them."""
        return min(self.times[n] - n * 0.02 for n in range(start, end))

    def sound(self) -> np.ndarray:
        """The second half of the tone, in one piece."""
        middle, end = round(DURATION * SECOND) // 2, round(DURATION * SECOND) - 5
        return np.concatenate([frame.data[0] for frame in self.frames[middle:end]])


async def talk(fate: Fate) -> Heard:
    """Say a tone to a handler, over a network that does this to packets."""
    losses = 0

    def counted(packet: Any) -> tuple[float, ...]:
        nonlocal losses
        copies = tuple(fate(packet))
        losses += not copies
        return copies

    handler = Timed()
    stream = Stream(handler, mode="send")
    async with impaired_audio(counted), Client(stream.offer, mode="send") as client:
        assert client.webrtc_id is not None
        await speak(client, tone(1000, DURATION, level=0.5))
        assert client.audio_source is not None
        await client.audio_source.wait_for_playout()
        expected = round(DURATION * SECOND) - 5
        timed = handler.only
        assert isinstance(timed, Timed)
        await eventually(lambda: len(timed.frames) >= expected, "the tone")
        network = stream.network_statistics(client.webrtc_id)
        assert network is not None
        heard = Heard(timed.times[:], timed.frames[:], network, losses)
    await gone(stream)
    return heard


def at_random(probability: float) -> Fate:
    """Loses each packet with the same probability."""
    chance = random.Random(5)
    return lambda packet: () if chance.random() < probability else (0,)


def in_bursts(packet_count: int, every: int) -> Fate:
    """Loses so many packets in a row, again and again."""
    numbers = iter(range(10**9))
    return lambda packet: () if next(numbers) % every >= every - packet_count else (0,)


def once(number: int, fate: tuple[float, ...]) -> Fate:
    """Something happens to one packet."""
    numbers = iter(range(10**9))
    return lambda packet: fate if next(numbers) == number else (0,)


@pytest.mark.parametrize(
    "network",
    [
        lambda: at_random(0.01),
        lambda: at_random(0.05),
        lambda: at_random(0.10),
        lambda: in_bursts(4, 50),
    ],
    ids=["1 %", "5 %", "10 %", "bursts"],
)
async def test_the_handler_gets_fifty_frames_a_second(network: Callable[[], Fate]) -> None:
    """What is lost is made up for, no more than that, and nothing is delayed for good."""
    heard = await talk(network())
    print(heard.network, "lost", heard.lost)

    duration = heard.times[189] - heard.times[39]
    assert duration == pytest.approx(3.0, abs=0.1), "150 frames in three seconds"
    assert {frame.data.shape for frame in heard.frames} == {(1, 960)}
    # Late packets are those of this machine: everything else arrives or does not.
    assert heard.network.concealed <= heard.lost + heard.network.late + 5
    assert heard.network.concealed >= heard.lost - 5
    assert heard.delay(150, 190) - heard.delay(0, 50) < 0.01


async def test_one_lost_packet_costs_no_delay_for_good() -> None:
    """The frames after it are as prompt as those before."""
    heard = await talk(once(100, ()))
    assert heard.lost == 1
    assert heard.network.lost == 1
    assert heard.delay(150, 190) - heard.delay(0, 80) < 0.005


async def test_copies_and_swapped_packets_are_not_heard() -> None:
    """Each packet comes twice, and every tenth after the one behind it: the sound is whole."""
    numbers = iter(range(10**9))
    heard = await talk(lambda packet: (0.03,) if next(numbers) % 10 == 5 else (0, 0))
    print(heard.network)
    assert heard.network.lost == 0
    assert heard.network.duplicated == 0, "SRTP drops copies (RFC 3711 section 3.3.2)"
    # The first of those that are overtaken teach the buffer how long to wait.
    assert heard.network.concealed <= 5 + heard.network.late
    if heard.network.late <= 5:
        assert fit_sine(heard.sound(), 1000, 48000).snr > 40


async def test_the_loss_is_reported_to_the_sender() -> None:
    """A client that loses a quarter of what comes says so, and FEC can follow it."""
    stream = Stream(Echo())
    async with Client(stream.offer) as client:
        assert client.audio_stream is not None
        async with impaired_audio(at_random(0.25)):
            speaking = asyncio.create_task(speak(client, tone(duration=10)))
            (sender,) = connection_of(peer_of(stream)).getSenders()
            await hear(client.audio_stream, 1.0)
            await eventually(lambda: internals.reported_loss(sender) > 0, "a report of loss")
            assert internals.reported_loss(sender) == pytest.approx(0.25, abs=0.12)
            speaking.cancel()
    await gone(stream)
