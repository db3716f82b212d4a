"""A line that loses and delays packets: what the session hears, and what the client does."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.testing import InProcessPeer, Line, connect, fit_sine, tone
from fastrtc_handlers import Echo

RATE = 24000


async def speak(peer: InProcessPeer, seconds: float) -> None:
    """A tone and silence: where packets stop in the middle of a tone, more of it is made up."""
    await peer.speak(tone(600, seconds, RATE))
    await peer.speak(tone(600, 0.5, RATE, level=0))


async def echoed(line: Line, seconds: float = 3.0) -> InProcessPeer:
    async with connect(Echo(), line=line) as peer:
        await speak(peer, seconds)
    return peer


def heard(peer: InProcessPeer) -> np.ndarray:
    return np.concatenate([timed.data[0] for _, timed in peer.heard])


async def test_a_good_line_only_delays() -> None:
    """There and back takes twice the delay, and the tone is whole."""
    peer = await echoed(Line(delay=0.1))
    first = next(at for at, timed in peer.heard if np.abs(timed.data).max() > 3000)
    assert 0.2 <= first < 0.3
    rate = peer.heard[0][1].sample_rate
    samples = heard(peer)
    loud = np.flatnonzero(np.abs(samples) > 3000)
    assert (loud[-1] - loud[0]) / rate == pytest.approx(3.0, abs=0.05)
    assert fit_sine(samples[loud[0] + rate // 5 : loud[-1] - rate // 5], 600, rate).snr > 20


@pytest.mark.parametrize("burst", [1.0, 4.0])
async def test_what_is_lost_is_concealed(burst: float) -> None:
    """As much is heard as was said, and as much is lost as was asked for."""
    line = Line(loss=0.1, burst=burst, jitter=0.03, seed=5)
    async with connect(Echo(), line=line) as peer:
        await peer.speak(tone(600, 10, RATE))
        network = peer.session.remote_audio.network  # type: ignore[union-attr]
        assert network is not None
        assert 0.05 < network.lost / (network.lost + network.received) < 0.16
        await asyncio.sleep(0.5)
    rate = peer.heard[0][1].sample_rate
    samples = heard(peer)
    assert np.count_nonzero(np.abs(samples) > 500) / rate == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize("loss", [0.5, 0.9])
async def test_most_may_be_lost(loss: float) -> None:
    async with connect(Echo(), line=Line(loss=loss)) as peer:
        await peer.speak(tone(600, 20, RATE))
        network = peer.session.remote_audio.network  # type: ignore[union-attr]
        assert network is not None
        assert network.received == pytest.approx(1000 * (1 - loss), rel=0.2)


async def test_a_buffer_may_be_used_again() -> None:
    """What is silent at first, and then is not, is heard."""
    samples = np.zeros((1, RATE // 50), np.int16)
    async with connect(Echo(), line=Line()) as peer:
        for number in range(30):
            if number >= 15:
                samples[:] = tone(600, 0.02, RATE).data
            peer.push(AudioFrame(RATE, samples))
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
    assert np.abs(heard(peer)).max() > 3000


@pytest.mark.parametrize("milliseconds", [10, 30, 400])
async def test_frames_of_any_length_are_sent_whole(milliseconds: int) -> None:
    """In packets of 20 ms, and the last one is padded."""
    async with connect(Echo(), line=Line()) as peer:
        await peer.speak(tone(600, 1.01, RATE), milliseconds)
        await peer.speak(tone(600, 0.5, RATE, level=0))
    rate = peer.heard[0][1].sample_rate
    loud = np.flatnonzero(np.abs(heard(peer)) > 3000)
    assert (loud[-1] - loud[0]) / rate == pytest.approx(1.01, abs=0.05)


async def test_the_same_seed_is_the_same_line() -> None:
    """Sample by sample; another seed loses other packets."""
    first, again, other = [
        heard(await echoed(Line(loss=0.2, jitter=0.02, seed=seed), 1.0)) for seed in (1, 1, 2)
    ]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


async def test_a_pause_is_one_on_the_other_side() -> None:
    """Where a client sends nothing for 5 s, the next sound lies as far behind the last one."""
    async with connect(Echo(), line=Line()) as peer:
        await speak(peer, 0.3)
        await asyncio.sleep(4.5)
        await speak(peer, 0.3)
    loud = [(at, timed) for at, timed in peer.heard if np.abs(timed.data).max() > 3000]
    times = [at for at, _ in loud]
    places = [timed.timestamp / timed.sample_rate for _, timed in loud]
    assert max(np.diff(times)) == pytest.approx(5, abs=0.1)
    assert np.allclose(np.array(times) - times[0], np.array(places) - places[0], atol=0.04)


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.0}, {"loss": -0.1}, {"burst": 0.5}, {"delay": -1}, {"jitter": -1}]
)
def test_what_is_no_line(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        Line(**wrong)  # type: ignore[arg-type]
