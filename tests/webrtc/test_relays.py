"""Relays of this side, on virtual time: how long they last, what fails, and what is left of it."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from fastrtc_core import CloseReason, Stream, UnavailableError
from fastrtc_core.client import Client
from fastrtc_core.errors import ConnectionFailedError
from fastrtc_core.testing import tone
from fastrtc_core.webrtc.internals import gather_here, gathering, relays
from fastrtc_core.webrtc.internals.ice_servers import IceServer

from ..inside import connection_of, peer_of
from .restarts import shared_of, way_of
from .support import Silent, eventually, gone, make_offer, raw_peer, speak
from .turn_server import own_address, turn_server

LOGGER = "fastrtc_core.webrtc.internals"


def relaying(*servers: dict[str, Any]) -> dict[str, Any]:
    """A configuration with which nothing but relays is used."""
    return {"iceServers": list(servers), "iceTransportPolicy": "relay"}


def relays_of(sdp: str) -> list[str]:
    """The relays in a description; no other candidate may be there beside them."""
    lines = [line for line in sdp.splitlines() if line.startswith("a=candidate:")]
    return [line for line in lines if " typ relay" in line]


async def ask(stream: Stream) -> tuple[dict[str, Any], float]:
    """The answer to an offer, and how long in s it took; the session is closed."""
    loop = asyncio.get_running_loop()
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        offer = await make_offer(pc)
        began = loop.time()
        answer = await stream.offer(offer)
        took = loop.time() - began
        if "webrtc_id" in answer:
            stream.close(answer["webrtc_id"])
        await gone(stream)
        return answer, took


async def answered(client: Client, handler: Silent) -> None:
    """A message arrives."""
    before = len(handler.only.messages)
    await client.send("there?")
    await eventually(lambda: len(handler.only.messages) > before, "the message")


async def test_a_relay_outlives_its_permissions() -> None:
    """A permission lasts 300 s and a channel 600: both are renewed, and nothing is lost."""
    async with turn_server(own_address()) as server:
        handler = Silent()
        stream = Stream(handler, server_rtc_configuration=relaying(server.ice_server()))
        async with Client(stream.offer, modality=None) as client:
            await answered(client, handler)
            lost, relayed = server.lost, server.relayed
            await asyncio.sleep(650)
            await answered(client, handler)
            assert server.lost == lost
            assert server.relayed > relayed + 100, "consent, the way that media go"
        await gone(stream)
        await eventually(lambda: not server.allocations, "the end of the relay")


@pytest.mark.parametrize(("refused", "last"), [(100, 295), (490, 499)])
async def test_credentials_that_expire_in_mid_call(
    refused: float, last: float, caplog: pytest.LogCaptureFixture
) -> None:
    """The server renews no permission, or no relay: the session is lost, and the log says why."""
    ended: list[CloseReason] = []
    async with turn_server(own_address()) as server:
        handler = Silent()
        stream = Stream(
            handler,
            server_rtc_configuration=relaying(server.ice_server()),
            on_disconnect=ended.append,
        )
        async with Client(stream.offer, modality=None) as client:
            await asyncio.sleep(refused)
            server.refuses = 401, "Unauthorized"
            with caplog.at_level(logging.WARNING, LOGGER):
                await asyncio.sleep(last - refused)
                await answered(client, handler)
                await asyncio.sleep(11)
            await gone(stream)
        assert ended == [CloseReason.LOST]
        (record,) = caplog.records
        assert server.url in record.getMessage()
        assert "401 Unauthorized" in record.getMessage()
        assert "expired" in record.getMessage()


async def test_wrong_credentials_are_told_and_delay_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The others way go on; the log names the server and says what it said."""
    async with turn_server() as server:
        wrong = server.ice_server(credential="wrong")
        with caplog.at_level(logging.WARNING, LOGGER):
            answer, took = await ask(Stream(Silent(), server_rtc_configuration=[wrong]))
        assert "sdp" in answer
        assert not relays_of(answer["sdp"])
        assert took < 0.5
        (record,) = caplog.records
        assert server.url in record.getMessage()
        assert "401 Unauthorized" in record.getMessage()
        assert "wrong" not in record.getMessage(), "no credential stands in the log"


@pytest.mark.parametrize("scheme", ["stun", "turn"])
async def test_a_silent_server_delays_little(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    """The answer waits 1.5 s, and aioice itself would have it wait for 5."""
    async with turn_server(own_address()) as server:
        server.silent = True
        url = server.url.replace("turn", scheme)
        with caplog.at_level(logging.WARNING, LOGGER):
            answer, took = await ask(
                Stream(Silent(), server_rtc_configuration=[server.ice_server(urls=url)])
            )
        assert "sdp" in answer
        assert took < gathering.PATIENCE + 0.1
        assert caplog.records
        for record in caplog.records:
            assert f"{url} " in record.getMessage()
            assert "does not answer" in record.getMessage()


async def test_the_next_server_is_asked() -> None:
    """Where the first is silent, and where it refuses."""
    async with turn_server() as silent, turn_server() as full, turn_server() as good:
        silent.silent = True
        full.refuses = 486, "Allocation Quota Reached"
        servers = [server.ice_server() for server in (silent, full, good)]
        answer, took = await ask(Stream(Silent(), server_rtc_configuration=relaying(*servers)))
        (relay,) = relays_of(answer["sdp"])
        assert (silent.made, full.made, good.made) == (0, 0, 1)
        assert took < gathering.PATIENCE
        assert relay.endswith("raddr 0.0.0.0 rport 9"), "no address of its own (RFC 9429)"


async def test_only_relays_and_none() -> None:
    """The offer is refused, instead of answered without a way: with 503, and in words."""
    async with turn_server() as server:
        server.refuses = 486, "Allocation Quota Reached"
        stream = Stream(Silent(), server_rtc_configuration=relaying(server.ice_server()))
        with pytest.raises(UnavailableError, match="only relays may be used"):
            async with Client(stream.offer):
                pass
        await gone(stream)
        for none in ([], [server.ice_server()]):
            client = Client(Stream(Silent()).offer, rtc_configuration=relaying(*none))
            with pytest.raises(ConnectionFailedError, match="only relays may be used"):
                async with client:
                    pass


@pytest.mark.parametrize("both", [False, True])
async def test_a_client_that_only_relays(both: bool) -> None:
    """To the shared port, and to a server that only relays as well."""
    async with turn_server(own_address()) as server, turn_server(own_address()) as other:
        handler = Silent()
        options: dict[str, Any] = {"udp_port": 0}
        if both:
            options = {"server_rtc_configuration": relaying(other.ice_server())}
        stream = Stream(handler, **options)
        configuration = relaying(server.ice_server())
        async with Client(stream.offer, rtc_configuration=configuration) as client:
            await answered(client, handler)
            await speak(client, tone(duration=0.5))
            await eventually(lambda: len(handler.only.frames) > 10, "sound")
            relayed = [allocation.address for allocation in server.allocations.values()]
            if not both:
                assert way_of(shared_of(connection_of(peer_of(stream))))[1] in relayed
            assert (other.made > 0) is both
        await gone(stream)
        await eventually(lambda: not server.allocations and not other.allocations, "the end")


async def test_a_server_that_is_silent_at_the_end() -> None:
    """A relay that cannot be given back keeps nobody: the session is gone, and all of it."""
    async with turn_server(own_address()) as server:
        handler = Silent()
        stream = Stream(handler, server_rtc_configuration=relaying(server.ice_server()))
        async with Client(stream.offer, modality=None) as client:
            await answered(client, handler)
            server.silent = True
            stream.close(peer_id(stream))
            await gone(stream, within=4.0)


def peer_id(stream: Stream) -> str:
    """The id of the only session."""
    (id,) = stream.snapshot().sessions
    return str(id)


async def test_nothing_is_left_where_gathering_is_given_up() -> None:
    """Whenever that happens; a relay that was open by then is given back."""
    configuration = RTCConfiguration(iceTransportPolicy=RTCIceTransportPolicy.RELAY)
    async with turn_server(own_address()) as server:
        made = 0
        for moment in range(40):
            before = server.made
            configuration.iceServers = [RTCIceServer(server.url, "user", "secret")]
            pc = RTCPeerConnection(configuration)
            pc.createDataChannel("text")
            gather_here(pc, None)
            task = asyncio.create_task(pc.setLocalDescription())
            for _ in range(moment):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await pc.close()
            made += server.made > before
        assert 0 < made < 40, "before there was one, and after"


async def test_a_closed_connection_gathers_nothing() -> None:
    """Sockets and relays that come too late are closed at once."""
    configuration = RTCConfiguration()
    async with turn_server(own_address()) as server:
        for ports in (None, range(42060, 42090)):
            configuration.iceServers = [RTCIceServer(server.url, "user", "secret")]
            pc = RTCPeerConnection(configuration)
            pc.createDataChannel("text")
            gather_here(pc, ports)
            task = asyncio.create_task(pc.setLocalDescription())
            await asyncio.sleep(0)
            await pc.close()
            await asyncio.gather(task, return_exceptions=True)
        await eventually(lambda: not server.allocations, "the end of the relay")


async def test_a_server_that_reads_no_longer() -> None:
    """What cannot be written is dropped: nothing waits in memory for a line that is too slow."""
    server = IceServer("turn:x?transport=tcp", "x", 1, "tcp")
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        transport, client = await loop.create_connection(
            lambda: relays._TcpClient(server), sock=ours
        )
        for _ in range(3000):
            client._send(bytes(1200))
        assert transport.get_write_buffer_size() < relays.MAX_WAITING + 1200
        assert client._dropped > 1000
        client.leaving = True
        transport.abort()
        await asyncio.sleep(0)


async def test_what_a_server_closes(caplog: pytest.LogCaptureFixture) -> None:
    """A connection to a TURN server that ends is told of, unless this side ends it."""
    server = IceServer("turn:x?transport=tcp", "x", 1, "tcp")
    loop = asyncio.get_running_loop()
    for leaving in (True, False):
        caplog.clear()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        _, client = await loop.create_connection(lambda: relays._TcpClient(server), sock=ours)
        client.leaving = leaving
        theirs.close()
        await asyncio.sleep(0.1)
        assert bool(caplog.records) is not leaving
    assert "it has closed the connection" in caplog.records[0].getMessage()


def test_reasons_in_words() -> None:
    """What the log says of a failure."""
    assert relays.reason_of(TimeoutError()) == "it does not answer"
    assert relays.reason_of(ConnectionRefusedError(111, "refused")) == "[Errno 111] refused"
    assert relays.reason_of(KeyError()) == "KeyError"
