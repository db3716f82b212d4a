"""The private names of aiortc and aioice that `webrtc/internals/` touches, one by one."""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import queue
from typing import Any

import pylibsrtp
from aioice import stun
from aioice.ice import Connection, StunProtocol, server_reflexive_candidate
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.rtp import HeaderExtensionsMap

from fastrtc_core import Stream
from fastrtc_core.client import Client
from fastrtc_core.testing import tone
from fastrtc_core.webrtc import internals
from fastrtc_handlers import Echo

from .support import Silent, gone, hear, raw_peer, speak


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
        assert inspect.iscoroutinefunction(dtls._recv_next)
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


async def test_names_of_the_direct_receive_path() -> None:
    """What stands between a socket and a receiver, of two peers that speak."""
    stream = Stream(Echo())
    async with Client(stream.offer) as client:
        assert client.audio_stream is not None
        await speak(client, tone(duration=0.2))
        await hear(client.audio_stream, 0.1)
        (receiver,) = only_connection(stream).getReceivers()
        private: Any = receiver
        assert private._enabled is True
        assert 96 in private._RTCRtpReceiver__codecs
        (counts,) = private._RTCRtpReceiver__remote_streams.values()
        assert list(inspect.signature(counts.add).parameters) == ["packet"]
        assert counts.packets_received > 5
        dtls: Any = receiver.transport
        assert dtls._RTCDtlsTransport__rx_bytes > dtls._RTCDtlsTransport__rx_packets > 5
        assert isinstance(dtls._rx_srtp, pylibsrtp.Session)
        protocols = dtls.transport._connection._protocols
        assert protocols
        for protocol in protocols:
            parameters = list(inspect.signature(protocol.datagram_received).parameters)
            assert parameters == ["data", "address"], "ours has replaced it"
        original = inspect.signature(StunProtocol.datagram_received).parameters
        assert list(original) == ["self", "data", "addr"]
    await gone(stream)


async def test_names_of_the_direct_send_path() -> None:
    """What a sender starts, what it tells in its reports, and how its `stop` waits."""
    assert list(inspect.signature(RTCRtpSender._run_rtp).parameters) == ["self", "codec"]
    stream = Stream(Echo())
    async with Client(stream.offer) as client:
        assert client.audio_stream is not None
        await speak(client, tone(duration=0.2))
        await hear(client.audio_stream, 0.1)
        (sender,) = only_connection(stream).getSenders()
        private: Any = sender
        assert private._enabled is True
        assert private._RTCRtpSender__rtp_started.is_set()
        assert isinstance(private._RTCRtpSender__rtp_exited, asyncio.Event)
        assert private._RTCRtpSender__mid == "0"
        assert isinstance(private._RTCRtpSender__rtp_header_extensions_map, HeaderExtensionsMap)
        assert inspect.iscoroutinefunction(sender.transport._send_rtp)
        (outbound,) = (
            report for report in (await sender.getStats()).values() if report.type == "outbound-rtp"
        )
        assert outbound.packetsSent == private._RTCRtpSender__packet_count > 0
        assert outbound.bytesSent == private._RTCRtpSender__octet_count
        assert outbound.ssrc == private._ssrc
        for name in ("ntp_timestamp", "rtp_timestamp"):
            assert hasattr(private, f"_RTCRtpSender__{name}"), "its reports to the other side"
    await gone(stream)


async def test_names_of_the_path_of_encoded_video() -> None:
    """What a tap reads and feeds, and what a sender of encoded pictures keeps up to date."""
    async with raw_peer() as pc:
        transceiver = pc.addTransceiver("video")
        receiver: Any = transceiver.receiver
        sender: Any = transceiver.sender
        assert isinstance(receiver._RTCRtpReceiver__decoder_queue, queue.Queue)
        assert receiver._RTCRtpReceiver__decoder_thread is None
        assert receiver._RTCRtpReceiver__codecs == {}
        mapper = receiver._RTCRtpReceiver__timestamp_mapper
        assert [mapper.map(time) for time in (5, 8, 2)] == [0, 3, 2**32 - 3]
        assert inspect.iscoroutinefunction(receiver._send_rtcp_pli)
        assert list(inspect.signature(receiver._send_rtcp_pli).parameters) == ["media_ssrc"]
        assert transceiver._codecs == []
        assert sender._RTCRtpSender__rtp_history == {}
        assert sender._RTCRtpSender__rtx_payload_type is None
        assert inspect.signature(sender._send_keyframe).parameters == {}
        source = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
        assert "pli_flag, encoded_frame = self.__jitter_buffer.add(packet)" in source
        assert "packet._data = depayload(codec, packet.payload)" in source
        assert "self._send_keyframe()" in inspect.getsource(RTCRtpSender._handle_rtcp_packet)


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
    stream = Stream(Silent())
    async with Client(stream.offer, modality=None):
        pc = only_connection(stream)
        assert await internals.probe(pc)
        assert internals.packets_received(pc) > 0
    await gone(stream)
    assert not await internals.probe(pc)


def only_connection(stream: Stream) -> RTCPeerConnection:
    """The connection of the one session of a stream."""
    (negotiated,) = stream._peers._peers.values()
    return negotiated._peer._pc


async def test_a_peer_that_answers_checks_is_known() -> None:
    """The state of the pairs of candidates, of two that connect; and of one that is alone."""
    stream = Stream(Silent())
    async with Client(stream.offer, modality=None), raw_peer() as pc:
        assert internals.was_reached(only_connection(stream))
        pc.createDataChannel("text")
        await pc.setLocalDescription(await pc.createOffer())
        assert not internals.was_reached(pc)
    await gone(stream)
