"""Messages of the data channel."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from fastrtc_core import MessageError
from fastrtc_core.messages import (
    CLIENT_TYPES,
    MAX_MESSAGE_BYTES,
    Message,
    build_message,
    parse_client_message,
)
from fastrtc_core.session.inbox import CAPACITY, Inbox

from .strategies import examples, messages
from .support import brief

VALID = (
    {"type": "message", "data": {"a": [1, "two", None]}},
    {"type": "message", "data": "hello"},
    {"type": "message"},
    {"type": "send_input", "data": [1, {"x": 2}]},
)

PIECES = (
    *("{", "}", "[", "]", ":", ",", " ", '"type"', '"data"', '"message"', '"send_input"'),
    *("1", "null", "NaN", "1e999", '"\\ud800"', '"\x00"'),
    *('{"type":"message"}', '{"type":"message",'),
)


def outcome(text: str | bytes) -> Message | MessageError:
    """The message that was parsed, or the error."""
    try:
        return parse_client_message(text)
    except MessageError as error:
        return error


@given(text=messages(VALID) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example('{"type": "message", "data": "\ud800"}')
@example('{"type": "message", "data": 1e999}')
@examples(300)
def test_a_message_is_read_or_refused(text: str | bytes) -> None:
    """Only `MessageError` ever comes out, short; and what was read can be written and read."""
    result = outcome(text)
    if isinstance(result, MessageError):
        assert brief(result)
    else:
        assert result.type in CLIENT_TYPES
        assert len(text) <= MAX_MESSAGE_BYTES
        if isinstance(result.data, bytes):  # whatever is no JSON object
            assert result == Message("message", text)
            return
        again = build_message(result.type, result.data)
        if len(again) <= MAX_MESSAGE_BYTES:
            assert parse_client_message(again) == result


class Reporter:
    """Takes what a client is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, type: str, data: Any) -> None:
        """Note a message; it must be one that can be sent."""
        self.told.append(build_message(type, data))


def take_inputs(values: Any) -> None:
    """The values of the additional inputs."""
    assert isinstance(values, list)


@given(texts=st.lists(messages(VALID), max_size=8))
@examples(60)
def test_every_message_is_taken_or_answered(texts: list[str | bytes]) -> None:
    """Each bad one is counted and answered with one error; nothing stops the next."""
    reporter: Any = Reporter()
    inbox = Inbox(reporter, take_inputs, lambda offer: None, lambda: None)
    for text in texts:
        inbox.put(text)
    bad = sum(isinstance(outcome(text), MessageError) for text in texts)
    assert inbox.malformed == bad == len(reporter.told)
    assert not inbox.dropped
    for _ in range(CAPACITY + 10):
        inbox.put('{"type": "message"}')
    assert inbox.dropped >= 10, "what waits is bounded"
