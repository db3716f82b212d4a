"""Where nobody chose the shared UDP port, the agent on it begins checks, too."""

from __future__ import annotations

import asyncio
import re
import socket
from functools import partial
from typing import Any

import pytest

from fastrtc_core import ConfigurationError, Stream, UnavailableError
from fastrtc_core.channel import RtcEngine
from fastrtc_core.client import Client
from fastrtc_core.testing import VirtualClockLoop, tone
from fastrtc_core.webrtc import port
from fastrtc_core.webrtc.connectivity.agent import MAX_ASKED, MAX_ASKED_EACH, Agent
from fastrtc_core.webrtc.internals import shared
from fastrtc_core.webrtc.options import MediaPorts, media_ports
from fastrtc_core.webrtc.tcp_port import open_tcp_port
from fastrtc_handlers import Echo

from .restarts import mover, moves_over
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
from .tcp_tunnel import doors_of
from .test_shared_port import numbers_in, open_ports, the_port
from .test_strangers import drain, ports_of, renamed


def test_which_ports() -> None:
    """Those that were asked for, and no checks from a port that somebody chose."""
    assert media_ports(None, None, None) == MediaPorts(udp=0, lite=False, chosen=False)
    assert media_ports(None, 0, None) == MediaPorts(udp=0, lite=True)
    assert media_ports(None, 7000, 7001) == MediaPorts(udp=7000, tcp=7001, lite=True)
    assert media_ports(None, None, 7001) == MediaPorts(udp=0, tcp=7001, lite=False)
    assert media_ports((5, 9), None, None) == MediaPorts(own=range(5, 10))
    for wrong in ((5, 4), (0, 4), (5, 65536)):
        with pytest.raises(ConfigurationError, match="udp_port_range"):
            media_ports(wrong, None, None)


async def test_all_share_one() -> None:
    """A stream, another one, and an engine; the agent is no lite one, and can restart.

    Who asks for any shared port (0) has the same one, and a lite agent there.
    """
    stream, other = Stream(Silent()), Stream(Silent(), udp_port=0)
    async with RtcEngine("app") as engine, raw_peer() as pc:
        pc.createDataChannel("text")
        answer = await stream.offer(await make_offer(pc))
        assert "a=ice-lite" not in answer["sdp"]
        assert answer["sdp"].count("a=ice-options:ice2\r\n") == 1
        await take_answer(pc, answer)
        params = {"channel": "room", "uid": 1}
        async with Client(other.offer), Client(engine.accept, params=params):
            await connected(pc)
            assert the_port().statistics().sessions == 3
            numbers = {address[1] for address in the_port().statistics().addresses}
            assert numbers == numbers_in(answer["sdp"])
        stream.close(answer["webrtc_id"])
    await gone(stream)
    await gone(other)
    await eventually(lambda: not open_ports(), "the end of the port")


async def test_checks_go_out() -> None:
    """To what may be checked, a few; they open the way through a firewall."""
    stream = Stream(Silent(), allowed_candidates=["127.0.0.1/32"])
    socks = []
    try:
        for host in ["127.0.0.1"] * 20 + ["127.0.0.2"]:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            socks.append(sock)
            sock.bind((host, 0))
            sock.setblocking(False)
        async with raw_peer() as pc:
            pc.createDataChannel("text")
            offer = await make_offer(pc)
            offer["sdp"] = renamed(offer["sdp"], [sock.getsockname() for sock in reversed(socks)])
            answer = await stream.offer(offer)
            await asyncio.sleep(4.5)  # it is given up after 5 s
            came = [len(list(drain(sock))) for sock in socks]
            assert 0 < max(came[:-1]) <= MAX_ASKED_EACH * len(ports_of(answer["sdp"]))
            assert 16 <= sum(came) <= MAX_ASKED
            assert came[-1] == 0, "this one may not be checked"
            stream.close(answer["webrtc_id"])
    finally:
        for sock in socks:
            sock.close()
    await gone(stream)


async def test_a_client_whose_checks_are_lost() -> None:
    """It is found by the checks of the server, in an offer or afterwards on its own."""
    for trickled in (False, True):
        stream = Stream(Silent(), allowed_candidates=["0.0.0.0/0", "::/0"])
        async with raw_peer() as pc:
            pc.createDataChannel("text")
            offer = await make_offer(pc)
            ice: Any = next(iter(pc._RTCPeerConnection__dtlsTransports)).transport._connection  # type: ignore[attr-defined]
            for protocol in ice._protocols:
                protocol.send_stun = only_answers(protocol)
            lines = [line[2:] for line in offer["sdp"].splitlines() if "a=candidate" in line]
            if trickled:
                offer["sdp"] = re.sub(r"a=(candidate:.*|end-of-candidates)\r\n", "", offer["sdp"])
            answer = await stream.offer(offer)
            for line in lines if trickled else ():
                candidate = {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0}
                body = {"type": "ice-candidate", "webrtc_id": answer["webrtc_id"]}
                await stream.offer({**body, "candidate": candidate})
            await take_answer(pc, answer)
            agent = next(iter(the_port()._by_agent))
            await eventually(partial(answered, agent), "an answer")
            stream.close(answer["webrtc_id"])
        await gone(stream)


def answered(agent: Agent) -> bool:
    """Whether a check was answered."""
    return agent.answers > 0


def only_answers(protocol: Any) -> Any:
    """Sends no checks, as if all were lost."""
    original = protocol.send_stun

    def send(message: Any, address: Any) -> None:
        if message.message_class.name != "REQUEST":
            original(message, address)

    return send


async def test_a_restart() -> None:
    """As on a port that somebody chose; a TCP port changes nothing."""
    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, tcp_port=0)
    async with mover(stream.offer) as client:
        answer = await stream.offer(client.again(await client.offer()))
        await moves_over(stream, handler, client, answer["sdp"])
    await gone(stream, within=10)


def test_each_event_loop_has_its_own() -> None:
    """Also where both are in one process, as that of Gradio is."""
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()
    opened = []
    try:

        async def open_one() -> port.UdpPort:
            return port.open_port(0, ["127.0.0.1"])

        for loop in (one, other):
            opened.append(loop.run_until_complete(open_one()))
        assert opened[0] is not opened[1]
        assert opened[0].bases != opened[1].bases
    finally:
        for found in opened:
            found.close_if_unused()
        one.close()
        other.close()


def test_event_loops_come_and_go() -> None:
    """One that is closed while its port is open keeps no socket: nobody is left to close it."""
    opened = []

    async def open_both() -> None:
        opened.append((port.open_port(0, ["127.0.0.1"]), open_tcp_port(0, ["127.0.0.1"])))

    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(open_both())
        loop.close()
    for udp, tcp in opened[:-1]:
        assert not udp.statistics().addresses
        assert not tcp.statistics().addresses
    (udp, tcp) = opened[-1]
    assert open_ports() == [udp]
    udp.close_if_unused()
    tcp.close_if_unused()


class Blind(VirtualClockLoop):
    """Watches no sockets for others, as the event loop that asyncio has on Windows."""

    add_reader = asyncio.AbstractEventLoop.add_reader


def test_an_event_loop_that_cannot_watch_sockets() -> None:
    """Each session has ports of its own there; a port that somebody chose is refused."""

    async def run() -> None:
        stream, chosen = Stream(Echo()), Stream(Echo(), udp_port=0)
        async with Client(stream.offer) as client:
            assert not open_ports()
            assert client.audio_stream is not None
            await speak(client, tone(duration=0.2))
            assert abs(await hear(client.audio_stream, 0.3)).max() > 1000
        with pytest.raises(UnavailableError, match="SelectorEventLoop"):
            async with Client(chosen.offer):
                pass
        await gone(stream)
        await gone(chosen)

    with asyncio.Runner(loop_factory=Blind) as runner:
        runner.run(run())


async def test_draining_closes_the_port() -> None:
    """When all are gone, nothing of it is left; another stream opens another one."""
    for _ in range(2):
        stream = Stream(Silent())
        async with Client(stream.offer, modality=None):
            assert the_port().statistics().sessions == 1
            await stream.drain(5)
            assert not open_ports()


async def test_only_relays_means_only_relays() -> None:
    """The shared port would go past them, also where no server is named that gives one."""
    stream = Stream(Silent(), server_rtc_configuration={"iceTransportPolicy": "relay"})
    with pytest.raises(UnavailableError, match="iceTransportPolicy"):
        async with Client(stream.offer, modality=None):
            pass
    assert not open_ports()


async def test_addresses_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer names those of its moment, on the port that is open already."""
    stream = Stream(Silent(), udp_port=0, tcp_port=0)
    async with Client(stream.offer, modality=None):
        number = the_port().bases[0].address[1]
        for addresses in (["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.2"]):
            monkeypatch.setattr(shared, "get_host_addresses", lambda found=addresses, **_: found)
            async with raw_peer() as pc:
                pc.createDataChannel("text")
                answer = await stream.offer(await make_offer(pc))
                assert ports_of(answer["sdp"]) == [(host, number) for host in addresses]
                assert [host for host, _ in doors_of(answer["sdp"])] == addresses
                stream.close(answer["webrtc_id"])
        assert stream.sessions > 0
    await gone(stream)
