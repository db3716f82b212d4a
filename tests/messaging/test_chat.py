"""`Chat`: messages composed and read, in order, updated by their senders alone."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError, MessageError
from fastrtc_core.cluster.notes import write_chat
from fastrtc_core.messaging.chat import MAX_TEXT, ChatLog, ChatMessage, Written, read_written

from ..examples import tries

quick = settings(deadline=None, max_examples=tries(100))


def noted(id: Any = "a", seq: Any = 0, text: Any = "hi", **more: Any) -> dict[str, Any]:
    """What stands in a note from another server."""
    values = {"id": id, "seq": seq, "text": text} | more
    return {key: value for key, value in values.items() if value != ...}


def written(id: str = "a", seq: int = 0, text: str = "hi") -> Written:
    return Written(id, seq, text)


def texts(chat: ChatLog) -> list[str]:
    return [message.text for message in chat.history]


def test_what_one_composes_another_reads() -> None:
    """With who wrote it, and when it came."""
    message = ChatLog().compose("good morning 😀", msg_id="m")
    assert ChatLog().take(7, message, 1.5) == ChatMessage("good morning 😀", "m", 7, 1.5, True)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=500), final=st.booleans())
@quick
def test_any_text_comes_through(text: str, final: bool) -> None:
    """To another server as well."""
    message = ChatLog().compose(text, final=final)
    assert read_written(json.loads(json.dumps(write_chat(message)))) == message
    read = ChatLog().take(1, message, 0.0)
    assert read is not None
    assert (read.text, read.final) == (text, final)


def test_messages_have_ids_of_their_own() -> None:
    """Unless one is given."""
    chat = ChatLog()
    first, second = (chat.take(1, chat.compose("hi"), 0.0) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert texts(chat) == ["hi", "hi"]


def test_the_longest_message_fits_however_it_is_written() -> None:
    """4096 characters that all take twelve in JSON."""
    text = "😀" * MAX_TEXT
    assert read_written(json.loads(json.dumps(write_chat(ChatLog().compose(text))))).text == text


# Updates


def test_an_agent_that_is_speaking_updates_its_message() -> None:
    """It keeps its place and its time, and says when it is complete."""
    agent, chat = ChatLog(), ChatLog()
    chat.take(1, agent.compose("The", msg_id="m", final=False), 1.0)
    chat.take(2, ChatLog().compose("what?"), 2.0)
    update = chat.take(1, agent.compose("The weather", msg_id="m", final=True), 3.0)
    assert update == ChatMessage("The weather", "m", 1, 1.0, True)
    assert texts(chat) == ["The weather", "what?"]


def test_nobody_else_can_replace_a_message() -> None:
    """Who uses the id of another writes a message of its own."""
    chat = ChatLog()
    chat.take(1, written("m", 0, "mine"), 0.0)
    chat.take(2, written("m", 99, "yours"), 0.0)
    assert [(m.sender, m.text) for m in chat.history] == [(1, "mine"), (2, "yours")]


def test_an_update_that_is_late_changes_nothing() -> None:
    """Nor does one that comes twice."""
    chat = ChatLog()
    assert chat.take(1, written("m", 5, "newer"), 0.0)
    assert chat.take(1, written("m", 4, "older"), 0.0) is None
    assert chat.take(1, written("m", 5, "again"), 0.0) is None
    assert texts(chat) == ["newer"]


# Order and history


def test_messages_of_one_sender_stand_in_its_order() -> None:
    """Though a long one arrives after a short one; others keep their places."""
    chat = ChatLog()
    chat.take(1, written("b", 1, "second"), 0.0)
    chat.take(2, written("x", 0, "other"), 0.0)
    late = chat.take(1, written("a", 0, "first"), 0.0)
    assert late is not None
    assert texts(chat) == ["first", "second", "other"]


def test_who_comes_back_begins_anew() -> None:
    """What it wrote before stays before, and can still be updated."""
    chat = ChatLog()
    for index in range(3):
        chat.take(1, written(str(index), index + 10, f"before {index}"), 0.0)
    chat.forget(1)
    chat.take(1, written("new", 0, "after"), 0.0)
    chat.take(1, written("1", 1, "corrected"), 0.0)
    assert texts(chat) == ["before 0", "corrected", "before 2", "after"]


def test_the_history_is_bounded() -> None:
    """200 messages by default; the oldest goes first."""
    chat = ChatLog()
    for index in range(250):
        chat.take(1, chat.compose(str(index)), float(index))
    assert texts(chat) == [str(index) for index in range(50, 250)]
    short = ChatLog(history_size=0)
    assert short.take(1, written(), 0.0)
    assert short.history == []
    with pytest.raises(ConfigurationError):
        ChatLog(history_size=-1)


def test_the_history_is_a_copy() -> None:
    """Who changes it changes nothing of the chat; messages do not change at all."""
    chat = ChatLog()
    message = chat.take(1, written(), 0.0)
    chat.history.clear()
    assert chat.history == [message]
    with pytest.raises(dataclasses.FrozenInstanceError):
        message.text = "no"  # type: ignore[union-attr,misc]


@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.sampled_from("abcde"), st.integers(0, 20)), max_size=30
    )
)
@quick
def test_the_newest_version_of_each_message_stands(arrivals: list[tuple[int, str, int]]) -> None:
    """Whatever the order of arrival: the highest number wins, once per sender and id."""
    chat = ChatLog()
    newest: dict[tuple[int, str], int] = {}
    for sender, id, sequence in arrivals:
        taken = chat.take(sender, written(id, sequence, str(sequence)), 0.0)
        fresh = sequence > newest.get((sender, id), -1)
        assert (taken is not None) is fresh
        if fresh:
            newest[sender, id] = sequence
    assert {(m.sender, m.id): int(m.text) for m in chat.history} == newest
    assert len(chat.history) == len(newest)


@given(order=st.permutations(range(12)), other=st.integers(0, 12))
@quick
def test_any_order_of_arrival_gives_the_order_of_sending(order: list[int], other: int) -> None:
    """For each sender."""
    chat = ChatLog()
    for index, sequence in enumerate(order):
        if index == other:
            chat.take(2, written("other", 3, "other"), 0.0)
        chat.take(1, written(f"m{sequence}", sequence, str(sequence)), 0.0)
    assert [m.text for m in chat.history if m.sender == 1] == [str(index) for index in range(12)]


# What is refused


@pytest.mark.parametrize(
    ("note", "what"),
    [
        ({}, "the id of a chat message"),
        (noted(id=5), "the id of a chat message"),
        (noted(id=""), "the id of a chat message"),
        (noted(id="x" * 129), "the id of a chat message"),
        (noted(id=...), "the id of a chat message"),
        (noted(seq=...), "the seq of a chat message"),
        (noted(seq=True), "the seq of a chat message"),
        (noted(seq=-1), "the seq of a chat message"),
        (noted(seq=2**53), "the seq of a chat message"),
        (noted(seq=1.0), "the seq of a chat message"),
        (noted(text=None), "must be Unicode text"),
        (noted(text="\ud800"), "must be Unicode text"),
        (noted(text="x" * 4097), "at most 4096 characters"),
        (noted(final="yes"), "the final of a chat message"),
        (noted(final=None), "the final of a chat message"),
    ],
)
def test_a_bad_note_is_refused(note: dict[str, Any], what: str) -> None:
    """The error says what is wrong."""
    with pytest.raises(MessageError, match=what):
        read_written(note)


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=50)))
@quick
def test_garbage_is_refused(note: dict[str, Any]) -> None:
    """One kind of error, whatever it is."""
    with pytest.raises(MessageError):
        read_written(note)


@pytest.mark.parametrize(
    ("text", "msg_id"), [("x" * 4097, "m"), ("\ud800", "m"), (5, "m"), ("x", ""), ("x", 5)]
)
def test_what_nobody_would_read_is_not_composed(text: Any, msg_id: Any) -> None:
    """And takes no number of those that are."""
    chat = ChatLog()
    with pytest.raises(MessageError):
        chat.compose(text, msg_id=msg_id)
    assert chat.compose("ok").sequence == 0


def test_a_message_without_a_final_is_complete() -> None:
    """Clients that never stream need not say so; what else they say is ignored."""
    assert read_written(noted(mood="good")).final
