"""What the benchmark says and loses: markers, and the models of loss."""

from __future__ import annotations

import asyncio
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.markers import FRAME, FREQUENCIES, MARKER_EVERY, RATE, Listener, script
from benchmarks.measures import search
from benchmarks.network import GilbertElliott, NoLoss, OneLoss, RandomLoss
from benchmarks.statistics import finite, percentile, ratio
from fastrtc_core.media.libopus import OpusDecoder, OpusEncoder


def test_every_marker_is_known_again() -> None:
    """Each in its place, for a listener who gets the packets as they are."""
    listener, packets = Listener(), script().packets
    assert len(packets) == MARKER_EVERY * len(FREQUENCIES)
    heard = [listener.hear(packet, number * FRAME) for number, packet in enumerate(packets)]
    found = [echo for echo in heard if echo is not None]
    assert [echo.marker for echo in found] == list(range(len(FREQUENCIES)))
    for echo in found:
        onset = echo.marker * MARKER_EVERY * FRAME + script().onsets[echo.marker]
        assert echo.time == pytest.approx(onset, abs=0.001)


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.013, 0.02])
def test_a_delay_within_a_packet_is_measured(delay: float) -> None:
    """A server that decodes, delays and encodes anew is seen to do so, to 1.5 ms."""
    decoder, encoder = OpusDecoder(RATE, 1), OpusEncoder(RATE, 1, bit_rate=64_000)
    sound = np.concatenate([decoder.decode(packet)[0] for packet in script().packets])
    delayed = np.concatenate([np.zeros(round(delay * RATE), np.int16), sound])
    frames = delayed[: len(sound)].reshape(-1, round(FRAME * RATE))
    listener, late = Listener(), []
    for number, frame in enumerate(frames):
        echo = listener.hear(encoder.encode(frame[np.newaxis]), number * FRAME)
        if echo is not None:
            start = echo.marker * MARKER_EVERY * FRAME + script().onsets[echo.marker]
            late.append(echo.time - start)
    assert len(late) > 0.8 * len(FREQUENCIES)
    # The encoder itself looks 2.5 ms ahead when it is made for low delay of speech and music.
    look_ahead = np.median(late) - delay
    assert 0 <= look_ahead < 0.0075
    assert np.ptp(late) < 0.003


def test_silence_and_noise_are_no_marker() -> None:
    """Neither is a packet that cannot be decoded."""
    listener, encoder = Listener(), OpusEncoder(RATE, 1)
    random = np.random.default_rng(0)
    for _ in range(50):
        loud = random.normal(0, 9000, (1, 960)).clip(-32768, 32767).astype(np.int16)
        for frame in (np.zeros((1, 960), np.int16), loud):
            assert listener.hear(encoder.encode(frame), 0.0) is None
    assert listener.hear(b"", 0.0) is None


def test_models_lose_what_they_say() -> None:
    """The average, the length of bursts, and the same packets in each run."""
    many = 200_000
    model = RandomLoss(0.05)
    at_random = [model.drops() for _ in range(many)]
    assert np.mean(at_random) == pytest.approx(0.05, rel=0.05)
    again = RandomLoss(0.05)
    assert [again.drops() for _ in range(1000)] == at_random[:1000]
    bursts = GilbertElliott(0.05, 4)
    lost = [bursts.drops() for _ in range(many)]
    assert np.mean(lost) == pytest.approx(0.05, rel=0.1)
    lengths = [len(list(run)) for is_lost, run in itertools.groupby(lost) if is_lost]
    assert np.mean(lengths) == pytest.approx(4, rel=0.1)
    one = OneLoss()
    assert [one.drops() for _ in range(5)] == [True, False, False, False, False]
    assert not any(NoLoss().drops() for _ in range(5))


@given(st.integers(0, 300))
def test_the_search_finds_the_most(most: int) -> None:
    """In steps of eight, up to the end of the search, and with few measurements."""
    tried: list[int] = []

    async def good(count: int) -> bool:
        tried.append(count)
        return count <= most

    assert asyncio.run(search(good)) == min(256, most // 8 * 8)
    assert len(tried) <= 11
    assert all(count % 8 == 0 and 0 < count <= 256 for count in tried)


def test_percentiles_are_values_that_are_there() -> None:
    """Infinity stands for what never came, and is no number in JSON."""
    assert percentile([3, 1, 2, 4], 50) == 2
    assert percentile([1, math.inf], 95) == math.inf
    assert percentile([], 50) == math.inf
    assert finite(percentile([], 50)) is None
    assert finite(1.23456) == 1.235
    assert ratio(2, 4) == 0.5
    assert ratio(None, 4) is ratio(2, None) is ratio(2, 0) is None
