"""The private names of aiortc and aioice that `webrtc/internals.py` touches, one by one."""

from __future__ import annotations

import importlib.metadata
import inspect
from typing import Any

from aioice import stun
from aioice.ice import Connection, StunProtocol, server_reflexive_candidate
from aiortc import RTCPeerConnection

from fastrtc_core import Stream
from fastrtc_core.client import Client

from .support import Silent, gone, raw_peer


def test_the_version_is_one_of_those_that_pass() -> None:
    """`pyproject.toml` pins aiortc to the minor versions that these tests were run with."""
    major, minor, *_ = importlib.metadata.version("aiortc").split(".")
    assert (major, minor) == ("1", "16")


async def test_names_of_the_peer_connection() -> None:
    """Its transports, and the coroutine in which it connects."""
    async with raw_peer() as pc:
        private: Any = pc
        pc.addTransceiver("audio")
        (dtls,) = private._RTCPeerConnection__dtlsTransports
        assert dtls._RTCDtlsTransport__rx_packets == 0
        assert isinstance(dtls.transport._connection, Connection)
        assert inspect.iscoroutinefunction(private._RTCPeerConnection__connect)


async def test_names_of_receiver_and_sender() -> None:
    """The jitter buffer, the decoder's end, the encoder, the reports."""
    async with raw_peer() as pc:
        transceiver = pc.addTransceiver("audio")
        receiver: Any = transceiver.receiver
        sender: Any = transceiver.sender
        assert callable(receiver._RTCRtpReceiver__jitter_buffer.add)
        receiver._RTCRtpReceiver__stop_decoder()
        assert sender._RTCRtpSender__encoder is None
        assert dict(sender._RTCRtpSender__stats) == {}
        assert list(inspect.signature(sender.send).parameters) == ["parameters"]


def test_names_of_aioice() -> None:
    """The gathering that `restrict_ports` replaces, and the request of a probe."""
    gather = inspect.signature(Connection.get_component_candidates).parameters
    assert list(gather) == ["self", "component", "addresses", "timeout"]
    request = inspect.signature(StunProtocol.request).parameters
    assert list(request) == ["self", "request", "addr", "integrity_key", "retransmissions"]
    assert list(inspect.signature(Connection.build_request).parameters) == [
        "self",
        "pair",
        "nominate",
    ]
    assert inspect.iscoroutinefunction(server_reflexive_candidate)
    assert issubclass(stun.TransactionTimeout, stun.TransactionError)


async def test_a_probe_is_answered_by_a_live_peer() -> None:
    """One STUN request on the selected pair, and packets are counted."""
    from fastrtc_core.webrtc import internals

    stream = Stream(Silent())
    async with Client(stream.offer, modality=None):
        (negotiated,) = stream._peers._peers.values()
        pc: RTCPeerConnection = negotiated._peer._pc
        assert await internals.probe(pc)
        assert internals.packets_received(pc) > 0
    await gone(stream)
    assert not await internals.probe(pc)
