"""ICE servers for both sides, as a dict, a list, or a function that returns one."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from aiortc.rtcicetransport import parse_stun_turn_uri

from ..errors import ConfigurationError
from ..session.calls import call_once
from ..usercode import guarded

RtcConfiguration = Mapping[str, Any] | Sequence[Mapping[str, Any]]
RtcConfigurationSource = (
    RtcConfiguration | Callable[[], RtcConfiguration | Awaitable[RtcConfiguration]] | None
)
"""An `RTCConfiguration` dictionary of W3C WebRTC, its list of `iceServers` alone, or the one server
in it. Or a sync or async function that returns any of these, for credentials that expire; or
`None`."""


async def resolve(source: RtcConfigurationSource) -> dict[str, Any]:
    """The configuration as a dictionary with `iceServers`; a sync function runs on a thread.

    Raises:
        ConfigurationError: If it is none of the forms above.
    """
    value: Any = source
    if callable(value):
        value = await call_once(value, "ice-servers")
        if inspect.isawaitable(value):
            value = await guarded(value)
    if value is None:
        return {"iceServers": []}
    if isinstance(value, list | tuple) and all(isinstance(one, Mapping) for one in value):
        value = {"iceServers": list(value)}
    if isinstance(value, Mapping) and ("urls" in value or "url" in value):
        value = {"iceServers": [value]}
    if not isinstance(value, Mapping):
        raise ConfigurationError("an RTC configuration is a dict with 'iceServers', or their list")
    return {"iceServers": [], **value}


def for_aiortc(configuration: Mapping[str, Any]) -> RTCConfiguration:
    """The configuration for the server's side. Without ICE servers it asks nobody, not even STUN.

    Raises:
        ConfigurationError: If a server is not described as in W3C WebRTC.
    """
    policy = configuration.get("iceTransportPolicy", "all")
    try:
        return RTCConfiguration(
            iceServers=[_ice_server(server) for server in configuration.get("iceServers") or []],
            iceTransportPolicy=RTCIceTransportPolicy(policy),
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"the ICE servers cannot be used: {error}") from None


def _ice_server(server: Mapping[str, Any]) -> RTCIceServer:
    urls = server["urls"] if "urls" in server else server["url"]
    for url in [urls] if isinstance(urls, str) else urls:
        parse_stun_turn_uri(url)
    return RTCIceServer(
        urls=urls, username=server.get("username"), credential=server.get("credential")
    )
