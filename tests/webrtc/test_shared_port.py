"""One UDP port for all sessions, with real peers: aiortc, aioice, and sockets that pretend."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import pairwise
from typing import Any

import aioice
import pytest
from aioice import stun as aioice_stun
from aiortc import RTCPeerConnection
from aiortc.rtcicetransport import RTCIceGatherer, RTCIceTransport

from fastrtc_core import ConfigurationError, Stream, UnavailableError
from fastrtc_core.channel import RtcEngine
from fastrtc_core.client import Client
from fastrtc_core.testing import tone
from fastrtc_core.webrtc import internals, port, sockets
from fastrtc_core.webrtc.connectivity.agent import Agent
from fastrtc_core.webrtc.connectivity.paths import Credentials, RemoteCandidate
from fastrtc_core.webrtc.internals.shared import SharedConnection
from fastrtc_core.webrtc.line import Line
from fastrtc_handlers import Echo

from .support import (
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
from .test_strangers import (
    CANDIDATE,
    drain,
    junk,
    molested,
    ports_of,
    renamed,
    stranger,
)


def open_ports() -> list[port.UdpPort]:
    """The shared ports of this process."""
    return list(port._ports.values())


def the_port() -> port.UdpPort:
    """The only one."""
    (found,) = open_ports()
    return found


def numbers_in(sdp: str) -> set[int]:
    """The UDP ports of a description."""
    return {int(number) for _, _, number, _ in CANDIDATE.findall(sdp)}


def free_port() -> int:
    """A UDP port that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))
        number: int = sock.getsockname()[1]
        return number


def shared_connection(pc: RTCPeerConnection) -> SharedConnection:
    """The ICE agent of a session."""
    private: Any = pc
    (dtls,) = private._RTCPeerConnection__dtlsTransports
    found = dtls.transport._connection
    assert isinstance(found, SharedConnection)
    return found


# Sessions


async def test_a_range_of_ports_is_for_several_processes() -> None:
    """Each takes the first that is free, for all of its sessions; then there are none left."""
    numbers = range(free_port(), 65536)[:2]
    stream, other = (Stream(Silent(), udp_port=numbers) for _ in range(2))
    with another_process(numbers[0]):
        async with Client(stream.offer, modality=None), Client(other.offer, modality=None):
            statistics = the_port().statistics()
            assert {address[1] for address in statistics.addresses} == {numbers[1]}
            assert statistics.sessions == 2
        await gone(stream)
        await gone(other)
        with another_process(numbers[1]), pytest.raises(UnavailableError, match="are all taken"):
            await Client(stream.offer, modality=None).__aenter__()
        assert stream.sessions == 0
    wrong: tuple[Any, ...] = (range(5, 5), range(0, 5), range(65530, 65540), (40000, 40004), "1")
    for none in wrong:
        with pytest.raises(ConfigurationError, match="a range of ports"):
            Stream(Silent(), udp_port=none)


@contextmanager
def another_process(number: int) -> Iterator[None]:
    """As if it had this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", number))
        yield


async def test_many_sessions_on_one_port() -> None:
    """Two streams and an engine, each by the number alone, and each session hears itself."""
    number = free_port()
    stream, other = Stream(Echo(), udp_port=number), Stream(Silent(), udp_port=number)
    async with RtcEngine("app", udp_port=number) as engine, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(stream.offer)) for _ in range(4)]
        await stack.enter_async_context(Client(other.offer, modality=None))
        params = {"channel": "room", "uid": 1}
        await stack.enter_async_context(Client(engine.accept, params=params))
        statistics = the_port().statistics()
        assert statistics.sessions == 6
        assert {address[1] for address in statistics.addresses} == {number}
        for client in clients:
            assert client.audio_stream is not None
            await speak(client, tone(duration=0.2))
            heard = await hear(client.audio_stream, 0.3)
            assert abs(heard).max() > 1000
    await gone(stream)
    await gone(other)
    await eventually(lambda: not open_ports(), "the end of the port")


async def test_the_answer_of_a_lite_agent() -> None:
    """It says so, and names one port on each address of this machine."""
    stream = Stream(Silent(), udp_port=0)
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        answer = await stream.offer(await make_offer(pc))
        assert answer["sdp"].count("a=ice-lite\r\n") == 1
        assert len(numbers_in(answer["sdp"])) == 1
        hosts = {host for _, host, _, _ in CANDIDATE.findall(answer["sdp"])}
        assert hosts == {base.address[0] for base in the_port().bases}
        await take_answer(pc, answer)
        await connected(pc)
        stream.close(answer["webrtc_id"])
    await gone(stream)


async def test_the_port_is_opened_again() -> None:
    """With the first session after the last; an abandoned or refused offer leaves none open."""
    number = free_port()
    stream = Stream(Silent(), udp_port=number)
    for _ in range(2):
        async with Client(stream.offer, modality=None):
            assert the_port().statistics().sessions == 1
        await gone(stream)
        assert not open_ports()
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        answer = await stream.offer(await make_offer(pc))
        assert open_ports()
        stream.close(answer["webrtc_id"])
        await gone(stream)
    assert not open_ports()


async def test_a_port_that_is_taken_is_a_clear_refusal() -> None:
    """By another program, here on all addresses."""
    number = free_port()
    holders = []
    try:
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            holder = socket.socket(family, socket.SOCK_DGRAM)
            holders.append(holder)
            if family == socket.AF_INET6:
                holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            holder.bind((host, number))
        stream = Stream(Silent(), udp_port=number)
        with pytest.raises(UnavailableError, match="udp_port"):
            async with Client(stream.offer, modality=None):
                pass
        await gone(stream)
        assert not open_ports()
    finally:
        for holder in holders:
            holder.close()


@pytest.mark.parametrize(
    "options", [{"udp_port": -1}, {"udp_port": 65536}, {"udp_port": 1, "udp_port_range": (1, 2)}]
)
def test_ports_that_make_no_sense(options: dict[str, Any]) -> None:
    """For a stream and for an engine."""
    with pytest.raises(ConfigurationError, match="udp_port"):
        Stream(Silent(), **options)
    with pytest.raises(ConfigurationError, match="udp_port"):
        RtcEngine("app", **options)


async def test_ice_servers_of_this_side_want_ports_of_their_own() -> None:
    """A relay cannot be asked for from a port that others use."""
    servers: list[Any] = [{"urls": "turn:127.0.0.1:9", "username": "a", "credential": "b"}]
    stream = Stream(Silent(), udp_port=0, server_rtc_configuration=servers)
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        answer = await stream.offer(await make_offer(pc))
        assert "ice-lite" not in answer["sdp"]
        assert not open_ports()
        stream.close(answer["webrtc_id"])
    await gone(stream)


async def test_a_client_that_vanishes_is_noticed() -> None:
    """Rule 11: within 6 s it is gone, and so is the port."""
    stream = Stream(Silent(), udp_port=0)
    loop = asyncio.get_running_loop()
    async with Client(stream.offer) as client:
        await speak(client, tone(duration=0.1))
        await vanish(client)
        vanished = loop.time()
        await gone(stream, within=6.0)
        assert loop.time() - vanished > 2.0, "it was given a chance"
        assert not open_ports()


async def test_a_silent_client_stays() -> None:
    """Two minutes in which nothing flows but signs of life."""
    stream = Stream(Silent(), udp_port=0)
    async with Client(stream.offer, modality=None):
        await asyncio.sleep(120)
        assert stream.sessions == 1
        assert await internals.probe(only_connection(stream))
    await gone(stream)


# Strangers


async def test_handshakes_while_strangers_shout() -> None:
    """A thousand stray datagrams a second, and every client gets in."""
    stream = Stream(Silent(), udp_port=0)
    for _ in range(5):
        async with raw_peer() as pc:
            pc.createDataChannel("text")
            answer = await stream.offer(await make_offer(pc))
            found = the_port()
            async with molested(ports_of(answer["sdp"])):
                await asyncio.sleep(0.01)
                await take_answer(pc, answer)
                await connected(pc)
            assert found.statistics().dropped["datagrams of strangers"] > 20
            stream.close(answer["webrtc_id"])
        await gone(stream)


async def test_strangers_are_sent_nothing() -> None:
    """Not one datagram comes back, whatever they send."""
    stream = Stream(Silent(), udp_port=0)
    async with Client(stream.offer, modality=None):
        (address, *_) = the_port().bases
        with stranger() as sock:
            for data in junk():
                sock.sendto(data, address.address)
            await asyncio.sleep(0.5)
            assert not list(drain(sock))
    await gone(stream)


async def test_candidates_that_are_only_named_are_sent_nothing() -> None:
    """Whatever may be checked elsewhere: this is a lite agent."""
    stream = Stream(Silent(), udp_port=0, allowed_candidates=["127.0.0.0/8"])
    with stranger("127.0.0.1") as sock:
        async with raw_peer() as pc:
            pc.createDataChannel("text")
            offer = await make_offer(pc)
            named = [sock.getsockname()]
            answer = await stream.offer({**offer, "sdp": renamed(offer["sdp"], named)})
            line = f"candidate:1 1 udp 2130706431 127.0.0.1 {named[0][1]} typ host"
            candidate = {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0}
            id = answer["webrtc_id"]
            trickled = {"type": "ice-candidate", "webrtc_id": id, "candidate": candidate}
            assert await stream.offer(trickled) == {"status": "success"}
            await take_answer(pc, answer)
            await connected(pc)
            await asyncio.sleep(2.0)
            assert not list(drain(sock))
            stream.close(id)
    await gone(stream)


async def test_nobody_takes_the_address_of_somebody_else() -> None:
    """A client that forges the source of its checks gets nothing of what comes from there."""
    stream = Stream(Echo(), udp_port=0)
    async with Client(stream.offer) as client, Client(stream.offer, modality=None) as thief:
        assert client.audio_stream is not None
        await speak(client, tone(duration=0.2))
        await hear(client.audio_stream, 0.1)
        found = the_port()
        peers = stream._trickling.peers
        assert client.webrtc_id is not None
        assert thief.webrtc_id is not None
        victim = shared_connection(peers[client.webrtc_id]._pc)
        other = shared_connection(peers[thief.webrtc_id]._pc)
        assert victim._line is not None
        assert victim._line.way is not None
        local, remote = victim._line.way
        before = victim.intake.heard, other.intake._inbox.qsize()
        found._take_check(check_of(other, nominate=True), remote, local)
        assert found._by_address[remote] is victim._line
        assert found.statistics().dropped["addresses of others"] == 1
        await speak(client, tone(duration=0.2))
        heard = await hear(client.audio_stream, 0.3)
        assert abs(heard).max() > 1000
        assert other.intake._inbox.qsize() == before[1]
    await gone(stream)


# Moving


def check_of(server: SharedConnection, *, nominate: bool) -> bytes:
    """A check of the client of a session, who knows both passwords."""
    attributes: dict[str, Any] = {
        "USERNAME": f"{server.local_username}:{server.remote_username}",
        "PRIORITY": 1 << 30,
        "ICE-CONTROLLING": 1,
    }
    if nominate:
        attributes["USE-CANDIDATE"] = None
    request = aioice_stun.Message(
        message_method=aioice_stun.Method.BINDING,
        message_class=aioice_stun.Class.REQUEST,
        attributes=attributes,
    )
    request.add_message_integrity(server.local_password.encode())
    return bytes(request)


async def test_media_follow_a_client_that_moves() -> None:
    """Its checks come from another address; once it has answered there, so does what is sent."""
    stream = Stream(Echo(), udp_port=0)
    async with Client(stream.offer) as client:
        assert client.audio_stream is not None
        await speak(client, tone(duration=0.2))
        await hear(client.audio_stream, 0.1)
        server = shared_connection(only_connection(stream))
        assert server._line is not None
        assert server._line.way is not None
        local, old = server._line.way
        with stranger(local[0]) as sock:
            sock.sendto(check_of(server, nominate=True), local)
            received = [await eventually(lambda: next(drain(sock), None)) for _ in range(2)]
            assert server._line.way == (local, old), "nobody has answered there yet"
            messages = [aioice_stun.parse_message(data) for data in received]
            asked = next(m for m in messages if m.message_class == aioice_stun.Class.REQUEST)
            answer = aioice_stun.Message(
                message_method=asked.message_method,
                message_class=aioice_stun.Class.RESPONSE,
                transaction_id=asked.transaction_id,
                attributes={"XOR-MAPPED-ADDRESS": local},
            )
            assert server.remote_password is not None
            answer.add_message_integrity(server.remote_password.encode())
            sock.sendto(bytes(answer), local)
            moved = sock.getsockname()
            for _ in range(10):  # it goes on checking, the old way is silent
                if server._line.way == (local, moved):
                    break
                sock.sendto(check_of(server, nominate=True), local)
                await asyncio.sleep(0.1)
            assert server._line.way == (local, moved), "within a second"
            await speak(client, tone(duration=0.3))
            media = await eventually(lambda: [d for d in drain(sock) if d[0] >= 128])
            assert media, "what is sent comes to the new address"
    await gone(stream)


# Another implementation as the client


@contextmanager
def listening(agent_options: dict[str, Any]) -> Iterator[tuple[Line, list[bytes]]]:
    """An agent of ours on a port of its own."""
    hosts = aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    opened = port.open_port(0, hosts)
    credentials = Credentials("server", "password-of-the-server")
    agent = Agent(credentials, opened.bases, claims=opened.claims, **agent_options)
    received: list[bytes] = []
    line = Line(agent, [opened], received.append, lambda alive: None)
    try:
        yield line, received
    finally:
        line.leave()


@asynccontextmanager
async def aioice_client(line: Line, *, lite: bool, named: bool) -> AsyncIterator[Any]:
    """An `aioice.Connection` that has been told of the agent, and it of the agent."""
    client = aioice.Connection(ice_controlling=True, use_ipv6=False)
    try:
        await client.gather_candidates()
        client.remote_username, client.remote_password = line.agent.credentials
        client.remote_is_lite = lite
        for rank, (host, number, *_) in enumerate(line.agent._bases):
            text = f"{rank} 1 udp {2130706431 - rank} {host} {number} typ host"
            await client.add_remote_candidate(aioice.Candidate.from_sdp(text))
        await client.add_remote_candidate(None)
        now = asyncio.get_running_loop().time()
        if named:
            for candidate in client.local_candidates:
                address = candidate.host, candidate.port
                line.agent.add_candidate(RemoteCandidate(address, candidate.priority), now)
        remote = Credentials(client.local_username, client.local_password)
        line.agent.set_remote(remote, lite=False, now=now)
        line.settle()
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize("lite", [True, False])
@pytest.mark.parametrize("named", [True, False])
async def test_aioice_as_the_client(lite: bool, named: bool) -> None:
    """It connects to a lite and to a full agent, also where only its checks reveal it."""
    options = {"lite": lite, "may_check": lambda host, number: True}
    with listening(options) as (line, received):
        async with aioice_client(line, lite=lite, named=named) as client:
            async with asyncio.timeout(10):
                await client.connect()
            await eventually(lambda: line.way)
            await client.send(b"\x80 to the server")
            await eventually(lambda: received == [b"\x80 to the server"])
            assert line.send(b"\x80 to the client")
            assert await client.recv() == b"\x80 to the client"
            (pair,) = client._nominated.values()
            assert line.way == (pair.remote_addr, pair.local_addr)
            await asyncio.sleep(45)
            assert line.way is not None, "it consents as long as it is there"
        await asyncio.sleep(31)
        assert line.expired
        assert not line.send(b"\x80 too late")


# The sockets


async def test_what_a_port_reports(caplog: pytest.LogCaptureFixture) -> None:
    """Its receive buffer, and what the kernel dropped while nobody read."""
    with caplog.at_level(logging.INFO, "fastrtc_core.webrtc.port"), listening({}):
        opened = the_port()
        statistics = opened.statistics()
        assert statistics.receive_buffer >= 200_000
        assert f"receive buffer {statistics.receive_buffer} bytes" in caplog.text
        address = opened.bases[0].address
        with stranger() as sock:
            for _ in range(statistics.receive_buffer // 500):
                sock.sendto(bytes(1200), address)
        what = "datagrams for which the kernel had no room"
        assert opened.statistics().dropped[what] > 0
        await eventually(lambda: opened.statistics().dropped["datagrams of strangers"] > 100)
        assert "net.core.rmem_max" not in caplog.text
    assert caplog.text.count("raise net.core.rmem_max to 4194304") == 1


def test_addresses_that_cannot_be_used() -> None:
    """One that is gone, and one that the kernel does not take, keep nobody from the others."""
    found = sockets.bind("UDP", 0, ["fe80::1", "192.0.2.99", "127.0.0.1"])
    try:
        assert [sock.getsockname()[0] for sock in found] == ["127.0.0.1"]
    finally:
        for sock in found:
            sock.close()


async def test_a_flood_lets_others_run() -> None:
    """So many datagrams are read at one wake-up, and no more."""
    with listening({}):
        address = the_port().bases[0].address
        with stranger() as sock:
            for _ in range(4 * port.BATCH):
                sock.sendto(b"\x80" * 20, address)
        counts = []
        for _ in range(6):
            await asyncio.sleep(0)
            counts.append(the_port().statistics().dropped["datagrams of strangers"])
        assert counts[-1] == 4 * port.BATCH
        assert all(after - before <= port.BATCH for before, after in pairwise(counts))


# The contract with aiortc


async def test_names_of_aiortc_that_the_port_stands_in_for() -> None:
    """What an ICE transport and its gatherer ask of their connection."""
    used = set()
    for owner in (RTCIceTransport, RTCIceGatherer):
        used |= set(re.findall(r"self\._connection\.(\w+)", inspect.getsource(owner)))
    used |= {"ice_controlling"}
    missing = {name for name in used if not hasattr(SharedConnection, name)}
    connection = SharedConnection(0, None, Credentials("a", "b"), None, None, str)  # type: ignore[arg-type]
    assert {name for name in missing if not hasattr(connection, name)} == set()
    async with raw_peer() as pc:
        private: Any = pc
        internals.share_ports(pc, 0, None, None, lite=True)
        pc.addTransceiver("audio")
        (dtls,) = private._RTCPeerConnection__dtlsTransports
        assert isinstance(dtls.transport._connection, SharedConnection)
        assert dtls.transport.iceGatherer._connection is dtls.transport._connection
        assert dtls.transport._recv.__self__ is dtls.transport._connection
        assert inspect.getsource(type(dtls)).count("self.transport._recv()") == 2
        assert inspect.getsource(type(dtls)).count("self.transport._send(data)") == 2
