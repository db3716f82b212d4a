"""The jitter buffer on the networks that people are on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fastrtc_core.media.jitter import MAX_DEPTH

from .arrivals import (
    SECOND,
    Packet,
    Run,
    bursty,
    mobile,
    on_time,
    receive,
    shares_per_second,
    wifi,
)

DURATION = 60


def delays(run: Run) -> np.ndarray:
    """How long in s after it was sent each frame came out, those made up for included."""
    return np.array([at - position * 0.02 for position, (at, _) in enumerate(run.slots)])


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("network", "late", "delay"),
    [(wifi, 0.03, 0.02), (mobile, 0.03, 0.06), (bursty, 0.01, 0.04)],
    ids=["wifi", "mobile", "bursty"],
)
def test_the_rhythm_is_kept(
    network: Callable[[float, int], list[Packet]], late: float, delay: float, seed: int
) -> None:
    """Every second has its 50 frames; beyond what was lost, few are made up, and none is old."""
    packets = network(DURATION, seed)
    run = receive(packets, until=DURATION + 0.2)

    # What stands still or is made up in one second comes in the next: one handover is 150 ms.
    assert all(42 <= frames <= 58 for frames in shares_per_second(run, DURATION))
    assert abs(len(run.slots) - DURATION * SECOND) <= 12
    assert all(slot.samples == 960 for _, slot in run.slots)
    for position, number in enumerate(run.payloads):
        assert number in (-1, position)

    statistics = run.buffer.statistics
    lost = DURATION * SECOND - len(packets)
    print(
        f"{network.__name__} {seed}: lost {lost}, late {statistics.late}, depth "
        f"{1000 * statistics.depth:.0f} ms, delay p50 {1000 * np.median(delays(run)):.0f} ms, "
        f"p95 {1000 * np.percentile(delays(run), 95):.0f} ms"
    )
    assert statistics.lost == pytest.approx(lost, abs=3)
    assert statistics.late <= late * DURATION * SECOND
    # Never more than what the network takes, and the most that a missing packet is waited for.
    base = min(at - number * 0.02 for at, number in packets)
    assert np.percentile(delays(run), 95) <= base + MAX_DEPTH + 0.02
    assert np.median(delays(run)) <= delay


@pytest.mark.parametrize("network", [wifi, mobile, bursty])
def test_a_trace_is_the_same_for_the_same_seed(
    network: Callable[[float, int], list[Packet]],
) -> None:
    assert network(5, 1) == network(5, 1)
    assert network(5, 1) != network(5, 2)


def test_a_sender_that_leaves_out_silence_is_not_waited_for() -> None:
    """Opus DTX (RFC 7587 section 3.1.3): a packet each 400 ms; silence fills the time between."""
    packets = [packet for packet in on_time(10 * SECOND) if packet.number % 20 == 0]
    steps = {packet.number: step for step, packet in enumerate(packets)}
    run = receive(packets, until=10.0, sequences=steps)
    assert [number for number in run.payloads if number >= 0] == [p.number for p in packets]
    assert len(run.slots) == pytest.approx(10 * SECOND, abs=2)
    statistics = run.buffer.statistics
    assert (statistics.lost, statistics.late) == (0, 0)


@pytest.mark.parametrize("drift", [200e-6, pytest.param(-200e-6, marks=pytest.mark.soak)])
def test_an_hour_with_a_clock_that_drifts(drift: float) -> None:
    """±200 ppm: 720 ms in an hour, and not one frame is lost, made up, or delayed by it."""
    count = 3600 * SECOND
    packets = [Packet(number * 0.02 * (1 + drift), number) for number in range(count)]
    run = receive(packets)
    assert run.payloads == list(range(count))
    assert all(at == packet.at for (at, _), packet in zip(run.slots, packets, strict=True))
    assert run.buffer.statistics.depth == pytest.approx(0.02, abs=0.001)


@pytest.mark.parametrize("drift", [200e-6, pytest.param(-200e-6, marks=pytest.mark.soak)])
def test_a_drifting_clock_and_a_lossy_network(drift: float) -> None:
    """A hole is waited for as long at the end of ten minutes as at their beginning."""
    packets = [
        Packet(packet.at + packet.number * 0.02 * drift, packet.number)
        for packet in on_time(600 * SECOND)
        if packet.number % 100 != 50
    ]
    run = receive(packets)
    sent = [position * 0.02 * (1 + drift) for position in range(len(run.slots))]
    waits = [
        at - time for (at, slot), time in zip(run.slots, sent, strict=True) if not slot.payload
    ]
    assert len(waits) == 600 * SECOND // 100
    assert max(waits) - min(waits) < 0.002
