"""Datagrams over a connection: what comes is taken apart, what goes waits in order, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.webrtc.connectivity.framing import (
    MAX_FRAME,
    Deframer,
    FrameTooLongError,
    Outbox,
    framed,
)


def frames_in(deframer: Deframer, data: bytes) -> list[bytes]:
    """All frames that are whole once this has come."""
    deframer.receive(data)
    return list(iter(deframer.next_frame, None))


@given(st.lists(st.binary(max_size=300), max_size=20), st.lists(st.integers(1, 700), max_size=30))
def test_frames_come_out_as_they_went_in(datagrams: list[bytes], cuts: list[int]) -> None:
    """However a connection cuts what goes over it, and none sooner than it is whole."""
    stream = b"".join(map(framed, datagrams))
    deframer = Deframer()
    came: list[bytes] = []
    position = 0
    for size in [*cuts, len(stream)]:
        came += frames_in(deframer, stream[position : position + size])
        position += size
        whole = 0
        for index, datagram in enumerate(datagrams):
            whole += 2 + len(datagram)
            if whole > position:
                assert came == datagrams[:index]
                break
    assert came == datagrams


@given(st.binary(max_size=4000), st.integers(0, 100))
def test_whatever_comes_little_is_kept(noise: bytes, limit: int) -> None:
    """A frame that is too long is an error before it comes; else a part of one frame is kept."""
    deframer = Deframer(limit)
    for start in range(0, len(noise), 7):
        try:
            for frame in frames_in(deframer, noise[start : start + 7]):
                assert len(frame) <= limit
        except FrameTooLongError:
            return
        assert len(deframer._buffer) <= 2 + limit + 7


def test_the_limit_holds_for_the_next_frame() -> None:
    """Whoever has passed a check may send more, at once."""
    deframer = Deframer(4)
    deframer.receive(framed(b"1234") + framed(b"12345"))
    assert deframer.next_frame() == b"1234"
    with pytest.raises(FrameTooLongError, match="5 bytes; at most 4"):
        deframer.next_frame()
    deframer.limit = 5
    assert deframer.next_frame() == b"12345"
    assert deframer.next_frame() is None


def test_what_cannot_be_framed() -> None:
    """The length has two bytes."""
    assert len(framed(bytes(MAX_FRAME))) == MAX_FRAME + 2
    with pytest.raises(OverflowError):
        framed(bytes(MAX_FRAME + 1))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.integers(0, 400)),
            st.tuples(st.just("write"), st.integers(0, 500)),
            st.tuples(st.just("wait"), st.integers(1, 8)),
        ),
        max_size=60,
    )
)
def test_an_outbox_against_a_model(steps: list[tuple[str, int]]) -> None:
    """What was written is whole frames in their order; the others were dropped, and counted."""
    outbox = Outbox(most=1000, patience=0.5)
    now, written, frames = 0.0, b"", []
    for index, (what, number) in enumerate(steps):
        if what == "push":
            frame = framed(index.to_bytes(2) + bytes(number))
            frames.append(frame)
            before = len(outbox), outbox.dropped
            outbox.push(frame, now)
            if outbox.dropped == before[1]:
                assert len(outbox) == before[0] + len(frame)
        elif what == "write":
            part = outbox.peek()[:number]
            written += part
            outbox.wrote(len(part))
        else:
            now += number / 10
            outbox.expire(now)
        assert 0 <= len(outbox) <= 1000
        assert bool(outbox) == bool(outbox.peek())
    while part := outbox.peek():
        written += part
        outbox.wrote(len(part))
    came = frames_in(Deframer(), written)
    assert b"".join(map(framed, came)) == written
    assert len(came) + outbox.dropped == len(frames)
    order = [frames.index(framed(one)) for one in came]
    assert order == sorted(order)


def test_what_waits_for_too_long_is_dropped() -> None:
    """But for the one that was begun, which must be written to its end."""
    outbox = Outbox(most=1000, patience=0.5)
    outbox.push(b"begun", 0.0, 2)
    outbox.push(b"late", 0.0)
    outbox.push(b"fresh", 0.3)
    outbox.expire(0.6)
    assert outbox.dropped == 1
    assert outbox.peek() == b"gun"
    outbox.wrote(3)
    assert outbox.peek() == b"fresh"
    outbox.wrote(5)
    assert not outbox
