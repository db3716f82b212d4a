"""Messages of the data channel and the WebSocket: built, parsed, and refused."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import MessageError
from fastrtc_core.messages import (
    CLIENT_TYPES,
    MAX_MESSAGE_BYTES,
    SERVER_TYPES,
    Message,
    as_message_text,
    build_message,
    parse_client_message,
    parse_server_message,
)

from .examples import tries

quick = settings(deadline=None, max_examples=tries(100))

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def nested(depth: int) -> Any:
    """A list in a list in a list …"""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


# Round trips


@given(data=json_values)
@quick
def test_a_message_of_a_client_comes_through(data: Any) -> None:
    """Any JSON value survives building and parsing, surrogates and all."""
    assert parse_client_message(build_message("message", data)) == Message("message", data)


@given(type=st.sampled_from(sorted(SERVER_TYPES)), data=json_values)
@quick
def test_every_type_of_a_server_comes_through(type: str, data: Any) -> None:
    """A client reads every type that a server sends."""
    assert parse_server_message(build_message(type, data)) == Message(type, data)


@pytest.mark.parametrize("type", ["error", "warning"])
def test_errors_and_warnings_carry_their_text_twice(type: str) -> None:
    """FastRTC's clients look for the text of an error under `message`."""
    built = json.loads(build_message(type, "too loud"))
    assert built == {"type": type, "data": "too loud", "message": "too loud"}


def test_other_types_have_type_and_data_alone() -> None:
    """Only errors and warnings have a third key."""
    assert json.loads(build_message("log", [1])) == {"type": "log", "data": [1]}
    assert json.loads(build_message("closing")) == {"type": "closing", "data": None}


def test_a_message_without_data_has_none() -> None:
    """`data` may be left out."""
    assert parse_client_message('{"type": "message"}') == Message("message", None)


def test_send_input_takes_a_list() -> None:
    """Additional inputs are a list; anything else under that type is refused."""
    assert parse_client_message('{"type": "send_input", "data": [1, "a"]}').data == [1, "a"]
    for data in ("null", '"a"', "{}", "1"):
        with pytest.raises(MessageError, match="must be a list"):
            parse_client_message(f'{{"type": "send_input", "data": {data}}}')


def test_messages_are_values() -> None:
    """Messages compare by value and cannot be changed."""
    message = Message("log", 1)
    assert message == Message("log", 1) != Message("log", 2)
    with pytest.raises(AttributeError):
        message.type = "error"  # type: ignore[misc]


# What is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ('{"type": "message"', "not JSON"),
        ("{'type': 'message'}", "not JSON"),
        ('{"type": "message", "data": NaN}', "not JSON"),
        ('{"type": "message", "data": -Infinity}', "not JSON"),
        ('{"type": "message", "data": ' + "9" * 5000 + "}", "not JSON"),
        ("\ufeff" + '{"type": "message"}', "not JSON"),
        ("null", "must be a JSON object"),
        ("[]", "must be a JSON object"),
        ('"message"', "must be a JSON object"),
        ("{}", "with a 'type'"),
        ('{"data": 1}', "with a 'type'"),
        ('{"type": null}', "with a 'type'"),
        ('{"type": 7}', "with a 'type'"),
        ('{"type": ["message"]}', "with a 'type'"),
        ('{"type": {"message": 1}}', "with a 'type'"),
        ('{"type": "dance"}', "unknown message type 'dance'"),
        ('{"type": "Message"}', "unknown message type 'Message'"),
        ('{"type": ""}', "unknown message type ''"),
    ],
)
def test_a_malformed_message_is_refused_with_the_reason(text: str | bytes, reason: str) -> None:
    """Whatever is no message of a client is a `MessageError` that says why."""
    with pytest.raises(MessageError, match=reason):
        parse_client_message(text)


def test_the_known_types_are_named() -> None:
    """An unknown type is answered with those that are known, and is itself cut short."""
    with pytest.raises(MessageError) as caught:
        parse_client_message(json.dumps({"type": "x" * 1000}))
    assert all(type in str(caught.value) for type in CLIENT_TYPES)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("type", sorted(SERVER_TYPES - CLIENT_TYPES))
def test_a_client_cannot_send_what_only_servers_send(type: str) -> None:
    """A client's `error` or `closing` is unknown to the server."""
    with pytest.raises(MessageError, match="unknown"):
        parse_client_message(build_message(type, []))


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused(opening: str) -> None:
    """Nesting that no parser can follow is not JSON, and does not exhaust the stack."""
    with pytest.raises(MessageError, match="not JSON"):
        parse_client_message('{"type": "message", "data": ' + opening * 10_000)


@pytest.mark.parametrize("character", ["a", "é", "€", "😀"])
def test_the_limit_counts_bytes_of_utf8(character: str) -> None:
    """A message of exactly the limit is taken; one byte more is not, whatever its characters."""
    frame = '{"type": "message", "data": "%s"}'
    room = MAX_MESSAGE_BYTES - len(frame) + 2
    size = len(character.encode())
    filling = character * (room // size) + "a" * (room % size)
    fits = frame % filling
    assert len(fits.encode()) == MAX_MESSAGE_BYTES
    assert parse_client_message(fits).data == filling
    with pytest.raises(MessageError, match=f"larger than {MAX_MESSAGE_BYTES} bytes"):
        parse_client_message(frame % (filling + "a"))


def test_lone_surrogates_neither_break_the_count_nor_the_parser() -> None:
    """Half a surrogate pair is counted like any character, and comes through."""
    text = '{"type": "message", "data": "%s"}'
    assert parse_client_message(text % "\ud83d").data == "\ud83d"
    assert parse_client_message(text % "\\ud83d").data == "\ud83d"
    with pytest.raises(MessageError, match="larger"):
        parse_client_message(text % ("\ud83d" * MAX_MESSAGE_BYTES))


def test_a_server_may_send_more_than_a_client() -> None:
    """The limit is for what clients send: a server's message is its own application's."""
    data = "x" * (2 * MAX_MESSAGE_BYTES)
    assert parse_server_message(build_message("message", data)).data == data


# What a handler sends


@pytest.mark.parametrize("value", ["hello", "", "[1]", "{", '{"type": 1}', '{"type": []}', "null"])
def test_a_text_is_the_data_of_a_message(value: str) -> None:
    """A text that is no protocol message reaches the client as a `message`."""
    assert json.loads(as_message_text(value)) == {"type": "message", "data": value}


@pytest.mark.parametrize("value", [None, 1, 2.5, True, [1, "a"], {"a": {"b": []}}, ("x", 1)])
def test_any_json_is_the_data_of_a_message(value: Any) -> None:
    """Numbers, lists, objects and tuples of them need no wrapping by the handler."""
    sent = parse_server_message(as_message_text(value))
    assert sent == Message("message", list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize("type", sorted(SERVER_TYPES))
def test_a_whole_message_is_sent_as_it_is(type: str) -> None:
    """The text, or the dictionary, of a protocol message is not wrapped a second time."""
    text = '{"data":  "x", "type": "%s"}' % type  # noqa: UP031 - braces
    assert as_message_text(text) == text
    assert parse_server_message(as_message_text({"type": type, "data": "x"})).type == type


@pytest.mark.parametrize(
    "value",
    [
        {"type": "chat", "data": "hi"},
        {"type": "log", "text": "not a protocol message: it would lose its text"},
        {"type": ["log"]},
        {"data": 1},
        {},
    ],
)
def test_a_dictionary_of_the_application_loses_nothing(value: dict[str, Any]) -> None:
    """Only type and data make a protocol message; any other dictionary is data, whole."""
    assert parse_server_message(as_message_text(value)) == Message("message", value)


def cyclic() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        {1, 2},
        object(),
        np.float32(1),
        np.zeros(2),
        {(1, 2): 3},
        cyclic(),
        {"type": "log", "data": {1}},
        nested(100_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_json_is_refused(value: Any) -> None:
    """A value that JSON cannot express is a `MessageError` for the handler."""
    with pytest.raises(MessageError, match="is not JSON"):
        as_message_text(value)


def test_a_text_that_looks_like_deep_json_is_just_a_text() -> None:
    """A text is sent even where no parser can follow it."""
    text = "[" * 100_000
    assert parse_server_message(as_message_text(text)).data == text


@given(value=json_values)
@quick
def test_whatever_a_handler_sends_a_client_can_read(value: Any) -> None:
    """`as_message_text` always makes a message that parses to what was meant."""
    assert parse_server_message(as_message_text(value)).data == value
