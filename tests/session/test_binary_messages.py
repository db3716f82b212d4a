"""Binary messages: what is JSON is read as such, the rest is bytes."""

from __future__ import annotations

from typing import Any

import pytest

from fastrtc_core.errors import MessageError
from fastrtc_core.messages import MAX_MESSAGE_BYTES, Message, parse_client_message
from fastrtc_core.session.postbox import Postbox


class Texts:
    """A channel that takes text alone."""

    raw: Any = None
    asks = False

    def __init__(self) -> None:
        self.posted: list[str | bytes] = []

    def post(self, text: str) -> None:
        self.posted.append(text)

    async def drain(self) -> None:
        """There is always room."""


class Both(Texts):
    """One that takes bytes, too."""

    def post_bytes(self, data: bytes) -> None:
        self.posted.append(data)


def test_json_in_bytes_is_read_as_json_and_other_bytes_are_bytes() -> None:
    """A type that is not known is an error in bytes, too."""
    assert parse_client_message(b' {"type": "message", "data": 1}') == Message("message", 1)
    for data in (b"", b"\xff\x00", b"12", b"{", b"{\xff}", b"[]"):
        assert parse_client_message(data) == Message("message", data)
    with pytest.raises(MessageError, match="unknown message type"):
        parse_client_message(b'{"type": "other"}')
    with pytest.raises(MessageError, match="larger"):
        parse_client_message(bytes(MAX_MESSAGE_BYTES + 1))


async def test_bytes_are_sent_where_the_transport_has_binary_messages() -> None:
    """Early ones as well; another transport refuses them in words."""
    both, texts = Both(), Texts()
    postbox = Postbox("s")
    await postbox.send(b"early")
    postbox.open(both)
    await postbox.send(b"\x00")
    assert both.posted == [b"early", b"\x00"]
    postbox.open(texts)
    with pytest.raises(MessageError, match="no binary messages"):
        await postbox.send(b"\x00")
    assert texts.posted == []
