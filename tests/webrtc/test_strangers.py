"""What strangers can do to the ports of a peer: nothing.

Rule 13: nothing from an address that has not passed an authenticated check reaches DTLS, SRTP, a
queue or a sign of life; nothing is sent to an address only because a client named it.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from aioice import stun
from aiortc import RTCPeerConnection

from fastrtc_core import Stream
from fastrtc_core.client import Client
from fastrtc_core.testing import tone
from fastrtc_core.webrtc import internals
from fastrtc_core.webrtc.internals import gate as gates
from fastrtc_handlers import Echo

from .support import (
    OWN_PORTS,
    Silent,
    connected,
    eventually,
    gone,
    hear,
    make_offer,
    raw_peer,
    speak,
    take_answer,
    vanish,
)
from .test_contract import only_connection

CANDIDATE = re.compile(
    r"^(a=candidate:\S+ \d+ udp \d+) (\S+) (\d+) (typ host.*?)\r?$", re.MULTILINE
)

ALERT = bytes.fromhex("15fefd000000000000000000020228")
"""A plaintext DTLS alert: fatal, handshake_failure (RFC 5246 section 7.2)."""

CLOSE_NOTIFY = bytes.fromhex("15fefd000000000000000000020100")


def junk() -> Iterator[bytes]:
    """What might upset a parser, of every protocol on the port (RFC 7983 section 7)."""
    dice = random.Random(13)
    yield from (b"", ALERT, CLOSE_NOTIFY)
    for first in range(256):
        yield bytes([first])
        yield bytes([first]) + dice.randbytes(dice.randrange(1, 1400))
    for length in (12, 20, 28, 1200):
        yield bytes([0x80, 96]) + dice.randbytes(length)  # RTP
        yield bytes([0x80, 200]) + dice.randbytes(length)  # RTCP
        yield bytes([22]) + bytes.fromhex("fefd") + dice.randbytes(length)  # a handshake
    for kind in (0x0001, 0x0101, 0x0111, 0x0011):
        whole = stun.Message(
            message_method=stun.Method.BINDING,
            message_class=stun.Class(kind & 0x0110),
            attributes={"USERNAME": "a:b", "PRIORITY": 1},
        )
        whole.add_message_integrity(b"not the password")
        yield bytes(whole)
        yield bytes(whole)[:-8]
        yield bytes(whole) + b"\0"


@contextmanager
def stranger(address: str = "") -> Iterator[socket.socket]:
    """A socket that nobody knows."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((address, 0))
        yield sock


def ports_of(sdp: str) -> list[tuple[str, int]]:
    """The IPv4 sockets that a description names."""
    found = [(host, int(port)) for _, host, port, _ in CANDIDATE.findall(sdp)]
    return [(host, port) for host, port in found if ":" not in host]


@asynccontextmanager
async def molested(ports: list[tuple[str, int]]) -> AsyncIterator[None]:
    """Send alerts and junk to ports for as long as the block runs, and at least all of it once."""
    whole = list(junk())

    async def molest(sock: socket.socket) -> None:
        position = 0
        while True:
            for port in ports:
                for data in (ALERT, CLOSE_NOTIFY, *whole[position : position + 10]):
                    sock.sendto(data, port)
            position = (position + 10) % len(whole)
            await asyncio.sleep(0.002)

    with stranger() as sock:
        task = asyncio.create_task(molest(sock))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


def gate_of(pc: RTCPeerConnection) -> Any:
    """The one gate of a connection."""
    private: Any = pc
    (dtls,) = private._RTCPeerConnection__dtlsTransports
    return gates.gate_of(dtls)


def ice_of(gate: Any) -> Any:
    """The ICE connection behind a gate."""
    return gate._ice


def waiting(gate: Any) -> int:
    """Datagrams that wait behind a gate."""
    return int(gate._inbox.qsize())


async def test_junk_while_a_client_connects() -> None:
    """Alerts from another address end no handshake, on either side of it."""
    stream = Stream(Silent(), **OWN_PORTS)
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        offer = await make_offer(pc)
        answer = await stream.offer(offer)
        server = only_connection(stream)
        async with molested(ports_of(answer["sdp"])):
            await asyncio.sleep(0.01)
            await take_answer(pc, answer)
            await connected(pc)
            await eventually(lambda: server.connectionState == "connected")
        assert internals.dropped(server)["datagrams of strangers"] > 20
        stream.close(answer["webrtc_id"])
    await gone(stream)


async def test_junk_in_the_middle_of_a_call() -> None:
    """The call goes on, and what came from a stranger was no sign of life."""
    stream = Stream(Echo(), **OWN_PORTS)
    async with Client(stream.offer) as client:
        assert client.audio_stream is not None
        await speak(client, tone(duration=0.1))
        pc = only_connection(stream)
        async with molested(ports_of(pc.localDescription.sdp)):
            await asyncio.sleep(0.2)
            await speak(client, tone(duration=0.1))
            await hear(client.audio_stream, 0.1)
        assert internals.dropped(pc)["datagrams of strangers"] > 20
        await speak(client, tone(duration=0.1))
        await hear(client.audio_stream, 0.1)
    await gone(stream)


async def test_what_anybody_could_send_is_no_sign_of_life() -> None:
    """Not even from an address that is heard; checks, reports, data and media with a key are."""
    stream = Stream(Silent(), **OWN_PORTS)
    async with Client(stream.offer) as client:
        pc = only_connection(stream)
        gate = gate_of(pc)
        (protocol, *_) = ice_of(gate)._protocols
        dtls: Any = pc.getReceivers()[0].transport
        gate.trusted["192.0.2.77", 7] = None
        before = internals.packets_heard(pc)
        await speak(client, tone(duration=0.1))
        await eventually(lambda: internals.packets_heard(pc) >= before + 5)
        await vanish(client)
        await asyncio.sleep(0.05)
        before, packets = internals.packets_heard(pc), dtls._RTCDtlsTransport__rx_packets
        for data in junk():
            protocol.datagram_received(data, ("192.0.2.77", 7))
        await eventually(lambda: not waiting(gate))
        assert internals.packets_heard(pc) == before
        assert dtls._RTCDtlsTransport__rx_packets > packets + 100, "they have been looked at"
        assert client.webrtc_id is not None
        stream.close(client.webrtc_id)
    await gone(stream)


async def test_nothing_waits_that_nobody_asked_for() -> None:
    """An abandoned offer, and a flood to its port."""
    stream = Stream(Silent(), **OWN_PORTS)
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        answer = await stream.offer(await make_offer(pc))
        server = only_connection(stream)
        with stranger() as sock:
            for _ in range(200):
                sock.sendto(b"\x16" * 30_000, ports_of(answer["sdp"])[0])
                await asyncio.sleep(0)
        await eventually(lambda: internals.dropped(server)["datagrams of strangers"] > 10)
        assert waiting(gate_of(server)) == 0
        # And one that has passed a check may let wait what is reasonable.
        gate = gate_of(server)
        gate.trusted["192.0.2.77", 7] = None
        for protocol in ice_of(gate)._protocols:
            for _ in range(200):
                protocol.datagram_received(b"\x16" * 30_000, ("192.0.2.77", 7))
        assert 30 < waiting(gate) < 36
        stream.close(answer["webrtc_id"])
    await gone(stream)


async def test_a_client_that_moves_is_heard() -> None:
    """A check with the right password from a new address; of many addresses few are remembered."""
    stream = Stream(Silent(), **OWN_PORTS)
    async with Client(stream.offer, modality=None):
        pc = only_connection(stream)
        gate = gate_of(pc)
        server = ports_of(pc.localDescription.sdp)[0]
        ice = ice_of(gate)
        first = set(gate.trusted)

        def check() -> bytes:
            request = stun.Message(
                message_method=stun.Method.BINDING,
                message_class=stun.Class.REQUEST,
                attributes={
                    "USERNAME": f"{ice.local_username}:{ice.remote_username}",
                    "PRIORITY": 1,
                    "ICE-CONTROLLING": 1,
                },
            )
            request.add_message_integrity(ice.local_password.encode())
            return bytes(request)

        socks = []
        try:
            for _ in range(gates.MAX_TRUSTED + 5):
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                socks.append(sock)
                sock.bind((server[0], 0))
                sock.sendto(check(), server)
            newest = socks[-1].getsockname()
            await eventually(lambda: newest in gate.trusted)
        finally:
            for sock in socks:
                sock.close()
        assert len(gate.trusted) == gates.MAX_TRUSTED
        assert len(ice._remote_candidates) <= gates.MAX_TRUSTED + len(first)
        in_use = {pair.remote_addr for pair in ice._nominated.values()}
        assert in_use <= set(gate.trusted), "and the one that is in use is not forgotten"
        assert await internals.probe(pc)
    await gone(stream)


def renamed(sdp: str, candidates: list[tuple[str, int]]) -> str:
    """An offer that names other candidates."""
    first = True

    def rename(match: re.Match[str]) -> str:
        nonlocal first
        if not first:
            return "a=x-dropped"
        first = False
        return "\r\n".join(
            f"a=candidate:{number} 1 udp {2130706431 - number} {host} {port} typ host"
            for number, (host, port) in enumerate(candidates)
        )

    return CANDIDATE.sub(rename, sdp)


async def test_candidates_that_are_refused_do_not_matter() -> None:
    """A client whose addresses are not checked connects: its own checks reveal it."""
    stream = Stream(Silent(), **OWN_PORTS, allowed_candidates=[])
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        await take_answer(pc, await stream.offer(await make_offer(pc)))
        await connected(pc)
        assert internals.dropped(only_connection(stream))["candidates"] > 0
    await gone(stream)


@pytest.mark.parametrize(("networks", "packets"), [(None, 0), (["127.0.0.0/8"], gates.MAX_CHECKS)])
async def test_an_offer_with_many_candidates(
    monkeypatch: pytest.MonkeyPatch, networks: list[str] | None, packets: int
) -> None:
    """What the server sends to addresses that do not answer, next to what it was sent."""
    monkeypatch.setattr(stun, "RETRY_RTO", 0.01)
    stream = Stream(Silent(), **OWN_PORTS, allowed_candidates=networks)
    socks = []
    try:
        for _ in range(64):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            socks.append(sock)
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        async with raw_peer() as pc:
            pc.createDataChannel("text")
            offer = await make_offer(pc)
            offer["sdp"] = renamed(offer["sdp"], [sock.getsockname() for sock in socks])
            answer = await stream.offer(offer)
            await asyncio.sleep(0.6)
            if packets:
                assert internals.dropped(only_connection(stream))["checks"] > 0
            received = [list(drain(sock)) for sock in socks]
            count = sum(len(datagrams) for datagrams in received)
            size = sum(len(data) + 28 for datagrams in received for data in datagrams)
            print(f"{len(offer['sdp'])} bytes in, {size} bytes out")
            assert count <= packets
            assert bool(count) is bool(packets)
            assert max(map(len, received)) <= gates.MAX_CHECKS_EACH
            assert size <= 3 * len(offer["sdp"])
            stream.close(answer["webrtc_id"])
    finally:
        for sock in socks:
            sock.close()
    await gone(stream)


def drain(sock: socket.socket) -> Iterator[bytes]:
    """What waits at a socket."""
    while True:
        try:
            yield sock.recv(4096)
        except BlockingIOError:
            return


async def test_a_later_offer_and_a_trickled_candidate_are_filtered() -> None:
    """There is one place where candidates become checks."""
    stream = Stream(Silent(), **OWN_PORTS)
    with stranger("127.0.0.1") as sock:
        port = sock.getsockname()[1]
        async with raw_peer() as pc:
            pc.createDataChannel("text")
            answer = await stream.offer(await make_offer(pc))
            line = f"candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host"
            id = answer["webrtc_id"]
            candidate = {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0}
            trickled = {"type": "ice-candidate", "webrtc_id": id, "candidate": candidate}
            assert await stream.offer(trickled) == {"status": "success"}
            await asyncio.sleep(0.1)
            assert not list(drain(sock))
            await take_answer(pc, answer)
            await connected(pc)
            assert not list(drain(sock))
    await gone(stream)
