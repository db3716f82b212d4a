"""Google's libwebrtc, without a browser, as a client: its own estimator at our feedback."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest

from fastrtc_core import Stream, VideoOptions
from fastrtc_core.webrtc import internals, tcp_port
from fastrtc_core.webrtc.connectivity.stun import TcpAddress
from fastrtc_core.webrtc.internals.flow import Flow
from fastrtc_handlers import AudioVideoEcho

from ..inside import connection_of, peer_of
from .restarts import shared_of, way_of
from .support import eventually, gone

reactor_webrtc = pytest.importorskip("reactor_webrtc")
pytestmark = pytest.mark.real_time

SIZE = 640, 480
FPS = 20
START = 300_000
"""With which libwebrtc starts by itself. An estimate of ours (REMB) would let it have 8 % more each
second: 0.65 Mb/s after ten."""


class Caller:
    """A peer connection of libwebrtc that sends noise, which no encoder makes small.

    Its callbacks run on threads of its own; what they raise would end the process.

    Args:
        tcp: Whether it is told of no address for UDP, and calls over TCP.
    """

    def __init__(self, *, tcp: bool = False) -> None:
        self._tcp = tcp
        self._candidates: list[Any] = []
        observer = reactor_webrtc.PeerConnectionObserver()
        observer.on_ice_candidate = self._candidates.append
        self._states: list[Any] = []
        observer.on_connection_state_change = self._states.append
        configuration = reactor_webrtc.RtcConfiguration(
            bundle_policy=reactor_webrtc.BundlePolicy.MaxBundle,
            tcp_candidate_policy=(
                reactor_webrtc.TcpCandidatePolicy.Enabled
                if tcp
                else reactor_webrtc.TcpCandidatePolicy.Disabled
            ),
        )
        self._pc = factory().create_peer_connection(configuration, observer)
        self._track = factory().create_video_track("camera")
        self._pc.add_track(self._track)

    async def call(self, stream: Stream) -> None:
        """Connect, and wait until the connection stands."""
        await self._pc.set_local_description(await self._pc.create_offer())
        offer = await self._pc.create_offer()
        await eventually(lambda: self._candidates, "a candidate")
        lines = [f"a={one.candidate}" for one in self._candidates]
        sdp = offer.sdp + "".join(f"{line}\r\n" for line in lines)
        answer = await stream.offer({"sdp": sdp, "type": "offer"})
        assert "sdp" in answer, answer
        if self._tcp:
            # In place of a network without UDP: see tests/network.
            answer["sdp"] = re.sub(r"a=candidate:\S+ 1 udp .*\r\n", "", answer["sdp"])
        described = reactor_webrtc.SessionDescription("answer", answer["sdp"])
        await self._pc.set_remote_description(described)
        done = reactor_webrtc.PeerConnectionState.Connected
        await eventually(lambda: done in self._states, "the connection", within=10)

    async def film(self) -> None:
        """Push pictures for ever."""
        width, height = SIZE
        random = np.random.default_rng(1)
        shots = [
            random.integers(0, 255, (height // 8, width // 8, 4), np.uint8)
            .repeat(8, axis=0)
            .repeat(8, axis=1)
            .tobytes()
            for _ in range(5)
        ]
        while True:
            for shot in shots:
                self._track.push_video_frame(shot, width, height)
                await asyncio.sleep(1 / FPS)

    async def estimate(self) -> float:
        """What it takes the line for, in bit/s."""
        pairs = (await self._pc.get_stats()).candidate_pairs
        return max((pair.available_outgoing_bitrate_bps for pair in pairs), default=0.0)


@cache
def factory() -> Any:
    """What makes its parts: there may be one in a process."""
    return reactor_webrtc.PeerConnectionFactory()


@asynccontextmanager
async def calling(stream: Stream, *, tcp: bool = False) -> AsyncIterator[Caller]:
    caller = Caller(tcp=tcp)
    await caller.call(stream)
    filming = asyncio.create_task(caller.film())
    try:
        yield caller
    finally:
        filming.cancel()
        with contextlib.suppress(TimeoutError):  # it ends what is left
            await stream.drain(0)


async def test_its_estimate_is_no_longer_ours() -> None:
    """It finds out within seconds that there is nothing between it and us.

    And it tells us of what comes back, so that our estimate of the line is no longer its guess.
    """
    options = VideoOptions(client_bit_rate=START)
    stream = Stream(
        AudioVideoEcho(), modality="audio-video", mode="send-receive", video_options=options
    )
    async with calling(stream) as caller:
        (sender,) = (s for s in connection_of(peer_of(stream)).getSenders() if s.kind == "video")
        line = flow_of(sender).line
        assert line is not None
        loop = asyncio.get_running_loop()
        best, deadline = 0.0, loop.time() + 12
        while best < 1_000_000 and loop.time() < deadline:
            await asyncio.sleep(0.1)
            best = max(best, await caller.estimate())
        assert best >= 1_000_000
        await eventually(lambda: line.heard and line.bit_rate >= 1_500_000, "our estimate", 15)
    await gone(stream)


async def test_it_calls_over_tcp() -> None:
    """By itself, where the answer names a TCP port; and again, when its connection breaks."""
    stream = Stream(
        AudioVideoEcho(), modality="audio-video", mode="send-receive", udp_port=0, tcp_port=0
    )
    async with calling(stream, tcp=True):
        pc = connection_of(peer_of(stream))
        ice = shared_of(pc)
        await eventually(lambda: way_of(ice), "the way")
        first = way_of(ice)[1]
        assert isinstance(first, TcpAddress)
        await eventually(lambda: internals.packets_heard(pc) > 50, "pictures")
        (port,) = tcp_port._ports.values()
        port._connections[first].end()
        await eventually(lambda: way_of(ice)[1] != first, "a new connection")
        heard = internals.packets_heard(pc)
        await eventually(lambda: internals.packets_heard(pc) > heard + 50, "pictures")
        assert isinstance(way_of(ice)[1], TcpAddress)
        assert stream.sessions == 1
    await gone(stream)


def flow_of(sender: Any) -> Flow:
    """What sends the packets of a sender."""
    flow: Flow = sender._fastrtc_flow
    return flow
