"""A real coturn between client and server, over UDP, TCP and TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastrtc_core import Stream, UnavailableError
from fastrtc_core.client import Client
from fastrtc_core.testing import tone
from fastrtc_core.webrtc import internals
from fastrtc_handlers import Echo

from ..inside import connection_of, peer_of
from .coturn import Coturn, Way, find_coturn, running_coturn
from .restarts import shared_of, way_of
from .support import eventually, gone, hear, speak

pytestmark = [
    pytest.mark.real_time,  # coturn is a process
    pytest.mark.skipif(
        not find_coturn(), reason="coturn is not installed; scripts/test installs it"
    ),
]


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as server:
        yield server


async def echoed(client: Client) -> None:
    """A tone comes back."""
    assert client.audio_stream is not None
    await speak(client, tone(440, 0.5, 48000))
    async with asyncio.timeout(5):  # what came before it is silent
        while np.abs(await hear(client.audio_stream, 0.02)).max() < 3000:
            pass


QUICKLY = [("udp", "both"), ("tls", "server"), ("tcp", "client")]
"""What the suite tries; the others take long."""

CASES = [
    pytest.param(way, side, marks=[] if (way, side) in QUICKLY else [pytest.mark.soak])
    for way in ("udp", "tcp", "tls")
    for side in ("client", "server", "both")
]


@pytest.mark.parametrize(("way", "side"), CASES)
async def test_media_over_a_relay(
    coturn: Coturn, way: Way, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the client may use nothing but a relay, the server, and both."""
    monkeypatch.setenv("SSL_CERT_FILE", str(coturn.certificate))
    freed = coturn.count("closed.*reason")
    options: dict[str, Any] = {"udp_port": 0}
    if side != "client":
        options = {"server_rtc_configuration": lambda: coturn.configuration(way)}
    stream = Stream(Echo(), **options)
    configuration = None if side == "server" else coturn.configuration(way)
    async with Client(stream.offer, rtc_configuration=configuration) as client:
        await echoed(client)
        if side == "client":
            remote = way_of(shared_of(connection_of(peer_of(stream))))[1]
            assert remote[0] == coturn.host
        else:
            sdp = connection_of(peer_of(stream)).localDescription.sdp
            lines = [line for line in sdp.splitlines() if line.startswith("a=candidate:")]
            assert lines
            assert all(" typ relay" in line for line in lines)
    await gone(stream)
    await eventually(lambda: coturn.count("closed.*reason") > freed, "the end of the relays")


@pytest.mark.soak
async def test_allocations_outlive_their_credentials(tmp_path: Path) -> None:
    """Coturn renews what stands, when the credentials have expired; it makes nothing new."""
    with running_coturn(tmp_path, "--stale-nonce", "1") as coturn:
        configuration = {
            "iceServers": [coturn.credentials(ttl=1)],
            "iceTransportPolicy": "relay",
        }
        stream = Stream(Echo(), server_rtc_configuration=configuration)
        async with Client(stream.offer, modality="audio") as client:
            await echoed(client)
            await asyncio.sleep(3)
            (dtls,) = internals.dtls_transports(connection_of(peer_of(stream)))
            (protocol,) = dtls.transport._connection._protocols
            refreshing = asyncio.create_task(protocol.transport._client.refresh(0))
            await eventually(lambda: coturn.count("refreshed.*lifetime=600"), "the renewal")
            refreshing.cancel()
            await echoed(client)
        await gone(stream)
        with pytest.raises(UnavailableError, match="only relays"):
            async with Client(stream.offer):
                pass
        await gone(stream)
