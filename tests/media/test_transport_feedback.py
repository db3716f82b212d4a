"""The recorder of arrivals, read back by a decoder that knows the draft alone."""

from __future__ import annotations

import struct
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastrtc_core.media import transport_feedback
from fastrtc_core.media.transport_feedback import MAX_BYTES, ArrivalRecorder

TICK = 0.00025
SENDER, SOURCE = 0x11223344, 0x55667788


class Feedback(NamedTuple):
    """A feedback packet that was read.

    Attributes:
        base: The first number in it.
        arrivals: When each number from there on has come, in ticks of 250 µs; `None`: it has not.
        number: Its own.
    """

    base: int
    arrivals: list[int | None]
    number: int


def read(packet: bytes) -> Feedback:
    """Read one of this test."""
    assert struct.unpack_from("!II", packet, 4) == (SENDER, SOURCE)
    return read_body(packet)


def read_body(packet: bytes) -> Feedback:
    """Read any, as draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1 has it."""
    assert packet[0] & 0xDF == 0x8F, "version 2, format 15"
    assert packet[1] == 205
    assert len(packet) == 4 * (1 + int.from_bytes(packet[2:4])), "its length is in words"
    if packet[0] & 0x20:
        assert 0 < packet[-1] < 4
        packet = packet[: -packet[-1]]
    base, statuses, time = struct.unpack_from("!HHI", packet, 12)
    at = 20
    symbols: list[int] = []
    while len(symbols) < statuses:
        (chunk,) = struct.unpack_from("!H", packet, at)
        at += 2
        if chunk < 0x8000:
            symbols += [chunk >> 13] * (chunk & 0x1FFF)
            assert len(symbols) <= statuses, "a run ends where the statuses end"
        elif chunk < 0xC000:
            symbols += [chunk >> bit & 1 for bit in range(13, -1, -1)]
        else:
            symbols += [chunk >> bit & 3 for bit in range(12, -2, -2)]
    assert not any(symbols[statuses:]), "the rest of the last vector is empty"
    reference = time >> 8
    now = (reference - (reference >> 23 << 24)) * 256
    arrivals: list[int | None] = []
    for symbol in symbols[:statuses]:
        if symbol == 0:
            arrivals.append(None)
            continue
        size = {1: 1, 2: 2}[symbol]
        now += int.from_bytes(packet[at : at + size], signed=size == 2)
        arrivals.append(now)
        at += size
    assert at == len(packet), "nothing is left over"
    return Feedback(base, arrivals, time & 0xFF)


def told(packets: list[bytes]) -> dict[int, int | None]:
    """What several packets, one after the other, say of each number."""
    found: dict[int, int | None] = {}
    for feedback in map(read, packets):
        for place, ticks in enumerate(feedback.arrivals):
            found[(feedback.base + place) & 0xFFFF] = ticks
    return found


def report(recorder: ArrivalRecorder) -> list[bytes]:
    return recorder.report(SENDER, SOURCE)


def of(*packets: tuple[int, int]) -> ArrivalRecorder:
    """One to which these have come: number, ticks."""
    recorder = ArrivalRecorder()
    for number, ticks in packets:
        recorder.record(number, ticks * TICK)
    return recorder


steps = st.one_of(st.just(1), st.integers(1, 20), st.integers(1, 30_000))
waits = st.one_of(st.integers(0, 255), st.integers(0, 2_000), st.integers(0, 100_000))


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 1 << 40),
    st.lists(st.tuples(steps, waits, st.booleans()), max_size=60),
)
@example(0xFFFF, 0, [(1, 0, False)])
def test_every_packet_is_told_of_once_and_each_gap_as_missing(
    first: int, begin: int, packets: list[tuple[int, int, bool]]
) -> None:
    """Whatever is lost between them, however far apart they are, in however many reports."""
    recorder = ArrivalRecorder()
    recorder.record(first, begin * TICK)
    number, ticks = first, begin
    expected: list[int | None] = [begin]
    reports: list[bytes] = []
    for step, wait, cut in packets:
        if cut:
            reports += report(recorder)
        number, ticks = number + step, ticks + wait
        recorder.record(number & 0xFFFF, ticks * TICK)
        expected += [None] * (step - 1) + [ticks]
    reports += report(recorder)

    read_back: list[int | None] = []
    for count, feedback in enumerate(map(read, reports)):
        assert feedback.base == (first + len(read_back)) & 0xFFFF, "one goes on where one ended"
        assert feedback.number == count & 0xFF
        read_back += feedback.arrivals
    assert len(read_back) == len(expected)
    for got, want in zip(read_back, expected, strict=True):
        assert (got is None) == (want is None)
        if got is not None and want is not None:
            # The reference time has 24 bits; times are floats.
            assert (got - want + 1) % (1 << 32) <= 2
    assert report(recorder) == []
    assert all(len(packet) <= MAX_BYTES + 40 for packet in reports)


@given(st.permutations(range(40)), st.sets(st.integers(0, 39), max_size=10), st.integers(0, 0xFFFF))
def test_packets_that_overtake_each_other(order: list[int], lost: set[int], first: int) -> None:
    """Each is told of with its own time, which may lie before that of the one before it."""
    recorder = ArrivalRecorder()
    times: dict[int, int] = {}
    for place, offset in enumerate(order):
        if offset not in lost:
            number = (first + offset) & 0xFFFF
            times[number] = 1000 + 3 * place
            recorder.record(number, times[number] * TICK)
            recorder.record(number, (times[number] + 1) * TICK)  # a copy says nothing
    found = told(report(recorder))
    assert {number: ticks for number, ticks in found.items() if ticks is not None} == times
    if times:
        offsets = [(number - first) & 0xFFFF for number in times]
        assert len(found) == max(offsets) - min(offsets) + 1


def test_a_late_packet_is_told_of_with_those_after_it() -> None:
    """It was told of as missing; those after it are not taken back."""
    recorder = of((10, 0), (12, 40))
    assert told(report(recorder)) == {10: 0, 11: None, 12: 40}
    recorder.record(11, 80 * TICK)
    recorder.record(13, 90 * TICK)
    assert told(report(recorder)) == {11: 80, 12: 40, 13: 90}


def test_a_copy_of_what_was_reported_is_not_reported_again() -> None:
    recorder = of((10, 0), (11, 4))
    report(recorder)
    recorder.record(10, 80 * TICK)
    assert report(recorder) == []


def test_a_packet_that_comes_far_too_late_is_left_out() -> None:
    """What came around it is forgotten by then, and must not be told of as missing."""
    recorder = of((10, 0), (12, 40))
    report(recorder)
    recorder.record(13, 8000 * TICK)
    report(recorder)
    recorder.record(11, 8010 * TICK)
    assert report(recorder) == []


def test_nothing_is_told_before_anything_comes() -> None:
    assert report(ArrivalRecorder()) == []


@pytest.mark.parametrize(
    ("packets", "chunks"),
    [
        ([(n, 0) for n in range(221)], [0x2000 | 221]),
        ([(0, 0), (2, 4), (3, 8), (13, 9)], [0x8000 | 0b10110000000001]),
        ([(0, 0), (2, 300), (3, 600), (5, 600)], [0xC000 | 0b01001010000100]),
        ([(0, 0), (9000, 1)], [0xA000, 8191, 795, 0x2001]),
    ],
    ids=["run", "one bit", "two bits", "long gap"],
)
def test_the_form_of_chunks(packets: list[tuple[int, int]], chunks: list[int]) -> None:
    (packet,) = report(of(*packets))
    assert list(struct.unpack_from(f"!{len(chunks)}H", packet, 20)) == chunks


@pytest.mark.parametrize(
    ("delta", "sizes"), [(255, 1), (256, 2), (32767, 2), (32768, None), (-1, 2), (-32768, 2)]
)
def test_small_and_large_deltas(delta: int, sizes: int | None) -> None:
    """A delta beyond 16 bits begins another packet, with a reference time of its own."""
    numbers = [(1, 40_000), (2, 40_000 + delta)]
    recorder = ArrivalRecorder()
    for number, ticks in sorted(numbers, key=lambda packet: packet[1]):
        recorder.record(number, ticks * TICK)
    packets = report(recorder)
    assert len(packets) == (2 if sizes is None else 1)
    assert told(packets) == dict(numbers)


def test_its_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come before anybody asks, and however far their numbers jump."""
    most = 400
    monkeypatch.setattr(transport_feedback, "MAX_PACKETS", most)
    recorder = ArrivalRecorder()
    for place in range(3 * most):
        recorder.record(place * 30_000 & 0xFFFF, place * TICK)
    assert len(recorder) <= most
    packets = report(recorder)
    received = [t for packet in packets for t in read(packet).arrivals if t is not None]
    assert len(received) == most
    for place in range(most):
        recorder.record(place & 0xFFFF, (3 * most + 10 * place) * TICK)
        if place % 50 == 0:
            report(recorder)
    report(recorder)
    assert len(recorder) < 300, "half a second of packets each 2.5 ms"


@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF), st.sampled_from([0, 1, 300, 5_000]), st.booleans()),
        max_size=80,
    )
)
def test_whatever_comes_can_be_told(packets: list[tuple[int, int, bool]]) -> None:
    """Numbers that make no sense, too: each report can be read, and tells of what has come."""
    recorder = ArrivalRecorder()
    ticks, times = 0, set()
    for number, wait, cut in packets:
        ticks += wait
        times.add((number, ticks))
        recorder.record(number, ticks * TICK)
        for packet in report(recorder) if cut else []:
            feedback = read(packet)
            for place, arrival in enumerate(feedback.arrivals):
                number = (feedback.base + place) & 0xFFFF
                assert arrival is None or (number, arrival) in times
