"""Data channels that the other side has negotiated by itself, and never opens (RFC 8832)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiortc import RTCDataChannel, RTCPeerConnection, RTCSctpTransport
from aiortc.rtcdatachannel import RTCDataChannelParameters
from aiortc.rtcsctptransport import (
    WEBRTC_BINARY,
    WEBRTC_BINARY_EMPTY,
    WEBRTC_STRING,
    WEBRTC_STRING_EMPTY,
)

_MESSAGES = (WEBRTC_STRING, WEBRTC_STRING_EMPTY, WEBRTC_BINARY, WEBRTC_BINARY_EMPTY)

MAX_NEGOTIATED = 16
"""Such channels of one connection; messages on further ones are dropped."""


def take_negotiated(sctp: RTCSctpTransport, take: Callable[[RTCDataChannel], None]) -> None:
    """Make a channel where a message comes on a stream that has none (RFC 8832 section 4).

    aiortc drops such messages: both sides are to have made the channel, with an id that they have
    agreed upon. The other side has; its id is seen with its first message.

    Args:
        sctp: The transport, new.
        take: Called with each channel, before its first message.
    """
    private: Any = sctp
    original = private._data_channel_receive
    made = 0

    async def receive(stream_id: int, pp_id: int, data: bytes) -> None:
        nonlocal made
        unknown = pp_id in _MESSAGES and stream_id not in private._data_channels
        if unknown and made < MAX_NEGOTIATED:
            made += 1
            parameters = RTCDataChannelParameters(negotiated=True, id=stream_id)
            take(RTCDataChannel(sctp, parameters))
        await original(stream_id, pp_id, data)

    private._data_channel_receive = receive


async def open_channel(pc: RTCPeerConnection, label: str) -> RTCDataChannel:
    """Open a data channel, and send on it without waiting until the other side acknowledges it.

    That is allowed, for messages keep their order (RFC 8832 section 6). And it reaches a client
    that has negotiated a channel by itself and says nothing. This side is mostly the DTLS client,
    whose first channel has id 0 (section 6), as negotiated ones mostly have. Such a client holds
    the stream: it acknowledges nothing, ignores the request to open it, and takes the messages.

    Args:
        pc: The connection, whose offer had a section for data channels.
        label: Of the channel.
    """
    private: Any = pc.sctp
    assert private is not None
    established = asyncio.Event()
    original = private._set_state

    def set_state(state: Any) -> None:
        original(state)
        if state == private.State.ESTABLISHED:
            established.set()

    if private._association_state != private.State.ESTABLISHED:
        private._set_state = set_state
        await established.wait()
    channel = pc.createDataChannel(label)
    state: Any = channel
    state._setReadyState("open")
    return channel
