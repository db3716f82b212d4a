"""Checks of STUN and TURN servers: what each of them gives us."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiortc import (
    RTCConfiguration,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceServer,
    RTCPeerConnection,
)

from ..webrtc import ice
from ..webrtc.internals import gather_here
from .findings import Finding


async def gather(*servers: RTCIceServer) -> tuple[list[RTCIceCandidate], list[str]]:
    """What a session with these ICE servers would offer, and the warnings that it would log."""
    pc = RTCPeerConnection(RTCConfiguration(list(servers)))
    log = _Warnings()
    room = logging.getLogger("fastrtc_core.webrtc.internals")
    room.addHandler(log)
    try:
        pc.createDataChannel("doctor")
        offer = await pc.createOffer()
        gather_here(pc, None)
        await pc.setLocalDescription(offer)
        assert pc.sctp is not None  # there is a data channel
        gatherer: RTCIceGatherer = pc.sctp.transport.transport.iceGatherer
        return gatherer.getLocalCandidates(), log.texts
    finally:
        room.removeHandler(log)
        await pc.close()


class _Warnings(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


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
    return [await _check(server) for server in asked]  # one by one: each has warnings of its own


async def _check(server: RTCIceServer) -> Finding:
    url = str(server.urls)
    relays = url.startswith("turn")
    candidates, warnings = await gather(server)
    found = [one for one in candidates if one.type == ("relay" if relays else "srflx")]
    if found:
        what = "relays for us at" if relays else "sees us as"
        return Finding("ok", f"{url} {what} {found[0].ip}, port {found[0].port}")
    advice = (
        "Check its address, the credentials and their expiry, and that UDP (or TCP) to it is open."
        if relays
        else "Check its address, and that UDP to it is open. Only clients behind NAT need it."
    )
    return Finding("warning", "; ".join(warnings) or f"{url} gives us no address", advice)
