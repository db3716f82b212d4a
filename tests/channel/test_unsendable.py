"""What cannot be sent is an error of that call, in words, and nobody's end."""

from __future__ import annotations

from typing import Any

import pytest

from fastrtc_core import (
    ConfigurationError,
    FastRTCError,
    MalformedOfferError,
    MessageError,
    RpcError,
)
from fastrtc_core.channel import RpcErrorCode, RpcInvocation, RtcEngine, RtcOptions
from fastrtc_core.messages import build_message

from ..cluster.support import servers, settle
from .test_channel import meeting

pytestmark = pytest.mark.virtual_clock

HALF = "half \ud83d"
"""Ends within a surrogate pair: no text that can be written as UTF-8."""


CALLS = {
    "rpc payload": lambda one: one.perform_rpc(2, "echo", HALF),
    "rpc bytes": lambda one: one.perform_rpc(2, "echo", b"bytes"),
    "rpc method": lambda one: one.perform_rpc(2, HALF),
    "rpc long method": lambda one: one.perform_rpc(2, "m" * 200_000),
    "rpc endless": lambda one: one.perform_rpc(2, "echo", response_timeout=float("inf")),
    "message": lambda one: one.send_stream_message(HALF),
    "message id": lambda one: one.send_stream_message("text", HALF),
    "message too large": lambda one: one.send_stream_message("x" * 300_000),
    "message bytes": lambda one: one.send_stream_message(b"bytes"),
    "chat": lambda one: one.send_chat_message(HALF),
    "chat id": lambda one: one.send_chat_message("text", msg_id=HALF),
    "chat bytes": lambda one: one.send_chat_message(b"bytes"),
    "text": lambda one: one.send_text(HALF, topic="notes"),
    "topic": lambda one: one.send_text("text", topic=HALF),
    "attributes": lambda one: one.stream_text(topic="notes", attributes={"key": HALF}),
    "key": lambda one: one.stream_text(topic="notes", attributes={HALF: "value"}),
    "numbers": lambda one: one.stream_text(topic="notes", attributes={"key": 5}),
    "objects": lambda one: one.stream_text(topic="notes", attributes={"key": object()}),
    "too large": lambda one: one.stream_text(topic="notes", attributes={"key": "x" * 20_000}),
    "size": lambda one: one.stream_text(topic="notes", total_size=-1),
    "file name": lambda one: one.stream_bytes(HALF, topic="files"),
    "type": lambda one: one.stream_bytes("file", mime_type=HALF),
}


@pytest.mark.parametrize("what", CALLS)
async def test_what_cannot_be_sent_is_an_error_of_the_call(what: str) -> None:
    """At once, on one server and across two; all that follows arrives."""
    async with servers(2) as two_servers:
        one, two = await two_servers.join(0, 1), await two_servers.join(1, 2)
        near = await two_servers.join(0, 3)
        await settle()
        heard: list[str] = []
        near.on("stream_message", lambda uid, text: heard.append(f"near {text}"))
        two.on("stream_message", lambda uid, text: heard.append(f"far {text}"))

        async def echo(call: RpcInvocation) -> str:
            return call.payload

        two.register_rpc_method("echo", echo)
        with pytest.raises(FastRTCError):
            await CALLS[what](one)
        await one.send_stream_message("still here")
        assert await one.perform_rpc(2, "echo", "and calling") == "and calling"
        await settle()
        assert sorted(heard) == ["far still here", "near still here"]
        assert (one.state, two.state) == ("connected", "connected")


async def test_what_a_method_cannot_return_is_told_to_the_caller() -> None:
    """The answer, and the texts of an error, which arrive without the halves."""
    async with meeting(1, 2) as (one, two):

        def fail(call: RpcInvocation) -> str:
            raise RpcError(7, HALF, HALF)

        two.register_rpc_method("half", lambda call: HALF)
        two.register_rpc_method("fail", fail)
        with pytest.raises(RpcError, match="Unicode") as error:
            await one.perform_rpc(2, "half")
        assert error.value.code == RpcErrorCode.APPLICATION_ERROR
        with pytest.raises(RpcError, match=r"half \?") as error:
            await one.perform_rpc(2, "fail")
        assert (error.value.code, error.value.data) == (7, "half ?")
        with pytest.raises(ConfigurationError, match="Unicode"):
            two.register_rpc_method(HALF, fail)


async def test_a_reason_with_half_a_character_ends_a_stream() -> None:
    """It reaches the reader without the half."""
    async with meeting(1, 2) as (one, two):
        errors: list[str] = []

        async def read(reader: Any, uid: int) -> None:
            try:
                await reader.read_all()
            except FastRTCError as error:
                errors.append(str(error))

        two.register_text_stream_handler("notes", read)
        writer = await one.stream_text(topic="notes")
        await writer.aclose(reason=HALF)
        await settle()
        assert errors == ["the sender has ended it: half ?"]


async def test_a_name_is_unicode_text() -> None:
    """Of a member here, and of a browser."""
    with pytest.raises(ConfigurationError, match="Unicode"):
        RtcOptions(channel_name="room", name=HALF)
    async with RtcEngine("app") as engine:
        body = {"sdp": "v=0", "type": "offer", "params": {"channel": "room", "name": HALF}}
        with pytest.raises(MalformedOfferError, match="name"):
            await engine.accept(body)


def test_messages_that_are_no_json_are_errors_in_words() -> None:
    """So that nothing of it reaches a connection."""
    with pytest.raises(MessageError, match="not JSON"):
        build_message("message", {"data": object()})
