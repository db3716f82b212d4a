"""Packets: RTP as we read it, and whatever else arrives on the sockets of a session."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pylibsrtp
import pytest
from aioice import stun
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    pack_remb_fci,
)
from aiortc.rtp import RtpPacket as Reference
from hypothesis import example, given
from hypothesis import strategies as st

from fastrtc_core import AudioFrame, Stream
from fastrtc_core.client import Client
from fastrtc_core.media.libopus import OpusEncoder
from fastrtc_core.media.rtp import RtpPacket, build_packet, parse_packet
from fastrtc_core.testing import longest_silence, tone
from fastrtc_core.tracks import RemoteAudioTrack
from fastrtc_core.webrtc import internals
from fastrtc_core.webrtc.incoming import IncomingAudio
from fastrtc_core.webrtc.internals.gate import Gate
from fastrtc_handlers import Echo

from ..inside import channel_of, connection_of, peer_of
from ..webrtc.support import OWN_PORTS, gone, hear, speak
from .strategies import damaged_bytes, examples

SSRC = 0x12345678


def opus_packets() -> list[bytes]:
    """Some packets of Opus."""
    encoder = OpusEncoder(48000, 1)
    sound = tone(500, 0.2)
    return [encoder.encode(sound.data[:, k : k + 960]) for k in range(0, 9600, 960)]


def rtp_packets() -> list[bytes]:
    """Packets of each kind: plain, with contributors, extensions, padding, RED, and nothing."""
    opus = opus_packets()[3]
    red = bytes([0x80 | 111]) + struct.pack("!I", 960 << 10 | len(opus))[1:] + b"\x6f" + opus + opus
    one_byte = b"\xbe\xde\x00\x02\x10\x30\x32\xab\xcd\xef\x00\x00"
    two_byte = b"\x10\x00\x00\x02\x01\x02ab\x02\x00\x00\x00"
    packets = [
        build_packet(96, True, 7, 960, SSRC, extension, payload)
        for extension in (b"", one_byte, two_byte)
        for payload in (opus, red, b"")
    ]
    full = Reference(96, 0, 8, 1920, SSRC, opus)
    full.csrc = [1, 2, 3]
    full.padding_size = 8
    return [*packets, full.serialize()]


OPUS = opus_packets()
RTP = rtp_packets()


# Reading


@given(
    damaged_bytes(RTP)
    | st.binary(max_size=40)
    | st.binary(max_size=40).map(lambda rest: b"\xb1\x60" + rest)
)
@example(b"")
@example(b"\x80")
@examples(400)
def test_a_damaged_packet_is_refused(data: bytes) -> None:
    """As aiortc refuses it; only what an extension says is not looked at."""
    packet = parse_packet(data)
    if packet is not None:
        assert len(packet.payload) <= len(data) - 12
        assert data.endswith(packet.payload) or data[0] & 0x20
        again = build_packet(
            packet.payload_type,
            False,
            packet.sequence_number,
            packet.timestamp,
            packet.ssrc,
            b"",
            packet.payload,
        )
        assert parse_packet(again) == packet
    try:
        reference = Reference.parse(data)
    except ValueError as error:
        if "extension" not in str(error):
            assert packet is None
        return
    assert packet is not None
    assert packet.payload == reference.payload


# Hearing


@given(
    st.lists(
        st.builds(
            RtpPacket,
            st.just(96),
            st.integers(0, 40) | st.integers(0, 0xFFFF),
            st.integers(0, 40).map(lambda k: k * 960) | st.integers(0, 0xFFFFFFFF),
            st.sampled_from([SSRC, SSRC, SSRC, 0]),
            st.sampled_from(OPUS) | damaged_bytes(OPUS) | st.binary(max_size=30),
        ),
        max_size=40,
    ),
    st.sampled_from([(48000, 1), (16000, 2), (22050, 1)]),
)
@examples(150)
def test_any_packets_become_frames(packets: list[RtpPacket], kind: tuple[int, int]) -> None:
    """No payload, number or order raises; frames are of one shape, and there are not too many."""
    rate, channels = kind
    frames: list[AudioFrame] = []

    async def run() -> None:
        remote = RemoteAudioTrack(rate, channels)
        remote.push = frames.append  # type: ignore[method-assign, assignment]
        incoming = IncomingAudio(remote)
        for packet in packets:
            incoming.take(packet)
        incoming._look()
        incoming.close()

    asyncio.run(run())
    for frame in frames:
        assert frame.data.shape[0] == channels
        assert frame.data.dtype == np.int16
    # One packet has 120 ms at most, and may have others wait that are given up for it.
    assert sum(frame.duration for frame in frames) <= 2.5 * len(packets) + 0.1


# What stands between a socket and us


CLIENT = ("10.0.0.1", 5)


class Receiver:
    """The parts of aiortc's receiver that the direct path touches, with a real SRTP session."""

    def __init__(self) -> None:
        key = bytes(range(30))
        inbound = pylibsrtp.Policy(key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND)
        outbound = pylibsrtp.Policy(key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        outbound.allow_repeat_tx = True
        self.theirs = pylibsrtp.Session(outbound)
        self.others: list[bytes] = []
        self.taken: list[RtpPacket] = []
        self.counted = 0
        private: Any = self
        private._enabled = True
        private._rx_srtp = pylibsrtp.Session(inbound)
        private._RTCRtpReceiver__codecs = {96: object()}
        private._RTCRtpReceiver__remote_streams = {SSRC: self}
        private._RTCRtpReceiver__stop_decoder = lambda: None
        private._RTCDtlsTransport__rx_packets = 0
        private._RTCDtlsTransport__rx_bytes = 0
        # One object stands for all of them: receiver, transports, connection, socket, counts.
        private.transport = private._connection = self
        private._protocols = [self]
        private.id, private.encrypted = 0, True
        for name in ("check_incoming", "check_complete", "send_stun"):
            setattr(self, name, None)
        private._pair_remote_candidate = private._add_remote_candidate = None
        private._fastrtc_gate = gate = Gate(self, may_check=None)
        gate.trusted[CLIENT] = None
        gate.watch_sockets()
        internals.receive_directly(private, self.taken.append)
        shortcut = private._RTCRtpReceiver__jitter_buffer
        shortcut.add(Reference(96, 0, 1, 0, SSRC, OPUS[0]))

    def add(self, packet: RtpPacket) -> None:
        """Count a packet."""
        self.counted += 1

    def datagram_received(self, data: bytes, address: Any) -> None:
        """What aioice would do with a datagram."""
        self.others.append(data)


datagrams = (
    damaged_bytes(RTP)
    | st.sampled_from(RTP)
    | st.binary(max_size=40).map(lambda rest: b"\x80\x60\0\1\0\0\0\0\x12\x34\x56\x78" + rest)
    | st.sampled_from([b"", b"\x80", b"\x80\x60\0\1\0\0\0\0\x12\x34\x56\x78" + bytes(3000)])
    | st.binary(max_size=100)
)


@given(st.lists(st.tuples(datagrams, st.booleans()), max_size=10))
@example([(b"\x80\x60\0\1\0\0\0\0\x12\x34\x56\x78" + bytes(1600), False)])
@examples(200)
def test_the_direct_path_takes_what_is_ours_and_nothing_else(
    sent: list[tuple[bytes, bool]],
) -> None:
    """Signed or forged, damaged or too long: nothing raises, and all that is taken was signed."""
    receiver = Receiver()
    signed: list[RtpPacket | None] = [RtpPacket(96, 1, 0, SSRC, OPUS[0])]
    for data, is_signed in sent:
        if is_signed and len(data) < 1400:
            try:
                protected = receiver.theirs.protect(data)
            except pylibsrtp.Error:
                continue  # not even the sender takes it for RTP
            signed.append(parse_packet(data))
            data = protected
        receiver.datagram_received(data, CLIENT)
    assert all(packet in signed for packet in receiver.taken)
    assert receiver.counted == len(receiver.taken) - 1
    assert all(packet.ssrc == SSRC and packet.payload_type == 96 for packet in receiver.taken)


# A live session


def stun_request(*attributes: tuple[int, bytes]) -> bytes:
    """A binding request with these attributes, right or wrong."""
    body = b"".join(
        struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)
        for kind, value in attributes
    )
    return struct.pack("!HHI", 1, len(body), stun.COOKIE) + bytes(12) + body


def fuzzed(originals: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """So many damaged ones: cut, flipped, lengthened."""
    chance = random.Random(seed)
    for _ in range(count):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.randrange(4)):
            if data:
                data[chance.randrange(min(len(data), 40))] = chance.choice([0, 1, 2, 127, 128, 255])
        if chance.random() < 0.3:
            del data[chance.randrange(len(data) + 1) :]
        yield bytes(data)


STRANGE = [
    b"",
    b"\x00",
    b"\x80",
    b"\x80\x60" + bytes(1600),
    b"\x80\xc8" + bytes(1600),
    b"\x90\x60" + bytes(10),
    b"\x16\xfe\xfd" + bytes(40),
    b"\x17\xfe\xfd" + bytes(1600),
    bytes(9000),
    b"\xff" * 1200,
    *(stun_request((kind, bytes(size))) for kind in stun.ATTRIBUTES_BY_TYPE for size in range(6)),
]

RTCP: list[bytes] = [
    bytes(RtcpSrPacket(SSRC, RtcpSenderInfo(2**64 - 1, 0, 0, 0), [])),
    bytes(RtcpRrPacket(SSRC, [RtcpReceiverInfo(1, 255, -1, 0, 0, 0, 0)])),
    bytes(RtcpRtpfbPacket(1, SSRC, 1, [1, 2, 60000])),
    bytes(RtcpPsfbPacket(RTCP_PSFB_APP, SSRC, 0, pack_remb_fci(4160000, [1, 2]))),
    bytes(RtcpPsfbPacket(RTCP_PSFB_APP, SSRC, 0, b"REMB\xff\xff\xff\xff")),
    bytes(RtcpByePacket([1])),
]


@contextmanager
def stranger(pc: Any) -> Iterator[Callable[[bytes], None]]:
    """Sends datagrams to the sockets of a connection, from an address that it does not know."""
    (dtls,) = pc._RTCPeerConnection__dtlsTransports
    ours = [protocol.local_candidate for protocol in dtls.transport._connection._protocols]
    addresses = [(one.host, one.port) for one in ours if ":" not in one.host]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def send(data: bytes) -> None:
            for address in addresses:
                sender.sendto(data, address)

        yield send


Damage = Callable[[Any, Any], Iterator[Awaitable[None] | None]]
"""Does harm to the connection of a server, or through the SCTP transport of its client, and yields
what is to be awaited."""


async def converse(damage: Damage, **options: Any) -> None:
    """An echo goes on, without a gap, while something happens to its connection."""
    stream = Stream(Echo(), **options)
    async with Client(stream.offer) as client:
        assert client.audio_stream is not None
        speaking = asyncio.create_task(speak(client, tone(440, 2.5, level=0.5)))
        await hear(client.audio_stream, 0.4)
        channel: Any = channel_of(client)
        hearing = asyncio.create_task(hear(client.audio_stream, 1.0))
        try:
            for step in damage(connection_of(peer_of(stream)), channel.raw.transport):
                await (step or asyncio.sleep(0))
            sound = await hearing
            assert stream.sessions == 1
            await client.send("still here")
        finally:
            for task in (speaking, hearing):
                task.cancel()
            await asyncio.gather(speaking, hearing, return_exceptions=True)
    assert longest_silence(sound[0], 48000) < 0.03
    await gone(stream)


@pytest.mark.parametrize("seed", [1, 2])
async def test_datagrams_of_strangers_change_nothing(seed: int) -> None:
    """Empty ones, too long ones, STUN with attributes cut short, RTP and DTLS of nobody."""

    def damage(server: Any, sctp: Any) -> Iterator[Awaitable[None] | None]:
        with stranger(server) as send:
            for data in [*STRANGE, *fuzzed([*STRANGE, *RTP, *RTCP], 300, seed)]:
                send(data)
                yield None

    await converse(damage, **OWN_PORTS)


@pytest.mark.parametrize("seed", [1, 2])
async def test_damaged_packets_of_the_other_side_change_nothing(seed: int) -> None:
    """Signed, so that they reach every parser: RTP, RTCP, and datagrams for the data channel."""

    def damage(server: Any, sctp: Any) -> Iterator[Awaitable[None] | None]:
        dtls = sctp.transport
        protect = dtls._tx_srtp
        chance = random.Random(seed)
        for data in [*RTP, *RTCP, *fuzzed([*RTP, *RTCP], 300, seed)]:
            # Of sources that are its own alone: what disturbs its own stream is its own affair.
            is_rtcp = len(data) > 1 and 192 <= data[1] < 224
            try:
                data = protect.protect_rtcp(data) if is_rtcp else protect.protect(data)
            except (pylibsrtp.Error, ValueError):
                continue
            yield dtls.transport._send(data)
        for _ in range(200):
            dtls._ssl.send(chance.randbytes(chance.choice([1, 11, 12, 13, 40])))
            yield dtls.transport._send(dtls._ssl.bio_read(1500))

    await converse(damage)


async def test_a_data_channel_that_breaks_its_protocol_costs_one_message() -> None:
    """Text that is no UTF-8, channels that are opened wrongly, and payloads of unknown kinds."""

    def damage(server: Any, sctp: Any) -> Iterator[Awaitable[None] | None]:
        for kind, data in (
            (51, b"\xff\xfe"),
            (51, b"\xed\xa0\x80"),
            (50, b""),
            (50, b"\x03"),
            (50, b"\x03\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"),
            (50, struct.pack("!BBHLHH", 3, 0, 0, 0, 2, 0) + b"\xff\xfe"),
            (50, b"\x02"),
            (56, b"\x00"),
            (57, b""),
            (99, b"?"),
        ):
            for stream_id in (1, 2, 0, 65535):
                yield sctp._send(stream_id, kind, data)

    await converse(damage)
