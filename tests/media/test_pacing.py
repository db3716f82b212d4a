"""The pacing of packets: when each leaves, and the timestamp that it carries."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core.media.pacing import CATCH_UP, TAIL_GRACE, Pacer

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
    pacer = Pacer(RATE, FRAME, EPOCH)
    sent: list[Sent] = []
    now = last_push = EPOCH
    queued = 0
    for gap, samples in [*pushes, (1e9, 0)]:
        until = now + gap
        while True:
            due = pacer.next_departure(now, queued=queued, last_push=last_push, flushed=flushed)
            if due is None or due >= until:
                break
            now = max(now, due)
            departure = pacer.depart(now)
            sent.append(Sent(now, *departure, padding=max(0, FRAME - queued)))
            queued = max(0, queued - FRAME)
        now, last_push = until, until
        queued += samples
    return sent


def test_nothing_is_due_while_nothing_is_queued() -> None:
    """Without samples there is no next departure, and so no timer."""
    pacer = Pacer(RATE, FRAME, 0.0)
    assert pacer.next_departure(3.0, queued=0, last_push=0.0, flushed=True) is None


def test_the_first_packet_leaves_at_once_with_the_time_of_the_session() -> None:
    """Timestamps count from the epoch, not from the first packet."""
    (first, *_) = play([(2.0, FRAME)])
    assert first.at == EPOCH + 2.0
    assert first.timestamp == 2 * RATE
    assert first.resumed


def test_packets_leave_one_frame_apart() -> None:
    """What is pushed at once leaves at the pace of the clock, timestamps one frame apart."""
    sent = play([(0.0, 50 * FRAME)])
    assert [packet.timestamp for packet in sent] == [k * FRAME for k in range(50)]
    assert [packet.at for packet in sent] == pytest.approx([EPOCH + k * 0.02 for k in range(50)])
    assert [packet.resumed for packet in sent] == [True] + [False] * 49


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
    assert tail.at == EPOCH + 1.0


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


@pytest.mark.parametrize("stall", [0.005, 0.03, 0.06, 0.099])
def test_a_short_stall_is_caught_up(stall: float) -> None:
    """After a stall up to `CATCH_UP`, timestamps go on without a gap and the delay goes away."""
    second = [(0.02, FRAME)] * 50
    sent = play([*second, (0.02 + stall, FRAME), (0.0, int(stall * RATE)), *second])
    steps = [b.timestamp - a.timestamp for a, b in itertools.pairwise(sent)]
    assert set(steps) == {FRAME}
    assert [packet.resumed for packet in sent].count(True) == 1
    assert max(packet.late for packet in sent) == pytest.approx(stall, abs=0.001)
    assert max(packet.late for packet in sent[-20:]) < 0.02


@pytest.mark.parametrize("pause", [0.25, 0.5, 60.0, 600.0])
def test_after_a_pause_the_timestamp_is_the_time(pause: float) -> None:
    """A longer silence is a jump: RTP time tracks wall time across the gap (RFC 3550 §5.1)."""
    before, *_, after = play([(0.0, FRAME), (pause, FRAME)])
    assert not before.timestamp
    assert after.resumed
    assert after.at == EPOCH + pause
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
@settings(deadline=None, max_examples=200)
def test_the_schedule_holds_whatever_is_pushed(
    pushes: list[tuple[float, int]], flushed: bool
) -> None:
    """Contiguous or resumed, never backwards, never early, never later than `CATCH_UP`."""
    sent = play(pushes, flushed)
    assert sum(FRAME - packet.padding for packet in sent) == sum(n for _, n in pushes)
    for packet in sent:
        assert -SLACK <= packet.late <= CATCH_UP + SLACK
    for before, after in itertools.pairwise(sent):
        step = after.timestamp - before.timestamp
        assert step >= FRAME
        assert after.resumed or step == FRAME
        if after.at - before.at < 0.02 - 2 * SLACK:
            assert before.late > 0, "only a producer that is late may send packets in a row"


def test_an_hour_of_turns_stays_on_time() -> None:
    """Over an hour of speech and pauses, no timestamp is more than `CATCH_UP` off the clock."""
    turn = [(0.0, 100 * FRAME + 333), (9.0, 7), (0.003, 200 * FRAME)]
    sent = play([*turn, (6.0, 5 * FRAME)] * 240)
    assert sent[-1].at > EPOCH + 3580
    assert max(abs(packet.late) for packet in sent) <= CATCH_UP + SLACK
    assert len(sent) < 240 * 320


def test_an_hour_without_a_pause_does_not_drift() -> None:
    """Packet 180,000 leaves exactly one hour after packet 0."""
    pacer = Pacer(44100, 882, 0.0)
    now = 0.0
    for _ in range(180_000):
        due = pacer.next_departure(now, queued=10_000, last_push=now, flushed=False)
        assert due is not None
        now = due
        departure = pacer.depart(now)
    assert departure.timestamp == (180_000 - 1) * 882
    assert now == pytest.approx(3600 - 0.02, abs=1e-6)
