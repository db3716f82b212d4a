"""A client that restarts ICE over other sockets, in the middle of its session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioice
import numpy as np
from aiortc import RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack

from fastrtc_core import Stream
from fastrtc_core.testing import tone
from fastrtc_core.webrtc import internals
from fastrtc_core.webrtc.internals.shared import SharedConnection
from fastrtc_core.webrtc.sdp.description import Description

from ..inside import connection_of, peer_of
from .support import Silent, connected, eventually, make_offer, raw_peer, take_answer


class Mover:
    """A connection of aiortc whose ICE agent can be replaced, which aiortc itself cannot.

    Attributes:
        answer: What the server has answered first.
        messages: What came over the data channel.
    """

    def __init__(self, pc: RTCPeerConnection) -> None:
        self.pc = pc
        self.answer: dict[str, Any] = {}
        self.messages: list[Any] = []
        self.tracks: list[Any] = []
        self._ice: Any = None
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._pumps: list[asyncio.Task[None]] = []
        self._connection: aioice.Connection | None = None
        self._next: aioice.Connection | None = None
        self._used: list[aioice.Connection] = []

    async def connect(self, offer: Any, **extra: Any) -> None:
        """Open a session with a data channel and audio both ways."""
        self.pc.on("track", self.tracks.append)
        self.channel = self.pc.createDataChannel("text")
        self.channel.on("message", lambda text: self.messages.append(json.loads(text)))
        self.pc.addTransceiver(AudioStreamTrack(), direction="sendrecv")
        self.answer = await offer(await make_offer(self.pc, **extra))
        self._put_in(await self._take(self.answer))
        await connected(self.pc)

    async def _take(self, answer: dict[str, Any]) -> Any:
        private: Any = self.pc
        for dtls in private._RTCPeerConnection__dtlsTransports:
            ice = dtls.transport
            ice._recv, ice._send = self._inbox.get, self._send
        await take_answer(self.pc, answer)
        (dtls,) = private._RTCPeerConnection__dtlsTransports
        self._ice = dtls.transport
        return self._ice._connection

    def _put_in(self, connection: aioice.Connection) -> None:
        self._connection = connection
        self._used.append(connection)
        self._pumps.append(asyncio.create_task(self._pump(connection)))

    async def _pump(self, connection: aioice.Connection) -> None:
        await eventually(lambda: connection._nominated, "the nomination")
        while True:
            try:
                self._inbox.put_nowait(await connection.recv())
            except ConnectionError:
                return

    async def _send(self, data: bytes) -> None:
        if self._connection is not None:
            await self._connection.send(data)

    async def offer(self) -> str:
        """An offer with the credentials and candidates of another agent."""
        self._next = connection = aioice.Connection(ice_controlling=True, use_ipv6=False)
        self._used.append(connection)
        await connection.gather_candidates()
        description = Description.parse(self.pc.localDescription.sdp)
        replaced = {
            "a=ice-ufrag:": [f"a=ice-ufrag:{connection.local_username}"],
            "a=ice-pwd:": [f"a=ice-pwd:{connection.local_password}"],
            "a=candidate:": [],
        }
        candidates = [f"a=candidate:{one.to_sdp()}" for one in connection.local_candidates]
        for section in description.sections:
            for start, lines in replaced.items():
                kept = [line for line in section.lines if not line.startswith(start)]
                section.lines[:] = kept + lines
            section.lines += candidates
        return str(description)

    async def go_over(self, answer: str) -> None:
        """Go over to the agent of the latest offer; the sockets of the one before are shut."""
        connection = self._next
        assert connection is not None
        section = Description.parse(answer).sections[0]
        connection.remote_username = section.value("ice-ufrag")
        connection.remote_password = section.value("ice-pwd")
        connection.remote_is_lite = True
        for text in section.values("candidate"):
            await connection.add_remote_candidate(aioice.Candidate.from_sdp(text))
        await connection.add_remote_candidate(None)
        self.fall_silent()
        async with asyncio.timeout(5):
            await connection.connect()
        self._put_in(connection)

    def fall_silent(self) -> None:
        """Shut the sockets that are in use; idempotent."""
        old, self._connection = self._connection, None
        if old is None:
            return
        if old._query_consent_task is not None:
            old._query_consent_task.cancel()
        for protocol in old._protocols:
            protocol.transport.close()

    def again(self, sdp: str, **more: Any) -> dict[str, Any]:
        """The body of a further offer."""
        known = {key: self.answer[key] for key in ("webrtc_id", "secret")}
        return {"sdp": sdp, "type": "offer", **known, **more}

    async def hears(self) -> float:
        """How loud what comes in the next 0.2 s is."""
        frames = [await self.tracks[0].recv() for _ in range(10)]
        return max(float(np.abs(frame.to_ndarray()).max()) for frame in frames)

    async def close(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for connection in self._used:
            await connection.close()


@asynccontextmanager
async def mover(offer: Any, **extra: Any) -> AsyncIterator[Mover]:
    """One that is connected."""
    async with raw_peer() as pc:
        client = Mover(pc)
        await client.connect(offer, **extra)
        try:
            yield client
        finally:
            await client.close()


def shared_of(pc: RTCPeerConnection) -> SharedConnection:
    """The ICE agent of the only transport of a connection."""
    (dtls,) = internals.dtls_transports(pc)
    found = dtls.transport._connection
    assert isinstance(found, SharedConnection)
    return found


def way_of(ice: SharedConnection) -> Any:
    """Where the server sends."""
    assert ice._line is not None
    return ice._line.way


async def moves_over(stream: Stream, handler: Silent, client: Mover, answer: str) -> None:
    """The client goes over, and all that stood before stands."""
    pc = connection_of(peer_of(stream))
    ice, way = shared_of(pc), way_of(shared_of(pc))
    (dtls,) = internals.dtls_transports(pc)
    handler.only.to_emit.put_nowait(tone(440, 30.0, 48000))
    assert await client.hears() >= 0
    before = len(handler.only.frames)
    await client.go_over(answer)
    await eventually(lambda: way_of(ice) != way, "the new way")
    loop = asyncio.get_running_loop()
    moved = loop.time()
    await eventually(lambda: len(handler.only.frames) > before + 20, "sound")
    assert loop.time() - moved < 1.0
    assert await client.hears() > 3000
    assert (dtls.state, pc.connectionState) == ("connected", "connected")
    assert handler.only.calls == ["start_up", "receive"]
    for port in ice._ports:
        assert list(port._by_ufrag) == [ice.local_username], "the old credentials are void"
