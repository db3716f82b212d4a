"""The pacing of packets: when each leaves, and the timestamp that it carries."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core.media.pacing import (
    MAX_BURST,
    MAX_GRACE,
    SETTLE,
    TAIL_GRACE,
    Pacer,
    QueueState,
)
from fastrtc_core.media.session_clock import SessionClock

from ..examples import tries

RATE = 48000
FRAME = 960
SLACK = 1 / RATE
"""A timestamp is a whole number of samples: half of one is lost by rounding."""


class Sent(NamedTuple):
    at: float
    timestamp: int
    resumed: bool
    padding: int

    @property
    def late(self) -> float:
        """How far in s the clock is ahead of the timestamp."""
        return self.at - EPOCH - self.timestamp / RATE


EPOCH = 7.5


def play(pushes: list[tuple[float, int]], flushed: bool = False) -> list[Sent]:
    """What leaves, if so many samples are pushed after so many s, each time."""
    pacer = Pacer(RATE, FRAME, SessionClock(EPOCH))
    sent: list[Sent] = []
    now = last_push = EPOCH
    queued = 0
    interval = 0.0
    since = EPOCH
    for gap, samples in [*pushes, (1e9, 0)]:
        until = now + gap
        while True:
            queue = QueueState(queued, last_push, flushed, interval=interval, since=since)
            due = pacer.next_departure(now, queue)
            if due is None or due >= until:
                break
            now = max(now, due)
            departure = pacer.depart(now, queue)
            sent.append(Sent(now, *departure, padding=max(0, FRAME - queued)))
            queued = max(0, queued - FRAME)
        interval = gap if gap <= MAX_GRACE else 0.0
        now, last_push = until, until
        since = until if not queued else since
        queued += samples
    return sent


def test_nothing_is_due_while_nothing_is_queued() -> None:
    """Without samples there is no next departure, and so no timer."""
    pacer = Pacer(RATE, FRAME, SessionClock(0.0))
    assert pacer.next_departure(3.0, QueueState(0, 0.0, True)) is None


def test_the_first_packet_leaves_as_soon_as_the_burst_is_over() -> None:
    """It carries the time of its push; timestamps count from the epoch of the session."""
    (first, *_) = play([(2.0, FRAME)])
    assert first.at == pytest.approx(EPOCH + 2.0 + SETTLE)
    assert first.timestamp == 2 * RATE
    assert first.resumed


def test_an_utterance_leaves_one_frame_apart() -> None:
    """What is ahead of time leaves at the pace of the clock to its last packet."""
    sent = play([(0.0, 50 * FRAME)])
    assert [packet.timestamp for packet in sent] == [k * FRAME for k in range(50)]
    assert [packet.at for packet in sent] == pytest.approx([EPOCH + k * 0.02 for k in range(50)])
    assert [packet.resumed for packet in sent] == [True] + [False] * 49


def test_packets_in_real_time_leave_as_they_come() -> None:
    """Up to 40 ms before or after they are due, with contiguous timestamps."""
    jitter = [0.0, 0.03, -0.02, 0.015, -0.03, 0.02, 0.0, -0.015] * 10
    pushes = [(0.02 + b - a, FRAME) for a, b in itertools.pairwise(jitter)]
    sent = play([(1.0, FRAME), *pushes])
    arrivals = list(itertools.accumulate([EPOCH + 1.0, *(gap for gap, _ in pushes)]))
    assert [packet.at for packet in sent[1:]] == pytest.approx(arrivals[1:])
    assert {b.timestamp - a.timestamp for a, b in itertools.pairwise(sent)} == {FRAME}


@pytest.mark.parametrize("drift", [200e-6, -200e-6])
def test_the_clock_of_a_producer_in_real_time_is_taken_over(drift: float) -> None:
    """An hour at 200 ppm: no packet waits for more than a moment, no timestamp jumps."""
    step = 0.02 / (1 + drift)
    sent = play([(1.0, FRAME), *[(step, FRAME)] * 180_000])
    waits = [packet.at - (EPOCH + 1.0 + k * step) for k, packet in enumerate(sent)]
    assert len(sent) == 180_001
    assert max(waits[1:]) < 0.001
    assert {b.timestamp - a.timestamp for a, b in itertools.pairwise(sent)} == {FRAME}


def test_a_pause_after_a_drift_is_as_long_as_it_was() -> None:
    """Timestamps jump by the silence alone: a receiver would take any more for a late network."""
    step = 0.02 / (1 + 200e-6)
    *_, last, resumed = play([(1.0, FRAME), *[(step, FRAME)] * 90_000, (10.0, FRAME)])
    assert resumed.resumed
    assert (resumed.timestamp - last.timestamp) / RATE == pytest.approx(10.0, abs=0.005)


def test_a_generator_is_not_taken_for_a_clock() -> None:
    """A producer that is held back keeps the queue full; the schedule does not move for it."""
    pacer = Pacer(RATE, FRAME, SessionClock(0.0))
    now = 0.0
    for _ in range(10_000):
        queue = QueueState(5 * FRAME, now, full=True)
        due = pacer.next_departure(now, queue)
        assert due is not None
        now = due
        pacer.depart(now, queue)
    assert now == pytest.approx(9_999 * 0.02)


def test_a_frame_that_is_not_full_waits_for_the_rest() -> None:
    """It leaves as soon as it is full, and after the grace if it never is."""
    (full,) = play([(0.0, 500), (0.015, 460)])
    assert full.at == EPOCH + 0.015
    (tail,) = play([(0.0, 500)])
    assert tail.at == pytest.approx(EPOCH + TAIL_GRACE)
    assert tail.padding == 460


def test_a_tail_that_was_flushed_waits_for_nothing() -> None:
    """Where the producer said that nothing follows, the grace is not needed."""
    (tail,) = play([(1.0, 500)], flushed=True)
    assert tail.at == EPOCH + 1.0 + SETTLE


@pytest.mark.parametrize("chunk_ms", [1, 5, 10, 15, 19])
def test_chunks_in_real_time_join_without_padding(chunk_ms: int) -> None:
    """Chunks shorter than a packet, pushed in real time, fill whole packets."""
    count = 20 * 100 // chunk_ms
    sent = play([(chunk_ms / 1000, chunk_ms * RATE // 1000)] * count)
    assert all(packet.padding == 0 for packet in sent[:-1])
    assert sum(packet.resumed for packet in sent) == 1


@pytest.mark.parametrize("chunk_ms", [25, 30, 32, 50, 64, 90])
def test_longer_chunks_in_real_time_are_padded_until_there_is_delay_enough(chunk_ms: int) -> None:
    """The rest of a chunk is padded a few times; that delay then serves all chunks to come."""
    sent = play([(chunk_ms / 1000, chunk_ms * RATE // 1000)] * 500)
    assert sum(packet.padding > 0 for packet in sent[:-1]) <= 3
    assert sum(packet.padding for packet in sent[:-1]) <= 1.5 * FRAME
    assert sum(packet.resumed for packet in sent) == 1


@pytest.mark.parametrize("stall", [0.005, 0.03, 0.06, 0.16])
def test_a_stall_that_is_caught_up_leaves_no_delay(stall: float) -> None:
    """What comes in a burst after a stall leaves at once, and timestamps go on without a gap."""
    second = [(0.02, FRAME)] * 50
    sent = play([*second, (0.02 + stall, FRAME), (0.0, int(stall * RATE)), *second])
    steps = [b.timestamp - a.timestamp for a, b in itertools.pairwise(sent)]
    assert set(steps) == {FRAME}
    assert [packet.resumed for packet in sent].count(True) == 1
    assert max(packet.late for packet in sent[-20:]) < 0.02


@pytest.mark.parametrize("stall", [0.1, 0.5, 1.0])
def test_a_stall_whose_audio_is_lost_leaves_no_delay(stall: float) -> None:
    """After a freeze of which only the last 100 ms are there, these leave at once."""
    second = [(0.02, FRAME)] * 50
    sent = play([*second, (stall, 5 * FRAME), *second])
    late = [packet.late for packet in sent]
    assert max(late[-40:]) < 0.045
    assert len(sent) == 105


@pytest.mark.parametrize("pause", [0.07, 0.25, 0.5, 60.0, 600.0])
def test_after_a_pause_the_timestamp_is_the_time(pause: float) -> None:
    """A longer silence is a jump: RTP time tracks wall time across the gap (RFC 3550 §5.1)."""
    before, *_, after = play([(0.0, FRAME), (pause, FRAME)])
    assert not before.timestamp
    assert after.resumed
    assert after.at == pytest.approx(EPOCH + pause + SETTLE)
    assert after.timestamp == round(pause * RATE)


pushes = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from([0.0, 0.01, 0.02, 0.1, 0.12]),
            st.floats(0, 0.3),
            st.floats(0, 1000),
        ),
        st.one_of(st.sampled_from([1, 480, FRAME, 5 * FRAME]), st.integers(1, 3 * RATE // 10)),
    ),
    min_size=1,
    max_size=20,
)


@given(pushes=pushes, flushed=st.booleans())
@settings(deadline=None, max_examples=tries(200))
def test_the_schedule_holds_whatever_is_pushed(
    pushes: list[tuple[float, int]], flushed: bool
) -> None:
    """Contiguous or resumed, never backwards, never far from the clock."""
    sent = play(pushes, flushed)
    assert sum(FRAME - packet.padding for packet in sent) == sum(n for _, n in pushes)
    for packet in sent:
        # The clock of the session may have followed that of a producer by then.
        assert abs(packet.late) <= MAX_BURST + MAX_GRACE + 1.0
    for before, after in itertools.pairwise(sent):
        step = after.timestamp - before.timestamp
        assert step >= FRAME
        assert after.resumed or step == FRAME


def test_an_hour_of_turns_stays_on_time() -> None:
    """Over an hour of speech and pauses, no timestamp strays from the clock."""
    turn = [(0.0, 100 * FRAME + 333), (9.0, 7), (0.003, 200 * FRAME)]
    sent = play([*turn, (6.0, 5 * FRAME)] * 240)
    assert sent[-1].at > EPOCH + 3580
    assert max(abs(packet.late) for packet in sent) <= 0.1
    assert len(sent) < 240 * 320


def test_an_hour_without_a_pause_does_not_drift() -> None:
    """Packet 180,000 leaves exactly one hour after packet 0."""
    pacer = Pacer(44100, 882, SessionClock(0.0))
    now = 0.0
    for _ in range(180_000):
        queue = QueueState(10_000, now)
        due = pacer.next_departure(now, queue)
        assert due is not None
        now = due
        departure = pacer.depart(now, queue)
    assert departure.timestamp == (180_000 - 1) * 882
    assert now == pytest.approx(3600 - 0.02, abs=1e-6)
