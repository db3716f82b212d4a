"""What a client that was admitted may send: a bounded amount, and nothing that harms the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcsctptransport import DataChunk, ForwardTsnChunk, SackChunk, tsn_plus_one
from aiortc.rtp import RtcpByePacket, RtcpReceiverInfo, RtcpRrPacket, RtpPacket

from fastrtc_core import Stream
from fastrtc_core.client import Client
from fastrtc_core.media.rtp import RtpPacket as MediaPacket
from fastrtc_core.testing import tone
from fastrtc_core.tracks import RemoteAudioTrack
from fastrtc_core.webrtc import incoming as incoming_audio
from fastrtc_core.webrtc.incoming import IncomingAudio
from fastrtc_core.webrtc.internals import association, sources
from fastrtc_core.webrtc.internals.gate import PacketIntake
from fastrtc_handlers import Echo

from ..inside import client_peer, connection_of, peers_of
from .support import Silent, connected, eventually, gone, hear, make_offer, raw_peer, speak
from .support import take_answer as take
from .test_contract import only_connection
from .test_strangers import gate_of


def transport_of(pc: RTCPeerConnection) -> Any:
    """The one DTLS transport of a connection."""
    private: Any = pc
    (dtls,) = private._RTCPeerConnection__dtlsTransports
    return dtls


def connection_of_client(client: Client) -> RTCPeerConnection:
    """The connection of a client."""
    return connection_of(client_peer(client))


async def test_a_hundred_sources() -> None:
    """A few are heard, the rest is dropped and counted; reports go on, and closing is quick."""
    stream = Stream(Echo())
    async with Client(stream.offer) as client:
        assert client.audio_stream is not None
        await speak(client, tone(duration=0.1))
        await hear(client.audio_stream, 0.1)
        pc = only_connection(stream)
        ours, theirs = transport_of(connection_of_client(client)), transport_of(pc)
        for number in range(100):
            packet = RtpPacket(payload_type=96, ssrc=1000 + number, payload=b"\xf8\xff\xfe")
            await ours._send_rtp(packet.serialize())
            await ours._send_rtp(bytes(RtcpRrPacket(ssrc=5000 + number)))
        dropped = gate_of(pc).dropped
        await eventually(lambda: dropped["packets of too many sources"] >= 90)
        (receiver,) = pc.getReceivers()
        private: Any = receiver
        for table in ("active_ssrc", "remote_streams", "lsr", "lsr_time"):
            assert len(getattr(private, f"_RTCRtpReceiver__{table}")) <= sources.MAX_SOURCES
        assert len(theirs._rtp_router.ssrc_table) <= sources.MAX_SOURCES
        assert len(gate_of(pc).routes) <= sources.MAX_SOURCES
        router: Any = theirs._rtp_router.route_rtp.__self__
        assert len(router._reporters) <= sources.MAX_REPORTERS
        await speak(client, tone(duration=0.1))
        await hear(client.audio_stream, 0.1)
        began = asyncio.get_running_loop().time()
    await gone(stream)
    assert not router._receivers
    assert not gate_of(pc).routes
    assert asyncio.get_running_loop().time() - began < 3


async def test_a_source_that_fell_silent_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long call may see many sources, one after the other."""
    monkeypatch.setattr(sources, "SOURCE_IDLE", -1.0)
    stream = Stream(Echo())
    async with Client(stream.offer) as client:
        pc = only_connection(stream)
        ours = transport_of(connection_of_client(client))
        for number in range(3 * sources.MAX_SOURCES):
            packet = RtpPacket(payload_type=96, ssrc=1000 + number, payload=b"\xf8\xff\xfe")
            await ours._send_rtp(packet.serialize())
        table = transport_of(pc)._rtp_router.ssrc_table
        await eventually(lambda: 1000 + 3 * sources.MAX_SOURCES - 1 in table)
        named = 1  # by the offer
        assert len(table) <= sources.MAX_SOURCES + named
        assert gate_of(pc).dropped["packets of too many sources"] == 0
    await gone(stream)


@pytest.mark.virtual_clock
async def test_a_flood_of_audio_is_not_decoded() -> None:
    """More packets in a second than any voice has are dropped and counted; the next is heard."""
    track = RemoteAudioTrack()
    incoming = IncomingAudio(track)
    for number in range(5000):
        incoming.take(MediaPacket(96, number, 960 * number, 7, b"\xf8\xff\xfe"))
    assert incoming.flooded == 5000 - incoming_audio.MAX_PACKETS_PER_SECOND
    assert incoming.network.received == incoming_audio.MAX_PACKETS_PER_SECOND
    await asyncio.sleep(1)
    incoming.take(MediaPacket(96, 5000, 960 * 5000, 7, b"\xf8\xff\xfe"))
    assert incoming.network.received == incoming_audio.MAX_PACKETS_PER_SECOND + 1
    incoming.close()


async def test_absurd_reports() -> None:
    """Goodbyes of everybody, reports about nobody, requests for what was never sent."""
    stream = Stream(Echo())
    async with Client(stream.offer) as client:
        assert client.audio_stream is not None
        await speak(client, tone(duration=0.1))
        pc = only_connection(stream)
        (sender,) = pc.getSenders()
        ours = transport_of(connection_of_client(client))
        about = RtcpReceiverInfo(
            ssrc=sender._ssrc,
            fraction_lost=255,
            packets_lost=-1,
            highest_sequence=2**32 - 1,
            jitter=2**32 - 1,
            lsr=1,
            dlsr=2**32 - 1,
        )
        nack = bytes([0x81, 205, 1, 34]) + bytes(4) + sender._ssrc.to_bytes(4) + b"\xff" * 1152
        for _ in range(20):
            await ours._send_rtp(bytes(RtcpByePacket(sources=list(range(31)))))
            await ours._send_rtp(bytes(RtcpRrPacket(ssrc=1, reports=[about] * 31)))
            await ours._send_rtp(nack)
            await ours._send_rtp(bytes([0x80, 200]) + bytes(2) + b"\xff" * 40)
        await speak(client, tone(duration=0.1))
        await hear(client.audio_stream, 0.1)
    await gone(stream)


@pytest.mark.virtual_clock
async def test_lost_packets_are_sent_again_within_reason() -> None:
    """However many are asked for, and however often each of them."""
    again: list[int] = []

    async def retransmit(number: int) -> None:
        again.append(number)

    bounded = sources._Retransmissions(retransmit)
    for _ in range(5000):
        await bounded(7)
    assert len(again) == sources.RETRANSMISSION_BURST
    await asyncio.sleep(0.1)
    for _ in range(5000):
        await bounded(7)
    assert len(again) == sources.RETRANSMISSION_BURST + sources.RETRANSMISSIONS_PER_SECOND // 10


async def test_a_sender_is_bounded_before_it_starts() -> None:
    """Later ones, too: whatever is made for an offer."""
    stream = Stream(Echo())
    async with Client(stream.offer):
        for sender in only_connection(stream).getSenders():
            private: Any = sender
            assert isinstance(private._retransmit, sources._Retransmissions)
    await gone(stream)


async def test_a_report_that_cannot_be_made_is_not_the_last() -> None:
    """Whoever stops a receiver waits until its reports have ended."""
    exited = asyncio.Event()
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ValueError("a field of 32 bits")
        exited.set()

    await sources._reporting(None, run, exited)()
    assert runs == 3


# Data


async def data_client(stream: Stream, pc: RTCPeerConnection) -> Any:
    """Connect a bare connection with a data channel; returns its association."""
    channel = pc.createDataChannel("text")
    await take(pc, await stream.offer(await make_offer(pc)))
    await connected(pc)
    await eventually(lambda: channel.readyState == "open")
    await eventually(lambda: not sctp_of(pc)._outbound_queue and not sctp_of(pc)._sent_queue)
    return pc.sctp


def sctp_of(pc: RTCPeerConnection) -> Any:
    """The association of a connection."""
    return pc.sctp


async def send_piece(sctp: Any, tsn: int, size: int = 1100, flags: int = 0) -> None:
    """Send a DATA chunk, past all that aiortc would do about it."""
    chunk = DataChunk(flags=flags)
    chunk.tsn, chunk.stream_id, chunk.stream_seq, chunk.protocol = tsn, 1, 500, 53
    chunk.user_data = bytes(size)
    await sctp._send_chunk(chunk)


@pytest.mark.parametrize("skip", [0, 1])
async def test_data_beyond_what_was_announced(skip: int) -> None:
    """A message that never ends, or one that waits for a piece which never comes."""
    stream = Stream(Silent())
    async with raw_peer() as pc:
        sctp = await data_client(stream, pc)
        server = only_connection(stream)
        theirs: Any = server.sctp
        reassembly = theirs._handle_data.__self__.reassembly
        tsn = sctp._local_tsn + skip
        held = 0
        for number in range(4000):
            await send_piece(sctp, (tsn + number) % 2**32, flags=0 if number else 2)
            await asyncio.sleep(0)
            held = max(held, reassembly.held)
            if theirs.state == "closed":
                break
        await eventually(lambda: theirs.state == "closed")
        assert held <= (association.WINDOW if skip else 262_144)
        assert gate_of(server).dropped["associations"] == 1
        assert server.connectionState == "connected", "the session itself goes on"
        stream.close(next(iter(peers_of(stream))))
    await gone(stream)


async def test_large_messages_out_of_order_and_lost() -> None:
    """They arrive whole and in order, over a link that loses and reorders chunks."""
    stream = Stream(Silent())
    async with raw_peer() as pc:
        sctp = await data_client(stream, pc)
        send, count, kept = sctp._send_chunk, 0, []

        async def lossy(chunk: Any) -> None:
            nonlocal count
            count += 1
            if isinstance(chunk, DataChunk) and count % 40 == 0:
                return
            if isinstance(chunk, DataChunk) and count % 7 == 0:
                kept.append(chunk)
                return
            await send(chunk)
            if kept:
                await send(kept.pop())

        sctp._send_chunk = lossy
        text = "".join(chr(97 + i % 26) for i in range(60_000))
        (channel,) = sctp._data_channels.values()
        for mark in "xyz":
            channel.send(f'{{"type": "message", "data": "{mark}{text}"}}')
        handler = stream.handler
        assert isinstance(handler, Silent)
        await eventually(lambda: len(handler.only.messages) == 3, within=10)
        assert [message[0] for message in handler.only.messages] == ["x", "y", "z"]
        assert all(message[1:] == text for message in handler.only.messages)
        theirs: Any = only_connection(stream).sctp
        await eventually(lambda: theirs._handle_data.__self__.reassembly.held == 0)
    await gone(stream)


async def test_many_streams_and_pieces_that_are_given_up() -> None:
    """FORWARD-TSN for every stream there might be, and stretches without end."""
    stream = Stream(Silent())
    async with raw_peer() as pc:
        sctp = await data_client(stream, pc)
        theirs: Any = only_connection(stream).sctp
        state = theirs._handle_data.__self__
        tsn = sctp._local_tsn
        for number in range(0, 600, 2):  # each is alone: too many gaps to be told of
            await send_piece(sctp, (tsn + 1 + number) % 2**32, size=10, flags=7)
            await asyncio.sleep(0)
        await eventually(lambda: len(state._gaps) == association.MAX_GAPS)
        for begin in range(0, 60_000, 250):
            chunk = ForwardTsnChunk()
            tsn = tsn_plus_one(tsn)
            chunk.cumulative_tsn = tsn
            chunk.streams = [(begin + i, 7) for i in range(250)]
            await sctp._send_chunk(chunk)
            await asyncio.sleep(0)
        # What had come already follows at once.
        await eventually(lambda: (theirs._last_received_tsn - tsn) % 2**32 < 1000)
        assert len(state.reassembly._expected) <= association.MAX_STREAMS
        assert len(state._gaps) <= association.MAX_GAPS
    await gone(stream)


async def test_acknowledgements_of_what_was_never_sent() -> None:
    """What aiortc gets to see names nothing beyond what is on its way."""
    seen: list[Any] = []

    async def take_sack(chunk: Any) -> None:
        seen.append(chunk)

    sctp: Any = SimpleNamespace(
        _local_tsn=1000,
        _last_received_tsn=5,
        _handle_data=None,
        _receive_sack_chunk=take_sack,
        _data_channel_receive=None,
    )
    taker = association._Association(sctp, lambda: SimpleNamespace(dropped=Counter()))  # type: ignore[arg-type,return-value]
    sack = SackChunk()
    sack.cumulative_tsn, sack.advertised_rwnd = 989, 1000
    sack.gaps = [(2, 3), (1, 65535), (5, 4), (1, 65535)]
    await taker.take_sack(sack)
    assert [chunk.gaps for chunk in seen] == [[(2, 3), (4, 10)]]
    sack.cumulative_tsn = 1000
    await taker.take_sack(sack)
    assert len(seen) == 1


async def test_many_data_channels() -> None:
    """So many are opened, and the rest counted; what comes over the first of them is heard."""
    stream = Stream(Silent())
    async with raw_peer() as pc:
        await data_client(stream, pc)
        server = only_connection(stream)
        for number in range(2 * association.MAX_CHANNELS):
            pc.createDataChannel(f"number {number}")
        expected = association.MAX_CHANNELS + 1
        await eventually(lambda: gate_of(server).dropped["data channels"] >= expected)
        assert len(sctp_of(server)._data_channels) == association.MAX_CHANNELS
    await gone(stream)


async def test_several_dtls_records_in_one_datagram() -> None:
    """Each of them is read, and none waits inside OpenSSL."""
    stream = Stream(Silent())
    async with raw_peer() as pc:
        sctp = await data_client(stream, pc)
        handler = stream.handler
        assert isinstance(handler, Silent)
        dtls = transport_of(pc)
        sent: list[bytes] = []

        async def gather(data: bytes) -> None:
            sent.append(data)

        send, dtls.transport._send = dtls.transport._send, gather
        (channel,) = sctp._data_channels.values()
        for number in range(5):
            channel.send(f'{{"type": "message", "data": {number}}}')
            await asyncio.sleep(0.002)
        for _ in range(3):  # too long for aiortc, which would read them piece by piece
            dtls._ssl.send(bytes(4000))
            sent.append(dtls._ssl.bio_read(5000))
        dtls.transport._send = send
        await send(b"".join(sent))
        await eventually(lambda: len(handler.only.messages) == 5)
        dropped = gate_of(only_connection(stream)).dropped
        assert dropped["long DTLS records"] == 3
    await gone(stream)


def test_bounds_fit_together() -> None:
    """Few enough sources for one report (RFC 3550 section 6.4.2), few enough gaps for a packet."""
    assert sources.MAX_SOURCES < 32
    assert 28 + 4 * association.MAX_GAPS < 1189


class _Receiver:
    """One that has heard nothing yet."""


async def test_a_source_that_no_description_names_is_known_by_its_mid() -> None:
    """As those of layers are; two sections have the same payload types (RFC 9143 section 9.2)."""
    one, other = _Receiver(), _Receiver()
    router: Any = RtpRouter()
    router.register_receiver(one, [5], [96], "a")
    router.register_receiver(other, [], [96], "b")
    dtls: Any = SimpleNamespace(
        _rtp_router=router, _handle_rtcp_data=None, _unregister_rtp_receiver=None, _rx_srtp=None
    )
    gate = PacketIntake(dtls)
    sources.bound_sources(dtls, gate)

    def route(ssrc: int, mid: str | None, payload_type: int = 96) -> Any:
        packet = RtpPacket(payload_type=payload_type, ssrc=ssrc)
        packet.extensions.mid = mid
        return dtls._rtp_router.route_rtp(packet)

    assert route(5, None) is one
    assert route(6, "b") is other
    assert route(6, None) is other, "it is named at first only"
    assert route(5, "b") is one, "no name takes a source from another section"
    dtls._rx_srtp = SimpleNamespace(remove_stream=lambda ssrc: None)
    assert route(7, "c") is route(8, None) is route(9, "b", 97) is None
