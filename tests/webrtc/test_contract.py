"""The private names of aiortc and aioice that `webrtc/internals/` touches, one by one."""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import threading
from typing import Any

import pylibsrtp
from aioice import stun, turn
from aioice.ice import CandidatePair, Connection, StunProtocol, server_reflexive_candidate
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, rtp
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcdtlstransport import SRTP_PROFILES, X509_DIGEST_ALGORITHMS, RTCDtlsTransport
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.rtcrtpparameters import RTCRtpParameters
from aiortc.rtcrtpreceiver import NackGenerator
from aiortc.rtcsctptransport import DataChunk
from aiortc.rtp import HeaderExtensionsMap
from OpenSSL import SSL

from fastrtc_core import Stream
from fastrtc_core.client import Client
from fastrtc_core.media.rtp import find_extension
from fastrtc_core.testing import tone
from fastrtc_core.webrtc import internals
from fastrtc_core.webrtc.internals import association, fingerprints
from fastrtc_handlers import Echo

from ..inside import connection_of, peer_of
from .support import OWN_PORTS, Silent, eventually, gone, hear, raw_peer, speak


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
        assert dtls.encrypted is False
        assert list(inspect.signature(dtls._handle_rtcp_data).parameters) == ["data"]
        assert list(inspect.signature(dtls._rtp_router.route_rtp).parameters) == ["packet"]
        assert dtls._rtp_router.ssrc_table == {}
        assert list(inspect.signature(dtls._unregister_rtp_receiver).parameters) == ["receiver"]
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
        assert receiver._RTCRtpReceiver__rtcp_task is None
        assert isinstance(receiver._RTCRtpReceiver__rtcp_exited, asyncio.Event)
        assert isinstance(receiver._RTCRtpReceiver__decoder_error, threading.Event)
        for name in ("active_ssrc", "lsr", "lsr_time", "remote_streams"):
            assert getattr(receiver, f"_RTCRtpReceiver__{name}") == {}
        assert inspect.iscoroutinefunction(receiver._run_rtcp)
        assert list(inspect.signature(sender._retransmit).parameters) == ["sequence_number"]
        assert sender._RTCRtpSender__rtp_task is sender._RTCRtpSender__rtcp_task is None
        assert isinstance(sender._RTCRtpSender__rtcp_exited, asyncio.Event)
        assert inspect.iscoroutinefunction(sender._run_rtcp)
        assert sender._RTCRtpSender__encoder is None
        assert sender._RTCRtpSender__force_keyframe is False
        sender._send_keyframe()
        assert sender._RTCRtpSender__force_keyframe is True
        remb = inspect.getsource(RTCRtpSender._handle_rtcp_packet)
        assert "self.__encoder.target_bitrate = bitrate" in remb
        assert dict(sender._RTCRtpSender__stats) == {}
        assert list(inspect.signature(sender.send).parameters) == ["parameters"]


async def test_names_of_the_feedback() -> None:
    """Where a transport learns to decrypt, and what estimates for a receiver."""
    async with raw_peer() as pc:
        transceiver = pc.addTransceiver("video")
        dtls: Any = transceiver.receiver.transport
        assert dtls._rx_srtp is None
        assert not inspect.signature(dtls._setup_srtp).parameters
        assert "self._rx_srtp.unprotect(data)" in inspect.getsource(RTCDtlsTransport._recv_next)
        pylibsrtp.Session().unprotect = lambda packet: packet  # type: ignore[method-assign]
        assert inspect.iscoroutinefunction(dtls._send_rtp)
        assert isinstance(transceiver.sender._ssrc, int)
        receiver: Any = transceiver.receiver
        estimator = receiver._RTCRtpReceiver__remote_bitrate_estimator
        assert estimator.ssrcs == {}
        sent = {"arrival_time_ms": 0, "abs_send_time": 0, "payload_size": 1, "ssrc": 1}
        assert list(inspect.signature(estimator.add).parameters) == list(sent)
        handle = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
        assert "if self.__remote_bitrate_estimator is not None:" in handle
        assert "self.__rtcp_ssrc is not None and remb is not None" in handle


async def test_names_of_layers() -> None:
    """Where a packet says its layer, and whose lost packets a source sends again."""
    async with raw_peer() as pc:
        receiver: Any = pc.addTransceiver("video").receiver
        dtls: Any = receiver.transport
        extensions = dtls._rtp_header_extensions_map
        numbers = extensions._HeaderExtensionsMap__ids
        numbers.rtp_stream_id, numbers.repaired_rtp_stream_id, numbers.mid = 10, 11, 4
        packet = rtp.RtpPacket()
        packet.extensions.rtp_stream_id = "h"
        packet.extensions.repaired_rtp_stream_id = "l"
        packet.extensions.mid = "0"
        read = rtp.RtpPacket.parse(packet.serialize(extensions), extensions).extensions
        assert (read.rtp_stream_id, read.repaired_rtp_stream_id, read.mid) == ("h", "l", "0")
        assert receiver._RTCRtpReceiver__rtx_ssrc == {}
        handle = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
        assert "self.__rtx_ssrc.get(packet.ssrc)" in handle
        assert dtls._rtp_router.mid_table == dtls._rtp_router.payload_type_table == {}


async def test_names_of_the_line() -> None:
    """Where a packet gets its number, where RTCP comes in, and how packets are sent again."""
    async with raw_peer() as pc:
        transceiver = pc.addTransceiver("video")
        sender: Any = transceiver.sender
        dtls: Any = sender.transport
        extensions = sender._RTCRtpSender__rtp_header_extensions_map
        extensions._HeaderExtensionsMap__ids.transport_sequence_number = 5
        packet = rtp.RtpPacket()
        packet.extensions.transport_sequence_number = 0x1234
        assert find_extension(packet.serialize(extensions), 5) == b"\x12\x34"
        extensions.configure(RTCRtpParameters())
        assert extensions._HeaderExtensionsMap__ids.transport_sequence_number == 5
        assert inspect.iscoroutinefunction(dtls._handle_rtcp_data)
        assert "self._handle_rtcp_data(data)" in inspect.getsource(RTCDtlsTransport._recv_next)
        assert transceiver.currentDirection is None
        assert isinstance(sender._rtx_ssrc, int)
        assert isinstance(sender._RTCRtpSender__rtx_sequence_number, int)
        assert sender._RTCRtpSender__rtx_payload_type is None
        lost = inspect.getsource(RTCRtpSender._handle_rtcp_packet)
        assert "await self._retransmit(seq)" in lost


async def test_names_of_the_direct_receive_path() -> None:
    """What stands between a socket and a receiver, of two peers that speak."""
    stream = Stream(Echo(), **OWN_PORTS)
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
        assert inspect.signature(receiver._RTCRtpReceiver__stop_decoder).parameters == {}
        for method in ("stop", "_handle_disconnect", "_handle_rtcp_packet"):
            assert "self.__stop_decoder()" in inspect.getsource(getattr(RTCRtpReceiver, method))
        assert list(inspect.signature(receiver._handle_rtcp_packet).parameters) == ["packet"]
        route = inspect.getsource(RTCDtlsTransport._handle_rtcp_data)
        assert "recipient._handle_rtcp_packet(packet)" in route
        assert receiver._RTCRtpReceiver__remote_bitrate_estimator.ssrcs == {}
        assert isinstance(receiver._RTCRtpReceiver__nack_generator, NackGenerator)
        assert receiver._RTCRtpReceiver__codecs == {}
        assert inspect.iscoroutinefunction(receiver._send_rtcp_pli)
        assert list(inspect.signature(receiver._send_rtcp_pli).parameters) == ["media_ssrc"]
        assert inspect.iscoroutinefunction(receiver._send_rtcp_nack)
        nack = inspect.signature(receiver._send_rtcp_nack).parameters
        assert list(nack) == ["media_ssrc", "lost"]
        assert transceiver._codecs == []
        assert sender._RTCRtpSender__rtp_history == {}
        assert sender._RTCRtpSender__rtx_payload_type is None
        assert inspect.signature(sender._send_keyframe).parameters == {}
        source = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
        assert "pli_flag, encoded_frame = self.__jitter_buffer.add(packet)" in source
        assert "if self.__nack_generator is not None and" in source
        for name in ("abs_send_time", "arrival_time_ms", "payload_size", "ssrc"):
            assert f"{name}=" in source, "what the estimator is told"
        assert isinstance(receiver._RTCRtpReceiver__rtcp_ssrc, int)
        ids = receiver.transport._rtp_header_extensions_map._HeaderExtensionsMap__ids
        assert ids.abs_send_time is None
        assert list(inspect.signature(receiver._send_rtcp).parameters) == ["packet"]
        assert "packet._data = depayload(codec, packet.payload)" in source
        assert "self._send_keyframe()" in inspect.getsource(RTCRtpSender._handle_rtcp_packet)


async def test_names_of_the_association() -> None:
    """What stands where aiortc takes chunks, and what it reads of the rest."""
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        sctp: Any = pc.sctp
        for name in ("data_chunk", "forward_tsn_chunk", "sack_chunk"):
            assert list(inspect.signature(getattr(sctp, f"_receive_{name}")).parameters) == [
                "chunk"
            ]
        assert inspect.iscoroutinefunction(sctp._handle_data)
        assert inspect.iscoroutinefunction(sctp._send_chunk)
        assert inspect.iscoroutinefunction(sctp._reset_deferred_streams)
        assert inspect.signature(sctp._send_sack).parameters == {}
        message = ["stream_id", "pp_id", "data"]
        assert list(inspect.signature(sctp._receive).parameters) == message
        assert list(inspect.signature(sctp._data_channel_receive).parameters) == message
        assert sctp._last_received_tsn is None
        assert sctp._advertised_rwnd == association.WINDOW
        assert sctp._inbound_streams == sctp._data_channels == {}
        assert sctp._sack_duplicates == []
        assert sctp._sack_needed is False
        assert len(sctp._data_channel_queue) == 1
        assert len(sctp._sent_queue) == len(sctp._outbound_queue) == 0
        assert {"flags", "stream_id", "protocol"} <= vars(DataChunk()).keys()
        assert sctp._inbound_streams_max > association.MAX_STREAMS
        source = inspect.getsource(type(sctp)._reset_deferred_streams)
        assert "self._inbound_streams.pop(stream_id, None)" in source


async def test_names_of_aioice() -> None:
    """The gathering that `gather_here` replaces, and the request of a probe."""
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
    assert list(inspect.signature(StunProtocol.send_stun).parameters) == ["self", "message", "addr"]
    parameters = {
        "check_incoming": ["self", "message", "addr", "protocol"],
        "check_complete": ["self", "pair"],
        "data_received": ["self", "data", "component"],
        "_add_remote_candidate": ["self", "remote_candidate", "network_host"],
        "_pair_remote_candidate": ["self", "remote_candidate"],
        "_remote_candidates_expected": ["self"],
    }
    for name, expected in parameters.items():
        assert list(inspect.signature(getattr(Connection, name)).parameters) == expected
    pair = CandidatePair(None, None)  # type: ignore[arg-type]
    assert pair.task is None
    assert {"IN_PROGRESS", "SUCCEEDED", "WAITING"} <= set(CandidatePair.State.__members__)
    connection = Connection(ice_controlling=False)
    assert connection._closing is False
    assert list(inspect.signature(connection.protocol_lost).parameters) == ["protocol"]
    for name in ("_check_list", "_remote_candidates", "_local_candidates", "_protocols"):
        assert getattr(connection, name) == []
    assert connection._nominated == {}
    assert isinstance(connection._queue, asyncio.Queue)
    assert issubclass(stun.TransactionTimeout, stun.TransactionError)


async def test_names_of_its_turn_client() -> None:
    """What a relay of ours asks of it, and what it overrides."""
    options = ["server", "username", "password", "lifetime", "channel_refresh_time"]
    for kind in (turn.TurnClientUdpProtocol, turn.TurnClientTcpProtocol):
        assert list(inspect.signature(kind).parameters) == options
        client = kind(("x", 1), "user", "password", 600, 600)
        assert client.receiver is None
        assert client.refresh_task is None
        assert client.relayed_address is None
        assert client.mapped_address is None
        assert client.peer_to_channel == {}
        for name in ("connect", "delete", "channel_bind", "send_data", "request", "refresh"):
            assert inspect.iscoroutinefunction(getattr(client, name))
        assert list(inspect.signature(client.channel_bind).parameters) == ["channel_number", "addr"]
        assert list(inspect.signature(client.request).parameters) == ["request"]
        assert list(inspect.signature(client.send_stun).parameters) == ["message", "addr"]
        assert list(inspect.signature(client._send).parameters) == ["data"]
        assert list(inspect.signature(client.connection_lost).parameters) == ["exc"]
        assert "self.transport.close()" in inspect.getsource(kind.refresh)
    async with raw_peer() as pc:
        private: Any = pc
        assert private._RTCPeerConnection__configuration.iceTransportPolicy.value == "all"


async def test_a_probe_is_answered_by_a_live_peer() -> None:
    """One STUN request on the selected pair, and packets are counted."""
    stream = Stream(Silent(), **OWN_PORTS)
    async with Client(stream.offer, modality=None):
        pc = only_connection(stream)
        assert await internals.probe(pc)
        assert internals.packets_heard(pc) > 0
    await gone(stream)
    assert not await internals.probe(pc)


def only_connection(stream: Stream) -> RTCPeerConnection:
    """The connection of the one session of a stream."""
    return connection_of(peer_of(stream))


async def test_names_of_an_offer_that_is_undone() -> None:
    """Transceivers, what is kept by them, and the state that an offer leaves behind."""
    async with raw_peer() as one, raw_peer() as other:
        one.addTransceiver("audio")
        one.createDataChannel("text")
        await one.setLocalDescription()
        await other.setRemoteDescription(one.localDescription)
        await other.setLocalDescription()
        await one.setRemoteDescription(other.localDescription)
        await eventually(lambda: one.connectionState == other.connectionState == "connected", "")
        before, private = internals.before_offer(other), other.__dict__
        known = other.remoteDescription.sdp
        one.addTransceiver("video")
        await one.setLocalDescription()
        await other.setRemoteDescription(one.localDescription)
        (gone,) = await internals.undo_offer(other, before)
        assert gone.kind == "video"
        assert other.getTransceivers() == list(before.places)
        assert other.remoteDescription.sdp == known, "for what connects, and sends and receives"
        assert other.signalingState == "stable"
        assert gone not in private["_RTCPeerConnection__remoteDtls"]
        assert gone not in private["_RTCPeerConnection__remoteIce"]
        assert len(private["_RTCPeerConnection__dtlsTransports"]) == 1
        assert len(private["_RTCPeerConnection__iceTransports"]) == 1
        await other.setRemoteDescription(one.localDescription)
        await other.setLocalDescription()
        await one.setRemoteDescription(other.localDescription)
        assert len(other.getTransceivers()) == 2


def test_names_of_the_encoders() -> None:
    """How they make packets; the encoding is ours."""
    assert Vp8Encoder._packetize(b"abc", 5)[0].endswith(b"abc")
    assert Vp8Encoder().picture_id < 1 << 15
    units = list(H264Encoder._split_bitstream(b"\0\0\0\1ab\0\0\1cd"))
    assert units == [b"ab", b"cd"]
    assert H264Encoder._packetize(iter([b"a" * 3000]))[0][0] & 0x1F == 28
    source = inspect.getsource(RTCRtpSender._handle_rtcp_packet)
    assert 'hasattr(self.__encoder, "target_bitrate")' in source


def test_payload_types_that_are_dynamic() -> None:
    """aiortc asks its module which they are, for each codec of an offer."""
    assert "in rtp.DYNAMIC_PAYLOAD_TYPES" in inspect.getsource(find_common_codecs)
    assert list(rtp.DYNAMIC_PAYLOAD_TYPES) == list(internals.payload_types.DYNAMIC)


async def test_a_peer_that_answers_checks_is_known() -> None:
    """The state of the pairs of candidates, of two that connect; and of one that is alone."""
    stream = Stream(Silent())
    async with Client(stream.offer, modality=None), raw_peer() as pc:
        assert internals.was_reached(only_connection(stream))
        pc.createDataChannel("text")
        await pc.setLocalDescription(await pc.createOffer())
        assert not internals.was_reached(pc)
    await gone(stream)


async def test_names_of_the_certificate_and_its_ciphers() -> None:
    """A connection makes the context of its handshake through its one certificate."""
    async with raw_peer() as pc:
        private: Any = pc
        (certificate,) = private._RTCPeerConnection__certificates
        profiles = list(inspect.signature(certificate._create_ssl_context).parameters)
        assert profiles == ["srtp_profiles"]
        internals.accept_rsa(pc)
        (certificate,) = private._RTCPeerConnection__certificates
        names = SSL.Connection(certificate._create_ssl_context(SRTP_PROFILES)).get_cipher_list()
        signatures = ["ECDSA" if "ECDSA" in name else "RSA" for name in names if "ECDHE" in name]
        assert signatures == ["ECDSA", "RSA"] * 4


async def test_names_of_the_check_of_a_certificate() -> None:
    """A transport looks at all fingerprints in one method, by hash functions in a known order."""
    assert list(X509_DIGEST_ALGORITHMS) == fingerprints._BY_STRENGTH
    private: Any = RTCDtlsTransport
    parameters = list(inspect.signature(private._validate_peer_identity).parameters)
    assert parameters == ["self", "remoteParameters"]
    assert "self._validate_peer_identity(remoteParameters)" in inspect.getsource(private.start)


async def test_names_of_the_place_of_a_section() -> None:
    """The number of a section, for media and for the data channel, and the codecs of an offer."""
    async with raw_peer() as one, raw_peer() as other:
        one.addTransceiver("audio")
        one.createDataChannel("text")
        await one.setLocalDescription()
        await other.setRemoteDescription(one.localDescription)
        (transceiver,) = other.getTransceivers()
        private: Any = transceiver
        assert private._get_mline_index() == 0
        assert other.__dict__["_RTCPeerConnection__sctp_mline_index"] == 1
        internals.number_sections(other, ["1", "0"])
        assert private._get_mline_index() == 1
        assert other.__dict__["_RTCPeerConnection__sctp_mline_index"] == 0
        codec = private._codecs[0]
        internals.take_parameters(transceiver, {codec.payloadType: "stereo=1"})
        assert codec.parameters == {"stereo": 1}


async def test_names_of_a_data_channel_that_nobody_opened() -> None:
    """What a message comes through, and the table of the channels."""
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        private: Any = pc.sctp
        assert private._data_channels == {}
        parameters = list(inspect.signature(private._data_channel_receive).parameters)
        assert parameters == ["stream_id", "pp_id", "data"]
        assert private._association_state == private.State.CLOSED
        assert list(inspect.signature(private._set_state).parameters) == ["state"]
