"""Checks of STUN and TURN servers: what each of them gives us."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiortc import RTCIceCandidate, RTCIceGatherer, RTCIceServer, RTCIceTransport

from ..webrtc import ice
from .findings import Finding

TIMEOUT = 10.0
"""How long in s a server may take to answer."""


async def gather(*servers: RTCIceServer) -> list[RTCIceCandidate]:
    """The candidates of this machine, as a session with these ICE servers gathers them."""
    gatherer = RTCIceGatherer(iceServers=list(servers))
    try:
        await gatherer.gather()
        candidates: list[RTCIceCandidate] = gatherer.getLocalCandidates()
        return candidates
    finally:
        await RTCIceTransport(gatherer).stop()  # closes its sockets


async def check_ice_servers(servers: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Ask each server for an address, one URL at a time.

    Args:
        servers: In the form of W3C WebRTC: `urls`, `username`, `credential`.

    Raises:
        ConfigurationError: If a server is not in that form.
    """
    configuration = ice.for_aiortc({"iceServers": list(servers)})
    asked = [
        RTCIceServer(urls=url, username=server.username, credential=server.credential)
        for server in configuration.iceServers or []
        for url in ([server.urls] if isinstance(server.urls, str) else server.urls)
    ]
    return list(await asyncio.gather(*map(_check, asked)))


async def _check(server: RTCIceServer) -> Finding:
    url = str(server.urls)
    relays = url.startswith("turn")
    try:
        async with asyncio.timeout(TIMEOUT):
            found = [one for one in await gather(server) if one.type != "host"]
    except Exception as error:  # whatever the network and the server answer
        return _failed(url, relays, str(error) or "no answer")
    if not found:
        return _failed(url, relays, "no answer")
    what = "relays for us at" if relays else "sees us as"
    return Finding("ok", f"{url} {what} {found[0].ip}, port {found[0].port}")


def _failed(url: str, relays: bool, why: str) -> Finding:
    advice = (
        "Check its address, the credentials and their expiry, and that UDP (or TCP) to it is open."
        if relays
        else "Check its address, and that UDP to it is open. Only clients behind NAT need it."
    )
    return Finding("warning", f"{url} gives us no address: {why}", advice)
