"""Google's libwebrtc, without a browser: ICE credentials of its own, a restart, and relays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fastrtc_core import Stream

from ..inside import connection_of, peer_of
from .coturn import Way, find_coturn, running_coturn
from .restarts import shared_of, way_of
from .support import Silent, eventually, gone
from .test_libwebrtc_peer import factory

reactor_webrtc = pytest.importorskip("reactor_webrtc")
pytestmark = [pytest.mark.real_time, pytest.mark.soak]


class Talker:
    """A peer connection of libwebrtc with a data channel.

    Args:
        options: Of its `RtcConfiguration`.

    Attributes:
        answer: What the server has answered first.
        messages: What came.
    """

    def __init__(self, **options: Any) -> None:
        self.answer: dict[str, Any] = {}
        self.messages: list[Any] = []
        self._candidates: list[Any] = []
        self._opened: list[None] = []
        # What libwebrtc calls must not hold it: nobody finds that circle.
        candidates, opened, messages = self._candidates, self._opened, self.messages
        observer = reactor_webrtc.PeerConnectionObserver()
        observer.on_ice_candidate = candidates.append
        configuration = reactor_webrtc.RtcConfiguration(
            bundle_policy=reactor_webrtc.BundlePolicy.MaxBundle, **options
        )
        self._pc = factory().create_peer_connection(configuration, observer)
        self._channel = self._pc.create_data_channel("text")
        self._channel.on_open(lambda: opened.append(None))
        self._channel.on_message(lambda data, _: messages.append(json.loads(data)))

    async def call(self, stream: Stream, ufrag: str, password: str) -> str:
        """Connect with these ICE credentials, or restart with them; the answer of the server."""
        self._candidates.clear()
        offer = (await self._pc.create_offer()).with_ice_credentials(ufrag, password)
        await self._pc.set_local_description(offer)
        await eventually(lambda: self._candidates, "a candidate")
        lines = [f"a={one.candidate}\r\n" for one in list(self._candidates)]
        sdp = offer.sdp + "".join(lines)
        assert f"a=ice-ufrag:{ufrag}" in sdp
        again = {key: self.answer[key] for key in ("webrtc_id", "secret") if self.answer}
        answer = await stream.offer({"sdp": sdp, "type": "offer", **again})
        assert "sdp" in answer, answer
        self.answer = answer
        described = reactor_webrtc.SessionDescription("answer", answer["sdp"])
        await self._pc.set_remote_description(described)
        await eventually(lambda: self._opened, "the data channel", within=10)
        text: str = answer["sdp"]
        return text

    async def says(self, words: str, handler: Silent) -> None:
        """Say something that the handler must hear."""
        text = json.dumps({"type": "message", "data": words})
        self._channel.send(text.encode(), False)
        await eventually(lambda: words in handler.only.messages, "the message")


@asynccontextmanager
async def ending(stream: Stream) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for id in stream.snapshot().sessions:
            stream.close(str(id))
        await gone(stream)


async def test_it_restarts_with_credentials_of_its_own() -> None:
    """The data channel goes on over the new ones, when the old ones are void."""
    handler = Silent()
    stream = Stream(handler, udp_port=0)
    async with ending(stream):
        talker = Talker()
        first = await talker.call(stream, "firstName", "PasswordOfTheFirstSession")
        await talker.says("before", handler)
        ice = shared_of(connection_of(peer_of(stream)))
        assert ice.remote_username == "firstName"
        second = await talker.call(stream, "secondName", "PasswordOfTheSecondSession")
        assert ice.remote_username == "secondName"
        assert first.split("a=ice-ufrag:")[1][:8] != second.split("a=ice-ufrag:")[1][:8]
        assert ice._line is not None
        agent = ice._line.agent
        await eventually(lambda: len(agent.ufrags) == 1, "the end of the old credentials", 10)
        await talker.says("after", handler)
        await asyncio.sleep(5)  # who is not heard is lost by then
        await talker.says("later", handler)


@pytest.mark.skipif(not find_coturn(), reason="coturn is not installed; scripts/test installs it")
@pytest.mark.parametrize("way", ["udp", "tcp"])
async def test_it_relays(way: Way, tmp_path: Path) -> None:
    """It may use nothing else, and the server sees the relay."""
    handler = Silent()
    stream = Stream(handler, udp_port=0)
    with running_coturn(tmp_path) as coturn:
        async with ending(stream):
            known = coturn.credentials(way)
            server = reactor_webrtc.IceServer(
                urls=known["urls"], username=known["username"], password=known["credential"]
            )
            talker = Talker(ice_servers=[server], ice_transport_type="relay")
            await talker.call(stream, "firstName", "PasswordOfTheFirstSession")
            await talker.says("relayed", handler)
            way_there = way_of(shared_of(connection_of(peer_of(stream))))
            assert way_there[1][0] == coturn.host
            assert coturn.count("allocation|ALLOCATE processed, success") > 0
