"""A real server under nonsense on every route, with well-behaved sessions beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import numpy as np
import pytest
from aiortc import RTCSessionDescription
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from fastrtc_core import Stream
from fastrtc_core.client import Client
from fastrtc_core.signaling.reading import MAX_BODY_BYTES
from fastrtc_core.testing import fit_sine, longest_silence, tone
from fastrtc_core.webrtc import peer
from fastrtc_core.websocket.dialect import JsonDialect
from fastrtc_handlers import Echo

from ..webrtc.support import app_of, eventually, gone, hear, make_offer, raw_peer, serving, speak
from ..websocket.support import SocketClient, connected
from . import test_offers, test_sockets, test_telephone
from .strategies import damaged_json, dumped, examples, json_values, messages

JSON = {"content-type": "application/json"}

LENGTH = 2.5
"""How long in s the well-behaved sessions go on."""

CODES = {1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1013}
"""With what the server, or what serves it, may close (RFC 6455 section 7.4.1)."""

Attack = Callable[[str], Coroutine[Any, Any, None]]


def drawn(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """As many values of a strategy as so many `examples` are, the same in every run."""
    found: list[Any] = []

    @given(strategy)
    @examples(count)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


@asynccontextmanager
async def well_behaved(url: str) -> AsyncIterator[None]:
    """Two sessions, over WebRTC and a WebSocket, that hear their echo without a gap."""
    said = tone(440, LENGTH, 48000)
    start = {"encoding": "pcm16", "sample_rate": 48000, "websocket_id": "steady"}
    async with (
        Client(url) as caller,
        connected(url, encoding="pcm16", start=start) as client,
        asyncio.TaskGroup() as tasks,
    ):
        assert caller.audio_stream is not None
        speaking = tasks.create_task(speak(caller, said))
        await hear(caller.audio_stream, 0.4)
        tasks.create_task(client.speak(said))
        hearing = tasks.create_task(hear(caller.audio_stream, LENGTH - 0.8))
        yield
        over_webrtc = await hearing
        await eventually(lambda: len(client.heard) >= 50 * LENGTH - 1, "the whole echo")
        speaking.cancel()
        assert not client.of_type("error")
        assert client.socket.close_code is None
    sound = client.sound()[0]
    assert fit_sine(sound[:96000], 440, 48000).snr > 40, "not a sample is missing"
    gaps = np.diff([when for when, _ in client.heard])
    assert gaps.max() < 0.5
    assert longest_silence(over_webrtc[0], 48000) < 0.04


async def attacked(*attacks: Attack) -> None:
    """Serve, let these loose on the server, and look that it goes on and nothing is left."""
    stream = Stream(Echo(), modality="audio")
    async with serving(app_of(stream)) as url:
        async with well_behaved(url):
            async with asyncio.TaskGroup() as tasks:
                for attack in attacks:
                    tasks.create_task(attack(url))
        await gone(stream, within=10)


# HTTP


REQUESTS = (
    b"POST /webrtc/offer HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
    b"POST /webrtc/offer HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"POST /telephone/incoming HTTP/1.1\r\nhost: [\r\ncontent-length: 50\r\n\r\n%zz=\xff",
    b"POST /telephone/incoming?%ff=[ HTTP/1.1\r\nhost: \x01\r\ncontent-length: 0\r\n\r\n",
    b"GET /webrtc/config?\x00 HTTP/9.9\r\n\r\n",
    bytes(range(256)) * 10,
)


def http_attack() -> Attack:
    """Bodies that are no offers, offers that cannot be answered, and requests that are no HTTP."""
    bodies = [
        *drawn(test_offers.damaged_offers(test_offers.SPOKEN).map(test_offers.offer_body), 25),
        *drawn(damaged_json(test_offers.BODIES) | json_values, 60),
    ]
    contents = [dumped(body).encode() for body in bodies]
    contents += [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"NaN", b"1" * 5000]
    contents += [b'"' + b"x" * MAX_BODY_BYTES]

    async def attack(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=20) as http:
            for content in contents:
                response = await http.post("/webrtc/offer", content=content, headers=JSON)
                answer = response.json()
                if response.status_code == 200:
                    assert "sdp" in answer or answer == {"status": "success"}
                else:
                    assert response.status_code in (400, 404, 409, 413)
                    assert answer["status"] == "failed"
        for request in REQUESTS:
            await raw_request(url, request)

    return attack


async def raw_request(url: str, request: bytes) -> bytes:
    """Send bytes, read a bit of the answer, and hang up."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        async with asyncio.timeout(0.2):
            return await reader.read(2000)
    except (TimeoutError, ConnectionError):
        return b""
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


# WebSockets


def frame(opcode: int, data: bytes, *, final: bool = True, mask: bool = True) -> bytes:
    """A frame as RFC 6455 section 5.2 draws it, or nearly so; the mask is zero."""
    head = bytes([opcode | (0x80 if final else 0)])
    masked = 0x80 if mask else 0
    if len(data) < 126:
        length = bytes([masked | len(data)])
    else:
        length = bytes([masked | 126]) + struct.pack("!H", len(data))
    return head + length + (bytes(4) if mask else b"") + data


BAD_FRAMES = [
    frame(3, b"x"),
    frame(0x0B, b"x"),
    frame(0, b"a continuation of nothing"),
    frame(1, b"\xff\xfe"),
    frame(1, b"{", final=False) + frame(1, b"}"),
    frame(1, b"x", mask=False),
    frame(0x41, b"x"),
    frame(9, b"x" * 126),
    frame(9, b"x", final=False),
    frame(8, b"\x00"),
    frame(8, struct.pack("!H", 1005)),
    frame(8, struct.pack("!H", 3000) + b"\xff"),
    b"\x81\xff" + struct.pack("!Q", 1 << 62) + bytes(4),
    b"\x82\xff" + struct.pack("!Q", (1 << 63) | 5) + bytes(4),
    b"\x81\xfe",
    bytes(range(256)),
]


@asynccontextmanager
async def socket_to(url: str, path: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """A WebSocket that may be closed by either side at any time; with a documented code."""
    address = url.replace("http", "ws", 1) + path
    async with connect(address, close_timeout=2, **options) as socket:
        with contextlib.suppress(ConnectionClosed):
            yield socket
        await socket.close()
        assert socket.close_code in CODES | {3000, 4999}, socket.close_code


async def say(socket: ClientConnection, data: str | bytes) -> None:
    """Send a message, in one frame or in pieces, be it text that is no UTF-8."""
    if isinstance(data, str):
        encoded = data.encode(errors="surrogatepass")
        if len(encoded) % 3 == 1:
            half = len(encoded) // 2
            await socket.send([encoded[:half], b"", encoded[half:]], text=True)
        else:
            await socket.send(encoded, text=True)
    else:
        await socket.send(data)


def socket_attack(path: str, starts: Any, events: Any) -> Attack:
    """Sessions that go wrong at some time, and end in some way."""
    sessions = drawn(
        st.tuples(
            st.sampled_from(starts).map(json.dumps) | messages(starts),
            st.lists(messages(events), max_size=6),
            st.sampled_from(["close", "odd close", "abort", "bad frame", "abort in a frame"]),
        ),
        45,
    )

    async def attack(url: str) -> None:
        for number, (first, later, ending) in enumerate(sessions):
            async with socket_to(url, path) as socket:
                for data in (first, *later):
                    await say(socket, data)
                match ending:
                    case "odd close":
                        await socket.close(4999 if number % 2 else 3000, "ü" * 50)
                    case "abort":
                        socket.transport.abort()
                    case "bad frame":
                        socket.transport.write(BAD_FRAMES[number % len(BAD_FRAMES)])
                        socket.transport.write_eof()
                        await socket.wait_closed()
                    case "abort in a frame":
                        socket.transport.write(frame(1, b"x" * 1000)[: number + 2])
                        socket.transport.abort()

    return attack


async def handshake_attack(url: str) -> None:
    """Requests for a socket whose headers are not what they should be."""
    for path in ("/websocket/offer", "/telephone/handler"):
        for headers in (
            {"origin": "http://["},
            {"origin": "http://elsewhere"},
            {"origin": "\x7f"},
            {"sec-websocket-protocol": "x, ,,y"},
            {"x-forwarded-proto": "gopher", "x-forwarded-host": "["},
            {"x-twilio-signature": "é"},
        ):
            with contextlib.suppress(InvalidHandshake, InvalidMessage, ConnectionClosed):
                async with socket_to(url, path, additional_headers=headers) as socket:
                    await socket.send("nonsense")
        refused = await raw_request(
            url,
            f"GET {path} HTTP/1.1\r\nhost: [\r\norigin: http://[\r\n".encode()
            + b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
            + b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        assert b" 500 " not in refused


# The tests


async def test_a_server_survives_bad_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has an answer that is JSON; sessions beside them hear no gap."""
    monkeypatch.setattr(peer, "CONNECT_TIMEOUT", 2.0)
    await attacked(http_attack())


async def test_a_server_survives_bad_sockets() -> None:
    """Whatever is said, in whatever frames, and however it ends; others hear no gap."""
    await attacked(
        socket_attack("/websocket/offer", test_sockets.STARTS, test_sockets.EVENTS),
        socket_attack("/telephone/handler", test_telephone.STARTS, test_telephone.EVENTS),
        handshake_attack,
    )


async def test_a_session_works_after_every_bad_message() -> None:
    """Each is answered or skipped; a ping after it comes back, and audio is heard as before."""
    stream = Stream(Echo(sample_rate=24000))
    events = [event for event in test_sockets.EVENTS if event.get("event") != "stop"]
    said = [
        data
        for data in drawn(messages(events), 150)
        if "stop" not in str(data)
        and (isinstance(data, bytes) or is_utf8(data))
        # One that is longer ends the session, as it should.
        and len(data) <= JsonDialect.max_message
    ]
    async with serving(app_of(stream)) as url:
        async with connected(url) as client:
            for number, data in enumerate(said):
                await client.socket.send(data)
                await client.send(event="ping")
                if number % 50 == 49:
                    await eventually(partial(answered, client, number + 1), "the pongs", 60.0)
            client.heard.clear()
            await asyncio.sleep(0.5)  # what was said before has been handed on
            client.heard.clear()
            await client.speak(tone(440, 0.5, 24000))
            await eventually(lambda: len(client.heard) >= 20, "the echo")
            assert np.abs(client.sound()).max() > 5000
    await gone(stream)


def is_utf8(text: str) -> bool:
    """Whether a WebSocket can carry a text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def answered(client: SocketClient, count: int) -> bool:
    """Whether so many pings have been answered."""
    return len(client.of_event("pong")) >= count


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a=sctp-port:5000", "a=sctp-port:70000"),
        ("a=max-message-size:262144", "a=max-message-size:-5"),
        ("a=setup:actpass", "a=setup:active"),
        ("sdes:mid", "sdes:rtp-stream-id"),
        ("opus/48000/2", "OPUS/48000/2"),
        ("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:"),
    ],
)
async def test_an_offer_that_lies_is_found_out(old: str, new: str) -> None:
    """What only shows when the connection stands ends that session at most."""
    stream = Stream(Echo(), concurrency_limit=1)
    async with serving(app_of(stream)) as url, httpx.AsyncClient(base_url=url) as http:
        async with raw_peer() as pc:
            pc.addTransceiver("audio")
            pc.createDataChannel("text")
            offer = await make_offer(pc)
            changed = {**offer, "sdp": offer["sdp"].replace(old, new)}
            assert changed != offer, f"{old} is not in {offer['sdp']}"
            answer = (await http.post("/webrtc/offer", json=changed)).json()
            with contextlib.suppress(ValueError):
                description = RTCSessionDescription(answer["sdp"], answer["type"])
                await pc.setRemoteDescription(description)
            await asyncio.sleep(0.4)
        await gone(stream, within=8)
        async with Client(url, modality=None):
            assert stream.sessions == 1
    await gone(stream)
