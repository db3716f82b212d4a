"""ICE servers: the forms in which they may be given, and what aiortc gets of them."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import Any

import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from fastrtc_core import ConfigurationError
from fastrtc_core.webrtc.ice import for_aiortc, resolve

STUN = {"urls": "stun:stun.example.com:3478"}
TURN = {
    "urls": ["turn:turn.example.com:3478?transport=udp", "turns:turn.example.com"],
    "username": "u",
    "credential": "c",
}


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


class AsyncSource:
    async def __call__(self) -> Any:
        return [STUN]


@pytest.mark.parametrize(
    ("source", "servers"),
    [
        (None, []),
        ([], []),
        ([STUN, TURN], [STUN, TURN]),
        ({}, []),
        ({"iceServers": [STUN]}, [STUN]),
        (TURN, [TURN]),
        ({"url": "stun:a.example.com"}, [{"url": "stun:a.example.com"}]),
        (lambda: None, []),
        (lambda: TURN, [TURN]),
        (lambda: [STUN], [STUN]),
        (lambda: {"iceServers": [TURN]}, [TURN]),
        (functools.partial(later, [STUN]), [STUN]),
        (functools.partial(later, None), []),
        (lambda: later({"iceServers": [STUN]}), [STUN]),
        (AsyncSource(), [STUN]),
    ],
)
async def test_every_form_becomes_a_dictionary_of_servers(source: Any, servers: Any) -> None:
    """A dict, a list, a sync or async function of either, or nothing at all."""
    assert (await resolve(source))["iceServers"] == servers


async def test_the_rest_of_the_configuration_is_kept() -> None:
    """What browsers understand beside the servers reaches them."""
    source = {"iceServers": [STUN], "iceTransportPolicy": "relay", "bundlePolicy": "max-bundle"}
    assert await resolve(source) == source


async def test_a_function_is_asked_each_time() -> None:
    """Credentials expire: nothing is remembered from one session to the next."""
    credentials = iter("ab")
    for expected in "ab":
        source = await resolve(lambda: [{**TURN, "credential": next(credentials)}])
        assert source["iceServers"][0]["credential"] == expected


async def test_a_sync_function_runs_off_the_loop() -> None:
    """It may ask a server for credentials; the event loop goes on."""
    threads: list[int] = []

    def ask() -> list[Any]:
        threads.append(threading.get_ident())
        return []

    await resolve(ask)
    assert len(threads) == 1
    assert threads != [threading.get_ident()]


async def test_a_function_that_fails_is_heard() -> None:
    """Its exception comes out as it is."""

    def fail() -> Any:
        raise OSError("no credentials today")

    with pytest.raises(OSError, match="no credentials"):
        await resolve(fail)


@pytest.mark.parametrize("value", ["stun:stun.example.com", 5, ("a",), [TURN, "turn:b"], {1, 2}])
async def test_any_other_form_is_refused(value: Any) -> None:
    """A lone URL is not a configuration, neither given nor returned."""
    for source in (value, lambda: value):
        with pytest.raises(ConfigurationError, match="iceServers"):
            await resolve(source)


async def test_without_servers_nobody_is_asked() -> None:
    """An empty configuration means no STUN server, not aiortc's default one."""
    configurations: list[dict[str, Any]] = [{}, {"iceServers": []}, {"iceServers": None}]
    for configuration in configurations:
        made = for_aiortc(configuration)
        assert made.iceServers == []
        pc = RTCPeerConnection(made)
        pc.createDataChannel("x")
        await pc.setLocalDescription(await pc.createOffer())
        sdp = pc.localDescription.sdp
        await pc.close()
        assert " typ host" in sdp
        assert " typ srflx" not in sdp


def test_servers_are_handed_to_aiortc() -> None:
    """URLs and credentials arrive; `url`, the old name, is understood."""
    made = for_aiortc({"iceServers": [{"url": "stun:a.example.com"}, TURN]})
    assert made.iceServers is not None
    old, turn = made.iceServers
    assert old.urls == "stun:a.example.com"
    assert (turn.urls, turn.username, turn.credential) == (TURN["urls"], "u", "c")
    assert made.iceTransportPolicy is RTCIceTransportPolicy.ALL


def test_the_policy_is_handed_to_aiortc() -> None:
    """`relay` is the enumeration that aiortc wants."""
    made = for_aiortc({"iceServers": [TURN], "iceTransportPolicy": "relay"})
    assert made.iceTransportPolicy is RTCIceTransportPolicy.RELAY


@pytest.mark.parametrize(
    "configuration",
    [
        {"iceServers": ["stun:stun.example.com"]},
        {"iceServers": [{}]},
        {"iceServers": [None]},
        {"iceServers": {"urls": "stun:a"}},
        {"iceServers": "stun:a"},
        {"iceServers": [{"urls": 5}]},
        {"iceServers": [{"urls": None}]},
        {"iceServers": [{"urls": "http://example.com"}]},
        {"iceServers": [{"urls": ["stun:a.example.com", "nonsense"]}]},
        {"iceServers": [{"urls": "stun:a.example.com:port"}]},
        {"iceTransportPolicy": "none"},
        {"iceTransportPolicy": ["relay"]},
        {"iceTransportPolicy": None},
    ],
)
def test_servers_that_cannot_be_used_are_refused(configuration: Any) -> None:
    """They are found before a connection is made."""
    with pytest.raises(ConfigurationError, match="ICE servers cannot be used"):
        for_aiortc(configuration)
