"""What became of packets, by the feedback that our own recorder of arrivals makes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastrtc_core.media.sent_packets import MAX_PACKETS, Fate, SentPackets, split_feedback
from fastrtc_core.media.transport_feedback import ArrivalRecorder

TICK = 0.00025


def report(*arrivals: tuple[int, float], recorder: ArrivalRecorder | None = None) -> list[bytes]:
    """What is reported of packets that came: number, time."""
    recorder = recorder or ArrivalRecorder()
    for number, time in arrivals:
        recorder.record(number & 0xFFFF, time)
    return recorder.report(1, 2)


def take(packets: SentPackets, reports: list[bytes], now: float = 1.0) -> list[Fate]:
    return [fate for one in reports for fate in packets.take(one, now)]


@given(
    st.integers(0, 70_000),
    st.lists(st.tuples(st.booleans(), st.floats(0, 0.1)), min_size=1, max_size=200),
)
@example(0xFFFF, [(True, 0.0)] * 3)
def test_each_packet_has_one_fate(before: int, packets: list[tuple[bool, float]]) -> None:
    """Those that came, when they came; the others are missing; through 0xFFFF and 0."""
    sent = SentPackets()
    sent._next = before
    clock, came, expected = 1000.0, [], []
    for place, (arrives, wait) in enumerate(packets):
        number = sent.note(100 + place, place * 0.01, place)
        clock += wait
        if arrives:
            came.append((number, clock))
        expected.append(clock if arrives else None)
    last = max((place for place, (arrives, _) in enumerate(packets) if arrives), default=-1)
    first = next((place for place, (arrives, _) in enumerate(packets) if arrives), 0)
    fates = take(sent, report(*came))
    assert [fate.size - 100 for fate in fates] == list(range(first, last + 1))
    for fate in fates:
        at = expected[fate.size - 100]
        assert fate.sent == (fate.size - 100) * 0.01
        assert fate.probe == fate.size - 100
        assert (fate.arrived is None) == (at is None)
        if at is not None:
            assert fate.arrived == pytest.approx(at, abs=2 * TICK)
    unheard = [100 + place for place in range(len(packets)) if not first <= place <= last]
    assert sent.in_flight == sum(unheard)


def test_a_packet_that_comes_late_is_found() -> None:
    """It was reported missing; its fate says that it no longer is. After that nothing is new."""
    sent = SentPackets()
    for _ in range(3):
        sent.note(100, 0.0)
    recorder = ArrivalRecorder()
    first = take(sent, report((0, 5.0), (2, 5.1), recorder=recorder))
    assert [fate.arrived is None for fate in first] == [False, True, False]
    assert sent.in_flight == 0
    late = report((1, 5.2), recorder=recorder)
    (found,) = take(sent, late)
    assert found.found
    assert found.arrived == pytest.approx(5.2, abs=2 * TICK)
    assert take(sent, late) == [], "a copy of it tells nothing"
    assert len(sent) == 0


def test_feedback_may_come_out_of_order_and_twice() -> None:
    sent = SentPackets()
    recorder = ArrivalRecorder()
    reports = []
    for number in range(6):
        sent.note(100, number / 10)
        reports += report((number, 7 + number / 10), recorder=recorder)
    fates = take(sent, [reports[place] for place in (1, 0, 3, 3, 2, 5, 4, 0)])
    assert sorted(fate.sent for fate in fates) == [number / 10 for number in range(6)]
    for fate in fates:
        assert fate.arrived == pytest.approx(7 + fate.sent, abs=2 * TICK)


def test_arrivals_go_on_where_their_clock_wraps() -> None:
    """A reference time has 24 bits of 64 ms: twelve days and a half."""
    wrap = (1 << 24) * 0.064
    sent = SentPackets()
    recorder = ArrivalRecorder()
    came = []
    for number in range(4):
        sent.note(100, number / 10)
        at = wrap - 0.15 + number / 10
        (fate,) = take(sent, report((number, at), recorder=recorder))
        assert fate.arrived is not None
        came.append(fate.arrived)
    assert [later - came[0] for later in came] == pytest.approx([0, 0.1, 0.2, 0.3], abs=2 * TICK)


@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_what_was_never_sent_tells_nothing(bodies: list[bytes], padded: bool) -> None:
    """Nor does what is damaged; each packet has one fate at most, whatever is told."""
    sent = SentPackets()
    for _ in range(20):
        sent.note(100, 0.0)
    told = []
    for body in bodies:
        first = 0x8F | (0x20 if padded else 0)
        told += take(sent, [bytes((first, 205)) + len(body).to_bytes(2) + body])
        assert take(sent, [body]) == [] or body[1] == 205
    assert sum(not fate.found for fate in told) <= 20
    assert 0 <= sent.in_flight <= 2000


def test_feedback_about_strangers_is_short_work() -> None:
    """Numbers that were not sent have no fate, however many there are."""
    sent = SentPackets()
    sent.note(100, 0.0)
    assert take(sent, report((500, 1.0), (40_000, 1.1))) == []
    assert sent.in_flight == 100


def test_little_is_remembered() -> None:
    """However long nothing is heard; and what was sent long ago is forgotten when it is time."""
    sent = SentPackets()
    for number in range(3 * MAX_PACKETS):
        sent.note(10, number / 100)
    assert len(sent) == MAX_PACKETS
    assert sent.in_flight == 10 * MAX_PACKETS
    sent.forget_before(3 * MAX_PACKETS / 100 - 0.0999)
    assert len(sent) == 9


def test_silence_begins_with_a_packet_and_ends_with_feedback() -> None:
    sent = SentPackets()
    assert sent.silence(5.0) == 0
    sent.note(100, 5.0)
    sent.note(100, 6.0)
    assert sent.silence(7.0) == 2
    take(sent, report((0, 1.0)), now=7.0)
    assert sent.silence(8.0) == 1
    take(sent, report((1, 1.0)), now=8.0)
    assert sent.silence(9.0) == 0


def test_feedback_is_taken_out_of_its_datagram() -> None:
    """aiortc reads it as something else; the rest reaches it as it is."""
    (feedback,) = report((0, 1.0))
    receiver_report = bytes((0x81, 201, 0, 7)) + bytes(28)
    loss = bytes((0x81, 206, 0, 2)) + bytes(8)
    assert split_feedback(receiver_report + feedback + loss) == (
        [feedback],
        receiver_report + loss,
    )
    assert split_feedback(loss) == ([], loss)
    found, rest = split_feedback(feedback + feedback)
    assert found == [feedback, feedback]
    assert rest == bytes((0x80, 201, 0, 1)) + feedback[4:8], "who sent it is still known"
    for cut in range(len(feedback)):
        assert len(split_feedback(feedback[:cut])) == 2
