"""The jitter buffer: an unbroken run of frames, whatever the network does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core.media.jitter import (
    MAX_CONCEALED,
    MAX_DEPTH,
    MAX_PACKETS,
    MIN_DEPTH,
    PAUSE,
    DueFrame,
    JitterBuffer,
)

from ..examples import tries
from .arrivals import FRAME, RATE, SECOND, Packet, on_time, receive


def test_packets_in_order_are_released_at_once() -> None:
    """Without loss the buffer adds no delay, not even at the start."""
    run = receive(on_time(SECOND))
    assert run.payloads == list(range(SECOND))
    assert [at for at, _ in run.slots] == [number * 0.02 for number in range(SECOND)]
    assert run.buffer.statistics.received == SECOND
    assert run.buffer.statistics.concealed == 0
    assert run.buffer.statistics.depth == pytest.approx(MIN_DEPTH)


def test_one_lost_packet_costs_one_frame_and_no_delay_for_good() -> None:
    """The hole is waited for, made up for with the packet behind it, and then all is as before."""
    packets = on_time(2 * SECOND)
    del packets[50]
    run = receive(packets)
    assert run.payloads == [*range(50), -1, *range(51, 100)]
    at, hole = run.slots[50]
    assert 50 * 0.02 + MIN_DEPTH <= at <= 50 * 0.02 + MAX_DEPTH
    assert hole.following == (51).to_bytes(4)
    assert (hole.samples, hole.silent, hole.restarted) == (FRAME, False, False)
    assert [at for at, _ in run.slots[55:]] == [number * 0.02 for number in range(55, 100)]
    assert (run.buffer.statistics.lost, run.buffer.statistics.concealed) == (1, 1)


def test_reordered_packets_are_put_in_order() -> None:
    """Where packets overtake each other, the buffer soon waits long enough to miss none."""
    packets = [
        Packet(at + 0.03, number) if number % 10 == 5 else Packet(at, number)
        for at, number in on_time(4 * SECOND)
    ]
    run = receive(packets)
    assert run.payloads[SECOND:] == list(range(SECOND, 4 * SECOND))
    assert run.buffer.statistics.lost == 0
    assert run.buffer.statistics.concealed <= 3, "until the depth has followed"


def test_a_packet_that_comes_twice_is_heard_once() -> None:
    """Duplicates are counted, before and after their frame was released."""
    packets = [*on_time(SECOND), *on_time(SECOND, delay=0.01), *on_time(SECOND, delay=0.1)]
    run = receive(packets)
    assert [number for number in run.payloads if number >= 0] == list(range(SECOND))
    assert run.buffer.statistics.received == SECOND
    assert run.buffer.statistics.duplicated == 2 * SECOND


def test_a_packet_that_is_too_late_is_counted() -> None:
    """Its frame was made up for; it is not played out of turn, and was not lost."""
    packets = [
        Packet(at + 0.15, number) if number == 20 else Packet(at, number)
        for at, number in on_time(SECOND)
    ]
    run = receive(packets)
    assert run.payloads == [*range(20), -1, *range(21, SECOND)]
    statistics = run.buffer.statistics
    assert (statistics.late, statistics.concealed, statistics.lost) == (1, 1, 0)


def test_a_long_hole_becomes_silence() -> None:
    """A few frames are made up; what is missing after them is silence, at the same rate."""
    packets = [packet for packet in on_time(2 * SECOND) if not 30 <= packet.number < 50]
    run = receive(packets)
    assert len(run.slots) == 2 * SECOND
    hole = [slot.silent for _, slot in run.slots[30:50]]
    assert hole == [False] * MAX_CONCEALED + [True] * (20 - MAX_CONCEALED)
    assert run.payloads[50:] == list(range(50, 100))


def test_the_depth_follows_the_jitter() -> None:
    """A quiet network is waited for 20 ms, a restless one longer, and never more than 60 ms."""
    random = np.random.default_rng(0)
    depths = []
    for spread in (0.0, 0.015, 0.2):
        packets = [Packet(at + random.uniform(0, spread), n) for at, n in on_time(10 * SECOND)]
        depths.append(receive(packets).buffer.statistics.depth)
    assert depths[0] == pytest.approx(MIN_DEPTH)
    assert MIN_DEPTH + 0.01 < depths[1] < MAX_DEPTH
    assert depths[2] == MAX_DEPTH


@pytest.mark.parametrize("sequence", [65_500, 65_535])
@pytest.mark.parametrize("timestamp", [0xFFFFFFFF - 20 * FRAME, 0xFFFFFFFF])
def test_numbers_wrap_around_unheard(sequence: int, timestamp: int) -> None:
    """Sequence numbers have 16 bits and timestamps 32; a loss at the seam is a loss like others."""
    packets = on_time(2 * SECOND)
    del packets[36]
    run = receive(packets, sequence=sequence, timestamp=timestamp)
    assert run.payloads == [*range(36), -1, *range(37, 100)]
    assert run.buffer.statistics.lost == 1


def test_a_pause_of_the_sender_costs_nothing() -> None:
    """After two seconds without a packet nothing is due; the next one is heard at once."""
    later = [Packet(at + 600, number + 30_000) for at, number in on_time(SECOND)]
    run = receive([*on_time(SECOND)], until=100.0)
    assert run.buffer.deadline is None
    silence = [slot for at, slot in run.slots[SECOND:]]
    assert len(silence) <= PAUSE / 0.02 + 5
    run = receive([*on_time(SECOND), *later])
    assert run.payloads[-SECOND:] == [number for _, number in later]
    assert run.slots[-SECOND][0] == 600.0
    assert run.slots[-SECOND][1].restarted


def test_a_new_source_starts_anew() -> None:
    """Another SSRC shares neither numbers nor state with the one before."""
    buffer = JitterBuffer(RATE)
    buffer.push(1, 10, 1000, FRAME, b"one", 0.0)
    assert [slot.payload for slot in buffer.pop(0.0)] == [b"one"]
    buffer.push(2, 60_000, 4_000_000_000, FRAME, b"two", 0.02)
    (slot,) = buffer.pop(0.02)
    assert (slot.payload, slot.restarted) == (b"two", True)


@pytest.mark.parametrize(("payload", "samples"), [(b"", FRAME), (b"x", 0), (b"x", -5)])
def test_what_holds_no_audio_is_dropped(payload: bytes, samples: int) -> None:
    """An empty payload would silence a decoder for good."""
    buffer = JitterBuffer(RATE)
    buffer.push(1, 10, 1000, samples, payload, 0.0)
    assert buffer.pop(0.0) == []
    assert buffer.deadline is None
    assert buffer.statistics.received == 0


def test_what_is_held_is_bounded() -> None:
    """However many packets come from the future at once, only so many are kept."""
    buffer = JitterBuffer(RATE)
    for number in itertools.chain([0], range(2, 1000)):
        buffer.push(1, number, number * FRAME, FRAME, b"x", 0.0)
    assert len(buffer) <= MAX_PACKETS


def test_after_a_stall_the_delay_is_gone() -> None:
    """What waited while the process stood still is skipped; the present is heard at once."""
    packets = [Packet(max(at, 3.0) if at >= 1 else at, n) for at, n in on_time(5 * SECOND)]
    run = receive(packets)
    after = [
        at - number * 0.02
        for (at, _), number in zip(run.slots, run.payloads, strict=True)
        if number > 160
    ]
    assert len(after) > 80
    assert max(after) < 0.001


def test_a_path_that_becomes_slower_is_followed() -> None:
    """After half a second of late packets, the new delay is taken for what it is."""
    packets = [Packet(at + (0.15 if n >= 100 else 0.0), n) for at, n in on_time(6 * SECOND)]
    run = receive(packets)
    assert run.payloads[-3 * SECOND :] == list(range(3 * SECOND, 6 * SECOND))


def network(seed: int, loss: float, jitter: float, again: float) -> list[Packet]:
    """Three seconds of packets over a network that loses, delays, doubles and reorders."""
    random = np.random.default_rng(seed)
    packets = []
    for at, number in on_time(3 * SECOND):
        if number < 3:  # a beginning out of order is another story
            packets.append(Packet(at, number))
        elif random.random() >= loss:
            for _ in range(1 + (random.random() < again)):
                packets.append(Packet(at + float(random.exponential(jitter or 1e-9)), number))
    return packets


@given(
    seed=st.integers(0, 2**32 - 1),
    loss=st.sampled_from([0.0, 0.05, 0.3]),
    jitter=st.sampled_from([0.0, 0.005, 0.03, 0.1]),
    again=st.sampled_from([0.0, 0.1]),
)
@settings(deadline=None, max_examples=tries(100))
def test_frames_come_at_the_rate_of_the_sender(
    seed: int, loss: float, jitter: float, again: float
) -> None:
    """Every packet stands where it belongs, once, in order; the rest is made up, none too much."""
    packets = network(seed, loss, jitter, again)
    run = receive(packets, until=3.0)
    assert all(slot.samples == FRAME for _, slot in run.slots)
    heard = [number for number in run.payloads if number >= 0]
    assert heard == sorted(set(heard))
    if not any(slot.restarted for _, slot in run.slots[1:]):
        for position, number in enumerate(run.payloads):
            assert number in (-1, position)
        end = max(3.0, *(packet.at for packet in packets))
        assert abs(len(run.slots) * 0.02 - end) <= MAX_DEPTH + 0.04, "a second is a second"
    statistics = run.buffer.statistics
    assert statistics.received == len({packet.number for packet in packets})
    assert statistics.duplicated == len(packets) - statistics.received
    assert MIN_DEPTH <= statistics.depth <= MAX_DEPTH


@given(
    packets=st.lists(
        st.tuples(
            st.floats(0, 5),
            st.integers(0, 2),
            st.integers(0, 65535),
            st.integers(0, 2**32 - 1),
            st.sampled_from([120, 480, 960, 2880, 5760]),
        ),
        max_size=40,
    )
)
@settings(deadline=None, max_examples=tries(150))
def test_nonsense_neither_hangs_nor_overflows(
    packets: list[tuple[float, int, int, int, int]],
) -> None:
    """Numbers at random: time goes on, memory is bounded, and no frame is longer than a packet."""
    buffer = JitterBuffer(RATE)
    out = 0
    now = 0.0
    for gap, ssrc, sequence, timestamp, samples in packets:
        now += gap
        buffer.push(ssrc, sequence, timestamp, samples, b"x", now)
        slots = buffer.pop(now)
        assert all(0 < slot.samples <= 5760 for slot in slots)
        out += len(slots)
        assert len(buffer) <= MAX_PACKETS
    assert out <= 3 * now * 400 + 2 * len(packets) + 1000


@pytest.mark.parametrize("dtx", [True, False])
def test_a_pause_that_was_announced(dtx: bool) -> None:
    """It is left out, or made up for; what comes after it is released at once either way."""
    buffer = JitterBuffer(RATE, dtx=dtx)
    slots: list[DueFrame] = []
    # As Chromium does it: speech, one packet of a single byte, and a word of life each 400 ms.
    packets = [(0, 0, 40), (1, 1, 32), (2, 2, 1), (3, 22, 32), (4, 23, 1), (5, 60, 80), (6, 61, 80)]
    for sequence, number, size in packets:
        at = 10 + number * 0.02
        while (due := buffer.deadline) is not None and due < at:
            slots += buffer.pop(due)
        buffer.push(1, sequence, number * FRAME, FRAME, bytes(size), at)
        released = buffer.pop(at)
        assert released[-1].payload == bytes(size)
        slots += released
        if size == 1 and dtx:
            assert buffer.deadline is None
    statistics = buffer.statistics
    assert (statistics.received, statistics.lost, statistics.late) == (len(packets), 0, 0)
    assert not any(slot.restarted for slot in slots[1:])
    if dtx:
        assert len(slots) == len(packets)
        assert statistics.concealed == 0
    else:
        assert len(slots) == 62
        assert statistics.concealed == 62 - len(packets)


def test_a_pause_of_which_packets_were_lost() -> None:
    """The first packet that comes ends it; what was lost in it is not made up for."""
    buffer = JitterBuffer(RATE, dtx=True)
    for sequence, number, size in [(0, 0, 40), (1, 1, 1), (4, 42, 80)]:
        buffer.push(1, sequence, number * FRAME, FRAME, bytes(size), 10 + number * 0.02)
        slots = buffer.pop(10 + number * 0.02)
        assert [slot.payload for slot in slots] == [bytes(size)]
    assert buffer.statistics.lost == 2
    assert buffer.pop(10.9)[0].payload is None, "now it goes on, and what is missing is missing"
