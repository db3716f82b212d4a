"""Messages in chunks: cut, shuffled, mixed with garbage, and put together again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError, MessageError
from fastrtc_core.messaging.assembler import (
    AssembledMessage,
    AssemblerStatistics,
    MessageAssembler,
    split_message,
)

from ..examples import tries

quick = settings(deadline=None, max_examples=tries(100))

characters = st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\\n\x00\x1f\x7f é€😀')
texts = st.text(characters, max_size=300)
ids = st.text(characters, min_size=1, max_size=20)
limits = st.integers(250, 1024)
"""Room for the longest id, all of it escaped."""


def chunk(part: Any = 0, total: Any = 2, content: Any = "x", **more: Any) -> str:
    values = {"msg_id": "m", "part_idx": part, "total_parts": total, "content": content}
    return json.dumps({key: value for key, value in (values | more).items() if value != ...})


def push_all(assembler: MessageAssembler, chunks: list[str], sender: int = 1) -> list[str]:
    messages = [assembler.push(sender, text, 0.0) for text in chunks]
    return [message.text for message in messages if message is not None]


# Splitting


@given(text=texts, msg_id=ids, limit=limits)
@quick
def test_no_chunk_is_larger_than_the_limit(text: str, msg_id: str, limit: int) -> None:
    """Whatever its characters take, as UTF-8 and as JSON; and the parts are numbered."""
    chunks = split_message(text, msg_id, limit=limit)
    parsed = [json.loads(each) for each in chunks]
    assert all(len(each.encode()) <= limit for each in chunks)
    assert [each["part_idx"] for each in parsed] == list(range(len(chunks)))
    assert {each["total_parts"] for each in parsed} == {len(chunks)}
    assert {each["msg_id"] for each in parsed} == {msg_id}
    assert "".join(each["content"] for each in parsed) == text


@pytest.mark.parametrize("piece", ["x", "é", "€", "😀", '"', "\\", "\n", "\x01", "x😀\x00"])
@pytest.mark.parametrize("length", [1, 9, 10, 11, 99, 100, 101, 999])
def test_chunks_are_full_and_none_is_too_large(piece: str, length: int) -> None:
    """For every width of a character, and however many digits the numbers have."""
    chunks = split_message(piece * length, "m", limit=80, max_parts=10_000)
    sizes = [len(each.encode()) for each in chunks]
    assert max(sizes) <= 80
    # A chunk ends where the next character, or the digits of the numbers, may not fit.
    assert all(size > 80 - 6 - 8 for size in sizes[:-1])
    assert push_all(MessageAssembler(max_parts=10_000), chunks) == [piece * length]


def test_an_empty_message_is_one_chunk() -> None:
    """It is a message, and somebody sent it."""
    chunks = split_message("", "m")
    assert [json.loads(each) for each in chunks] == [
        {"msg_id": "m", "part_idx": 0, "total_parts": 1, "content": ""}
    ]
    assert push_all(MessageAssembler(), chunks) == [""]


def test_characters_are_written_as_they_are() -> None:
    """Not as escapes, which would take twice the room."""
    assert "grün 😀" in split_message("grün 😀", "m")[0]


@pytest.mark.parametrize(
    ("text", "options", "what"),
    [
        ("x" * 11, {"max_message": 10}, "longer than 10 bytes"),
        ("é" * 6, {"max_message": 10}, "longer than 10 bytes"),
        ("x" * ((1 << 18) + 1), {}, "longer than 262144 bytes"),
        ("\x00" * 100_000, {}, "parts; at most 512"),
        ("\ud83d", {}, "surrogate"),
        (7, {}, "Unicode text"),
    ],
)
def test_what_no_receiver_would_take_is_not_sent(
    text: Any, options: dict[str, Any], what: str
) -> None:
    """The sender learns of it."""
    with pytest.raises(MessageError, match=what):
        split_message(text, "m", **options)


@pytest.mark.parametrize("msg_id", ["", "x" * 129, "\ud800", None])
def test_an_id_must_be_one(msg_id: Any) -> None:
    """Short, and of Unicode characters."""
    with pytest.raises(MessageError, match="an id of a message"):
        split_message("text", msg_id)


@pytest.mark.parametrize(("text", "limit"), [("", 55), ("x", 56), ("😀", 59), ("x", 65_537)])
def test_a_limit_that_makes_no_sense_is_refused(text: str, limit: int) -> None:
    """Too small for one character, or larger than receivers take."""
    with pytest.raises(ConfigurationError, match="the limit of a chunk"):
        split_message(text, "m", limit=limit)


# Putting together


@given(text=texts, msg_id=ids, limit=limits, data=st.data())
@quick
def test_chunks_make_the_message_in_any_order(
    text: str, msg_id: str, limit: int, data: st.DataObject
) -> None:
    """The last one to come completes it, and nothing is left."""
    chunks = data.draw(st.permutations(split_message(text * 5, msg_id, limit=limit)))
    assembler = MessageAssembler()
    *before, last = (assembler.push(7, each, 0.0) for each in chunks)
    assert before == [None] * (len(chunks) - 1)
    assert last == AssembledMessage(msg_id, 7, text * 5)
    assert assembler.statistics() == AssemblerStatistics(1, 0, 0, 0, 0, 0)


@given(pieces=st.lists(st.text(characters, max_size=4), min_size=1, max_size=20))
@quick
def test_any_chunking_is_understood(pieces: list[str]) -> None:
    """Others may cut where they like, and leave parts empty."""
    chunks = [chunk(index, len(pieces), piece) for index, piece in enumerate(pieces)]
    assert push_all(MessageAssembler(), chunks[::-1]) == ["".join(pieces)]


@given(text=st.text(characters, min_size=1, max_size=30), data=st.data())
@quick
def test_a_character_may_be_cut_in_half(text: str, data: st.DataObject) -> None:
    """JavaScript cuts by UTF-16 units; a half that stays alone is an error."""
    raw = text.encode("utf-16-le")
    cut = 2 * data.draw(st.integers(0, len(raw) // 2))
    halves = [part.decode("utf-16-le", "surrogatepass") for part in (raw[:cut], raw[cut:])]
    chunks = [chunk(index, 2, half) for index, half in enumerate(halves)]
    assembler = MessageAssembler()
    assert push_all(assembler, chunks) == [text]
    with pytest.raises(MessageError, match="no Unicode text"):
        assembler.push(1, chunk(0, 1, "\ud83d!"), 0.0)
    assert assembler.statistics() == AssemblerStatistics(1, 1, 0, 0, 0, 0)


garbage = (
    st.text(max_size=20)
    | st.integers().map(json.dumps)
    | st.builds(chunk, st.integers(-2, 0), st.integers(-1, 0))
    | st.builds(chunk, st.none() | st.booleans() | st.floats(), st.just(2))
    | st.builds(chunk, content=st.just(5))
)


@given(
    messages=st.lists(st.tuples(st.integers(0, 3), texts), max_size=8),
    noise=st.lists(st.tuples(st.integers(0, 3), garbage), max_size=20),
    data=st.data(),
)
@quick
def test_senders_and_garbage_do_not_disturb_each_other(
    messages: list[tuple[int, str]], noise: list[tuple[int, str]], data: st.DataObject
) -> None:
    """Every message comes through once, from its sender; senders may use the same ids."""
    sent = [
        (sender, text, part)
        for index, (sender, text) in enumerate(messages)
        for part in split_message(text, f"{index // 2}-{index % 2}", limit=100)
        for text in [text]
    ]
    arrivals = [(sender, part) for sender, _, part in sent] + noise
    assembler = MessageAssembler()
    received = []
    refused = 0
    for sender, part in data.draw(st.permutations(arrivals)):
        try:
            message = assembler.push(sender, part, 0.0)
        except MessageError:
            refused += 1
        else:
            if message is not None:
                received.append((message.sender, message.text))
    assert sorted(received) == sorted(messages)
    statistics = assembler.statistics()
    assert refused == statistics.malformed == len(noise)
    assert statistics._replace(malformed=0) == (len(messages), 0, 0, 0, 0, 0)


def test_senders_may_use_the_same_id() -> None:
    """Their parts are not mixed."""
    assembler = MessageAssembler()
    assert assembler.push(1, chunk(0, 2, "one "), 0.0) is None
    assert assembler.push(2, chunk(1, 2, "two"), 0.0) is None
    assert assembler.push(1, chunk(1, 2, "one"), 0.0) == ("m", 1, "one one")
    assert assembler.push(2, chunk(0, 2, "two "), 0.0) == ("m", 2, "two two")


def test_a_part_that_comes_again_is_dropped() -> None:
    """Whether it says the same or something else."""
    assembler = MessageAssembler()
    for content in ("a", "a", "other"):
        assert assembler.push(1, chunk(0, 2, content), 0.0) is None
    assert push_all(assembler, [chunk(1, 2, "b")]) == ["ab"]
    assert assembler.statistics().duplicates == 2


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"{}", "a chunk must be a text"),
        ("", "not JSON"),
        ("[" * 60_000, "not JSON"),
        ('{"msg_id":' + "9" * 5000 + "}", "not JSON"),
        ("[]", "must be a JSON object"),
        (chunk(msg_id=...), "msg_id must be"),
        (chunk(msg_id=5), "msg_id must be"),
        (chunk(msg_id=""), "msg_id must be"),
        (chunk(msg_id="\ud800"), "msg_id must be"),
        (chunk(msg_id="x" * 129), "msg_id must be"),
        (chunk(0, 0), "total_parts must be a whole number from 1 to 512"),
        (chunk(0, 513), "total_parts must be"),
        (chunk(total_parts=...), "total_parts must be"),
        (chunk(total_parts=True), "total_parts must be"),
        (chunk(total_parts=2.0), "total_parts must be"),
        (chunk(total_parts="2"), "total_parts must be"),
        (chunk(-1), "part_idx must be"),
        (chunk(2), "part_idx must be"),
        (chunk(part_idx=False), "part_idx must be"),
        (chunk(part_idx=...), "part_idx must be"),
        (chunk(content=...), "content must be a text"),
        (chunk(content=["x"]), "content must be a text"),
        (chunk(content="x" * 65_536), "larger than 65536 bytes"),
        ("€" * 30_000, "larger than 65536 bytes"),
    ],
)
def test_each_error_of_a_chunk_is_named(text: Any, what: str) -> None:
    """And counted; a message that waits for its parts is not touched."""
    assembler = MessageAssembler()
    assembler.push(1, chunk(0, 2, "a"), 0.0)
    with pytest.raises(MessageError, match=what):
        assembler.push(1, text, 0.0)
    assert assembler.statistics() == AssemblerStatistics(0, 1, 0, 0, 0, 1)
    assert push_all(assembler, [chunk(1, 2, "b")]) == ["ab"]


def test_parts_must_agree_on_how_many_they_are() -> None:
    """One that does not is refused, and the others are completed."""
    assembler = MessageAssembler()
    assembler.push(1, chunk(0, 2, "a"), 0.0)
    with pytest.raises(MessageError, match="not what the other parts"):
        assembler.push(1, chunk(1, 3, "b"), 0.0)
    assert push_all(assembler, [chunk(1, 2, "b")]) == ["ab"]


# Limits


def test_a_message_that_gets_too_long_is_dropped() -> None:
    """By the bytes that it has, whether or not it is complete."""
    assembler = MessageAssembler(max_message=10)
    assembler.push(1, chunk(0, 3, "é" * 4), 0.0)
    with pytest.raises(MessageError, match="longer than 10 bytes"):
        assembler.push(1, chunk(1, 3, "abc"), 0.0)
    with pytest.raises(MessageError, match="longer than 10 bytes"):
        assembler.push(1, chunk(0, 1, "x" * 11), 0.0)
    assert assembler.statistics() == AssemblerStatistics(0, 2, 0, 0, 0, 0)
    assert push_all(assembler, [chunk(0, 1, "x" * 10)]) == ["x" * 10]


def test_a_message_waits_for_its_parts_until_the_deadline() -> None:
    """From the first part on; nothing is kept for parts that never come."""
    assembler = MessageAssembler(deadline=30.0)
    assembler.push(1, chunk(0, 3, msg_id="a"), 0.0)
    assembler.push(2, chunk(0, 2, msg_id="b"), 10.0)
    assembler.push(1, chunk(1, 3, msg_id="a"), 29.9)
    assembler.expire(29.9)
    assert assembler.statistics().pending == 2
    assembler.expire(30.0)
    assert assembler.statistics() == AssemblerStatistics(0, 0, 1, 0, 0, 1)
    assert assembler.push(2, chunk(1, 2, msg_id="b"), 40.0) is None, "its first part is gone"
    assert assembler.statistics() == AssemblerStatistics(0, 0, 2, 0, 0, 1)


def test_a_sender_with_too_many_messages_loses_its_oldest() -> None:
    """Not those of others; and a message in one part needs no room."""
    assembler = MessageAssembler(max_pending=2)
    assembler.push(9, chunk(0, 2, "z", msg_id="a"), 0.0)
    for name in "abc":
        assembler.push(1, chunk(0, 2, name, msg_id=name), 0.0)
    assert push_all(assembler, [chunk(0, 1, "alone", msg_id="d")]) == ["alone"]
    assert assembler.statistics() == AssemblerStatistics(1, 0, 0, 1, 0, 3)
    rest = [chunk(1, 2, "!", msg_id=name) for name in "bc"]
    assert push_all(assembler, rest) == ["b!", "c!"]
    assert push_all(assembler, [chunk(1, 2, "!", msg_id="a")], sender=9) == ["z!"]


def test_too_many_senders_cost_the_oldest_one_its_messages() -> None:
    """All that it has begun."""
    assembler = MessageAssembler(max_senders=2)
    for sender, name in ((1, "a"), (1, "b"), (2, "a"), (3, "a")):
        assembler.push(sender, chunk(0, 2, msg_id=name), 0.0)
    assert assembler.statistics() == AssemblerStatistics(0, 0, 0, 2, 0, 2)


def test_a_sender_that_left_is_forgotten() -> None:
    """It does not come back with half a message; an unknown one may be forgotten too."""
    assembler = MessageAssembler()
    assembler.push(1, chunk(0, 2), 0.0)
    assembler.push(2, chunk(0, 2), 0.0)
    assembler.forget(1)
    assembler.forget(5)
    assert push_all(assembler, [chunk(1, 2)]) == []
    assert push_all(assembler, [chunk(1, 2)], sender=2) == ["xx"]
    assert assembler.statistics() == AssemblerStatistics(1, 0, 0, 1, 0, 1)


@pytest.mark.parametrize(
    "name", ["max_message", "max_parts", "max_pending", "max_senders", "deadline"]
)
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    """It would let nothing through."""
    with pytest.raises(ConfigurationError):
        MessageAssembler(**{name: 0})


arrivals = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.builds(
            chunk,
            st.integers(0, 3),
            st.integers(1, 4),
            st.text("aé", max_size=12),
            msg_id=st.sampled_from("abcd"),
        ),
        st.floats(0, 4),
    ),
    max_size=80,
)


@given(arrivals)
@quick
def test_nothing_makes_it_hold_more_than_it_may(arrivals: list[tuple[int, str, float]]) -> None:
    """Whatever arrives, and everything that came is accounted for."""
    assembler = MessageAssembler(max_message=20, max_pending=2, max_senders=3, deadline=10)
    now = 0.0
    for sender, text, wait in arrivals:
        now += wait
        try:
            message = assembler.push(sender, text, now)
        except MessageError:
            continue
        assert message is None or len(message.text.encode()) <= 20
        assert assembler.statistics().pending <= 2 * 3
    statistics = assembler.statistics()
    assert sum(statistics) - statistics.pending <= 2 * len(arrivals)
    assembler.expire(now + 11)
    assert assembler.statistics().pending == 0
    assert assembler.statistics().expired == statistics.expired + statistics.pending
