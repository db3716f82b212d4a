"""One TCP port for clients without UDP, with real peers, and sockets that pretend."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from fastrtc_core import ConfigurationError, Stream, UnavailableError
from fastrtc_core.channel import RtcEngine
from fastrtc_core.client import Client
from fastrtc_core.testing import tone
from fastrtc_core.webrtc import port, tcp_port
from fastrtc_core.webrtc.connectivity import strangers, stun
from fastrtc_core.webrtc.connectivity.framing import framed
from fastrtc_core.webrtc.connectivity.stun import TcpAddress
from fastrtc_handlers import Echo

from ..inside import connection_of, peer_of
from .restarts import mover, moves_over, shared_of, way_of
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
)
from .tcp_tunnel import Tunnel, doors_of, tunnel
from .test_shared_port import check_of, free_port, open_ports
from .test_strangers import CANDIDATE, junk


def the_port() -> tcp_port.TcpPort:
    """The only one of this process."""
    (found,) = tcp_port._ports.values()
    return found


def through(stream: Stream, tunnel: Tunnel) -> Any:
    """The offers of a stream for a client without UDP."""

    async def offer(body: Any) -> Any:
        answer = await stream.offer(body)
        return tunnel.through(answer) if "sdp" in answer and "secret" not in body else answer

    return offer


@contextmanager
def caller(address: tuple[str, int]) -> Iterator[socket.socket]:
    """A connection that nobody knows."""
    with socket.create_connection(address) as sock:
        sock.setblocking(False)
        yield sock


def ended(sock: socket.socket) -> bool:
    """Whether a connection was closed; it brought nothing."""
    try:
        data = sock.recv(1 << 16)
    except BlockingIOError:
        return False
    except OSError:
        return True
    assert not data, "a stranger was answered"
    return True


# Sessions


async def test_an_answer_names_the_port() -> None:
    """On each address of this machine, passive, and after those of UDP (RFC 6544 section 4.5)."""
    number = free_port()
    stream = Stream(Silent(), udp_port=number, tcp_port=number)
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        answer = await stream.offer(await make_offer(pc))
        lines = [line for line in answer["sdp"].splitlines() if line.startswith("a=candidate")]
        udp = [line.split()[4] for line in lines if line.split()[2] == "udp"]
        tcp = [line.split()[4] for line in lines if line.split()[2] == "tcp"]
        assert udp == tcp
        assert len(lines) == 2 * len(udp)
        assert {line.split()[5] for line in lines} == {str(number)}
        priorities = [int(line.split()[3]) for line in lines]
        assert sorted(priorities, reverse=True) == priorities
        await take_answer(pc, answer)
        await connected(pc)
        stream.close(answer["webrtc_id"])
    await gone(stream)
    assert not tcp_port._ports


async def test_sessions_over_tcp_alone() -> None:
    """A stream and an engine on one port; audio and messages both ways, and all is left clean."""
    stream = Stream(Echo(), udp_port=0, tcp_port=0)
    async with (
        RtcEngine("app", udp_port=0, tcp_port=0) as engine,
        tunnel() as one,
        tunnel() as other,
    ):

        async def join(body: Any) -> Any:
            return other.through(await engine.accept(body))

        params = {"channel": "room", "uid": 1}
        async with Client(through(stream, one)) as client, Client(join, params=params):
            statistics = the_port().statistics()
            assert (statistics.sessions, statistics.strangers) == (2, 0)
            assert statistics.connections == one.begun + other.begun
            assert isinstance(way_of(shared_of(connection_of(peer_of(stream))))[1], TcpAddress)
            assert client.audio_stream is not None
            await speak(client, tone(duration=0.3))
            heard = await hear(client.audio_stream, 0.4)
            assert abs(heard).max() > 1000
            await asyncio.sleep(40)
            assert stream.sessions == 1, "it consents as long as it is there"
    await gone(stream)
    assert not tcp_port._ports
    assert not open_ports()


async def test_media_follow_a_new_connection() -> None:
    """One that breaks, and begins again from another port: sound goes on, both ways."""
    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, udp_port=0, tcp_port=0)
    async with tunnel() as way, Client(through(stream, way)) as client:
        await speak(client, tone(duration=0.2))
        await eventually(lambda: handler.copies and handler.only.frames, "sound")
        ice = shared_of(connection_of(peer_of(stream)))
        before = way_of(ice)
        used = next(
            address
            for address, connection in way.connections.items()
            if connection.port == before[1].port
        )
        way.cut()
        speaking = asyncio.create_task(speak(client, tone(duration=2.0)))
        await eventually(lambda: used in way.connections, "another connection")
        # What comes before a check is dropped, and does not end the connection.
        await asyncio.sleep(0.2)
        assert the_port().statistics().dropped["datagrams of strangers"] > 5
        assert way_of(ice) == before
        assert ice._line is not None
        assert not ice._line.agent.trusted, "what has ended is trusted no longer"
        # libwebrtc nominates with each check; aioice does so once alone.
        way.connections[used].send(check_of(ice, nominate=True))
        frames = len(handler.only.frames)
        await eventually(lambda: way_of(ice) != before, "the new way", within=1)
        assert way_of(ice)[1].port == way.connections[used].port
        await eventually(lambda: len(handler.only.frames) > frames + 20, "sound", within=1)
        handler.only.to_emit.put_nowait(tone(440, 1.0, 48000))
        assert client.audio_stream is not None
        heard = await hear(client.audio_stream, 1.0)
        assert abs(heard).max() > 1000
        await speaking
    await gone(stream)


async def test_a_restart_over_tcp() -> None:
    """Over the data channel, to a new connection; DTLS and handler know nothing of it."""
    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, udp_port=0, tcp_port=0)
    async with tunnel() as way, mover(through(stream, way)) as client:
        answer = await stream.offer(client.again(await client.offer()))
        await moves_over(stream, handler, client, way.through(answer)["sdp"])
        assert isinstance(way_of(shared_of(connection_of(peer_of(stream))))[1], TcpAddress)
    await gone(stream, within=10)


async def test_from_tcp_to_udp_and_back() -> None:
    """A restart may bring a client from one to the other."""
    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, udp_port=0, tcp_port=0)
    async with tunnel() as way, mover(through(stream, way)) as client:
        ice = shared_of(connection_of(peer_of(stream)))
        answer = await stream.offer(client.again(await client.offer()))
        await moves_over(stream, handler, client, udp_alone(answer["sdp"]))
        assert not isinstance(way_of(ice)[1], TcpAddress)
        answer = await stream.offer(client.again(await client.offer()))
        await client.go_over(way.through(answer)["sdp"])
        await eventually(lambda: isinstance(way_of(ice)[1], TcpAddress), "TCP")
    await gone(stream, within=10)


def udp_alone(sdp: str) -> str:
    """A description without its candidates of TCP."""
    return re.sub(r"a=candidate:\S+ 1 tcp .*\r\n", "", sdp)


async def test_udp_is_taken_where_it_works() -> None:
    """The client checks both, nominates UDP, and the connection ends when nobody uses it."""
    stream = Stream(Silent(), udp_port=0, tcp_port=0)
    async with tunnel() as way:

        async def offer(body: Any) -> Any:
            answer = await stream.offer(body)
            both = way.through(answer)["sdp"]
            line = next(iter(re.findall(r"a=candidate:1 1 udp.*\r\n", both)))
            return {
                **answer,
                "sdp": udp_alone(answer["sdp"]).replace("a=end-of", line + "a=end-of"),
            }

        async with Client(offer, modality=None):
            assert not isinstance(way_of(shared_of(connection_of(peer_of(stream))))[1], TcpAddress)
    await gone(stream)


async def test_a_port_that_is_taken_is_a_clear_refusal() -> None:
    """By another program; the UDP port is closed again."""
    number = free_port()
    holders = []
    try:
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            holder = socket.socket(family, socket.SOCK_STREAM)
            holders.append(holder)
            if family == socket.AF_INET6:
                holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            holder.bind((host, number))
            holder.listen()
        stream = Stream(Silent(), tcp_port=number)
        with pytest.raises(UnavailableError, match="tcp_port"):
            async with Client(stream.offer, modality=None):
                pass
        await gone(stream)
        assert not open_ports()
        assert not tcp_port._ports
    finally:
        for holder in holders:
            holder.close()


@pytest.mark.parametrize(
    "options", [{"tcp_port": -1}, {"tcp_port": 65536}, {"tcp_port": 1, "udp_port_range": (1, 2)}]
)
def test_ports_that_make_no_sense(options: dict[str, Any]) -> None:
    """For a stream and for an engine."""
    with pytest.raises(ConfigurationError, match="tcp_port"):
        Stream(Silent(), **options)
    with pytest.raises(ConfigurationError, match="tcp_port"):
        RtcEngine("app", **options)


async def test_candidates_of_clients_are_never_called() -> None:
    """Neither those that wait for a connection, nor others, in an offer or on their own."""
    stream = Stream(Silent(), tcp_port=0, allowed_candidates=["127.0.0.0/8"])
    with socket.create_server(("127.0.0.1", 0)) as waiting:
        waiting.setblocking(False)
        address = waiting.getsockname()
        lines = [
            f"a=candidate:{n} 1 tcp 1518280447 127.0.0.1 {address[1]} typ host tcptype {kind}"
            for n, kind in enumerate(("passive", "so", "active"))
        ]
        async with raw_peer() as pc:
            pc.createDataChannel("text")
            offer = await make_offer(pc)
            first, *_ = CANDIDATE.finditer(offer["sdp"])
            sdp = offer["sdp"].replace(first[0], "\r\n".join([*lines, first[0]]))
            answer = await stream.offer({**offer, "sdp": sdp})
            candidate = {"candidate": lines[0][2:], "sdpMid": "0", "sdpMLineIndex": 0}
            id = answer["webrtc_id"]
            trickled = {"type": "ice-candidate", "webrtc_id": id, "candidate": candidate}
            assert await stream.offer(trickled) == {"status": "success"}
            await take_answer(pc, {**answer, "sdp": udp_alone(answer["sdp"])})
            await connected(pc)
            await asyncio.sleep(2.0)
            with pytest.raises(BlockingIOError):
                waiting.accept()
            stream.close(id)
    await gone(stream)


# Strangers


async def test_strangers_are_shown_out() -> None:
    """Who says nothing, or says it slowly, after five seconds; who talks nonsense, at once."""
    stream = Stream(Silent(), udp_port=0, tcp_port=0)
    async with Client(stream.offer, modality=None):
        opened = the_port()
        door = opened.bases[0].address[:2]
        loop = asyncio.get_running_loop()
        with caller(door) as silent, caller(door) as slow:
            began = loop.time()
            whole = framed(bytes(100))
            sent = 0
            while not ended(slow) and sent < len(whole):
                slow.send(whole[sent : sent + 1])
                sent += 1
                await asyncio.sleep(0.1)
            assert loop.time() - began == pytest.approx(strangers.PATIENCE, abs=0.2)
            await eventually(lambda: ended(silent), "the end of the other", within=0.2)
        assert opened.statistics().connections == 0
        what = "connections of strangers, for their silence"
        assert opened.statistics().dropped[what] == 2
        kinds = [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01", framed(b""), b"\xff\xff"]
        checks = [data for data in junk() if data[:1] < b"\4"]
        for data in [*kinds, *map(framed, checks)]:
            began = loop.time()
            with caller(door) as sock:
                for _ in range(tcp_port.MAX_ATTEMPTS):
                    try:
                        sock.send(data)
                    except OSError:  # it was closed with the first
                        break
                await eventually(partial(ended, sock), "the end of the connection")
            assert loop.time() - began < 1.0
        with caller(door) as sock:
            for data in junk():
                if data[:1] >= b"\4":
                    assert not ended(sock), "what is no check is dropped"
                    sock.send(framed(data))
                    await asyncio.sleep(0.001)
            began = loop.time()
            for _ in range(tcp_port.MAX_EARLY // 1500 + 1):
                await loop.sock_sendall(sock, framed(bytes([255]) * 1500))
            await eventually(partial(ended, sock), "the end of the connection")
            assert loop.time() - began < 1.0
    await gone(stream)


async def test_a_wrong_password_and_a_wrong_name_look_the_same() -> None:
    """Neither is answered; each is heard as often as the other."""
    stream = Stream(Silent(), udp_port=0, tcp_port=0)
    async with Client(stream.offer, modality=None):
        server = shared_of(connection_of(peer_of(stream)))
        door = the_port().bases[0].address[:2]
        assert server._line is not None
        agent = server._line.agent
        trusted = set(agent.trusted)
        for ufrag in (server.local_username, "somebody"):
            with caller(door) as sock:
                for number in range(tcp_port.MAX_ATTEMPTS):
                    assert not ended(sock)
                    name = f"{ufrag}:{server.remote_username}".encode()
                    attributes = [
                        (stun.Attribute.USERNAME, name),
                        (stun.Attribute.PRIORITY, bytes(4)),
                    ]
                    kind, transaction = stun.Class.REQUEST, number.to_bytes(12)
                    sock.send(framed(stun.build(kind, transaction, attributes, b"a guess")))
                    await asyncio.sleep(0.01)
                await eventually(partial(ended, sock), "the end", within=0.2)
        assert agent.dropped["checks of strangers"] == tcp_port.MAX_ATTEMPTS
        assert set(agent.trusted) == trusted
    await gone(stream)


async def test_a_crowd_of_strangers_keeps_nobody_out() -> None:
    """Each address has so many, and a client gets in beside them; memory does not grow."""
    stream = Stream(Echo(), udp_port=0, tcp_port=0)
    async with Client(stream.offer, modality=None), tunnel() as way:
        opened = the_port()
        door = opened.bases[0].address[:2]
        crowd = []
        try:
            for _ in range(strangers.MAX_EACH + 20):
                crowd.append(socket.create_connection(door))
                crowd[-1].setblocking(False)
                await asyncio.sleep(0.005)
            await eventually(lambda: opened.statistics().strangers == strangers.MAX_EACH)
            assert [ended(sock) for sock in crowd] == [True] * 20 + [False] * strangers.MAX_EACH
            async with Client(through(stream, way)) as client:
                assert client.audio_stream is not None
                await speak(client, tone(duration=0.2))
                assert abs(await hear(client.audio_stream, 0.3)).max() > 1000
        finally:
            for sock in crowd:
                sock.close()
    await gone(stream)


async def test_when_no_file_can_be_opened() -> None:
    """Nothing is accepted for a second, instead of trying again and again."""
    stream = Stream(Silent(), udp_port=0, tcp_port=0)
    async with Client(stream.offer, modality=None):
        opened = the_port()
        local, sock = next(iter(opened._listening.items()))

        class Exhausted:
            calls = 0

            def accept(self) -> Any:
                self.calls += 1
                raise OSError(errno.EMFILE, "Too many open files")

            def fileno(self) -> int:
                return sock.fileno()

        exhausted: Any = Exhausted()
        opened._accept(exhausted, local)
        assert exhausted.calls == 1
        with caller(local[:2]) as waiting:
            await asyncio.sleep(tcp_port.PAUSE - 0.1)
            assert opened.statistics().connections == 0
            opened.loop.remove_reader(sock.fileno())
            await asyncio.sleep(0.2)
            assert exhausted.calls > 1
            opened._pauses.popitem()[1].cancel()
            opened.loop.add_reader(sock.fileno(), opened._accept, sock, local)
            await eventually(lambda: opened.statistics().connections == 1)
            assert not ended(waiting)
    await gone(stream)


async def test_a_client_has_so_many_connections() -> None:
    """With those that it opens beyond, the oldest end; the one in use stays."""
    stream = Stream(Silent(), udp_port=0, tcp_port=0)
    async with tunnel() as way, Client(through(stream, way), modality=None):
        server = shared_of(connection_of(peer_of(stream)))
        door = the_port().bases[0].address[:2]
        known = way_of(server)
        calls = []
        try:
            for _ in range(tcp_port.MAX_CONNECTIONS + 5):
                calls.append(socket.create_connection(door))
                calls[-1].setblocking(False)
                calls[-1].send(framed(check_of(server, nominate=False)))
                await asyncio.sleep(0.01)
            assert the_port().statistics().connections == tcp_port.MAX_CONNECTIONS
            assert way_of(server) == known
            assert len(server._line.agent.trusted) == tcp_port.MAX_CONNECTIONS  # type: ignore[union-attr]
        finally:
            for sock in calls:
                sock.close()
        await eventually(lambda: the_port().statistics().connections == len(way.connections))
    await gone(stream)


async def test_a_client_that_reads_slowly_loses_packets() -> None:
    """They are counted, little waits for it, and it goes on when it reads again."""
    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, udp_port=0, tcp_port=0)
    async with tunnel() as way, Client(through(stream, way)) as client:
        ice = shared_of(connection_of(peer_of(stream)))
        assert ice._line is not None
        (connection,) = [
            one for one in the_port()._connections.values() if one.remote == way_of(ice)[1]
        ]
        for held in way.connections.values():
            held.hold()
        big = bytes([0x80, 96]) + bytes(1198)
        for _ in range(20_000):
            assert ice._line.send(big)
        what = "datagrams that a connection was too slow for"
        assert the_port().statistics().dropped[what] > 10_000
        assert ice.intake.all_dropped()[what] > 10_000
        assert len(connection._outbox) <= tcp_port.MAX_WAITING
        await asyncio.sleep(1.0)
        for held in way.connections.values():
            held.go_on()
        await eventually(lambda: not connection._outbox, "what waits is written or dropped")
        handler.only.to_emit.put_nowait(tone(440, 1.0, 48000))
        assert client.audio_stream is not None
        assert abs(await hear(client.audio_stream, 1.0)).max() > 1000
        assert stream.sessions == 1
    await gone(stream)


async def test_a_frame_that_is_too_long() -> None:
    """Ends the connection of a client too: what follows cannot be read."""
    stream = Stream(Silent(), udp_port=0, tcp_port=0)
    async with tunnel() as way, Client(through(stream, way), modality=None):
        await asyncio.sleep(1)
        connection = next(iter(way.connections.values()))
        connection._sock.send((tcp_port.MAX_FRAME + 1).to_bytes(2) + bytes(100))
        await eventually(
            lambda: connection not in way.connections.values(), "the end of the connection"
        )
        assert the_port().statistics().dropped["connections, for a frame that is too long"] == 1
    await gone(stream, within=7)
    assert not port._ports
    assert not doors_of("")
