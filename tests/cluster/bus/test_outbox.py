"""The queue of what is to be published."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.cluster.bus.outbox import Message, Outbox

steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(0, 12)),
        st.tuples(st.just("take"), st.integers(1, 6)),
        st.tuples(st.just("settle"), st.integers(0, 6)),
        st.tuples(st.just("refuse"), st.just(0)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=60,
)


@given(steps)
def test_every_message_is_accounted_for(steps: list[tuple[str, int]]) -> None:
    """Offered = waiting + in flight + sent + dropped; bounds hold; order is that of the pushes."""
    outbox: Outbox[int] = Outbox(max_messages=5, max_bytes=10)
    offered = 0
    last_taken = -1
    for step, number in steps:
        if step == "push":
            assert outbox.push(Message(offered, bytes(number))) == (number <= 10)
            offered += 1
        elif step == "take":
            for message in outbox.take(number, 8):
                assert message.topic > last_taken
                last_taken = message.topic
        elif step == "settle":
            sent = min(number, outbox.in_flight)
            outbox.settle(sent=sent, lost=outbox.in_flight - sent)
        elif step == "refuse":
            outbox.refuse()
            offered += 1
        else:
            outbox.clear()
            assert (len(outbox), outbox.in_flight) == (0, 0)
        assert len(outbox) <= 5
        assert offered == len(outbox) + outbox.in_flight + outbox.sent + outbox.dropped
    waiting = outbox.take(100, 100)
    assert sum(len(message.data) for message in waiting) <= 10


def test_the_oldest_go() -> None:
    """A full queue keeps the newest, by number and by bytes."""
    outbox: Outbox[str] = Outbox(max_messages=3, max_bytes=10)
    for name in "abcd":
        assert outbox.push(Message(name, b"12"))
    assert outbox.push(Message("e", bytes(8)))
    assert [message.topic for message in outbox.take(9, 99)] == ["d", "e"]
    assert outbox.dropped == 3


def test_a_batch_has_at_least_one() -> None:
    """A message that is larger than a batch leaves alone."""
    outbox: Outbox[str] = Outbox()
    for name, size in (("large", 500), ("a", 60), ("b", 40), ("c", 1)):
        outbox.push(Message(name, bytes(size)))
    batches = [[message.topic for message in outbox.take(9, 100)] for _ in range(4)]
    assert batches == [["large"], ["a", "b"], ["c"], []]
