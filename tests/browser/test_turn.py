"""Chromium over a real coturn: relays of its own, of the server, and of both."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, Playwright

from tests.webrtc.coturn import SECRET, Coturn, Way, find_coturn, running_coturn

from .conftest import OpenPage, pages_of_chromium
from .support import FLAGS, Server, chromium_path, serving

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not find_coturn(), reason="coturn is not installed; scripts/test installs it"
    ),
]

CONNECT = """async (path) => {
  window.peers = [];
  window.states = [];
  window.asked = 0;
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...args) { super(...args); peers.push(this); }
  };
  const rtcConfiguration = async () => {
    asked += 1;
    return (await fetch(`${path}/webrtc/config`)).json();
  };
  window.connection = new Connection({ offer: `${path}/webrtc/offer`, rtcConfiguration });
  connection.addEventListener("state", ({ detail }) => states.push(detail.state));
  return await connection.connect();
}"""
WAY = """async () => {
  const stats = await peers[0].getStats();
  const all = [...stats.values()];
  const { selectedCandidatePairId } = all.find(({ type }) => type === "transport");
  const pair = stats.get(selectedCandidatePairId);
  const inbound = all.find(({ type }) => type === "inbound-rtp");
  return {
    local: stats.get(pair.localCandidateId).candidateType,
    protocol: stats.get(pair.localCandidateId).relayProtocol,
    remote: stats.get(pair.remoteCandidateId).candidateType,
    packets: inbound?.packetsReceived ?? 0,
  };
}"""


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as server:
        yield server


@pytest.fixture(scope="module")
def open_trusting_page(playwright: Playwright) -> Iterator[OpenPage]:
    """Pages of a browser that takes the certificate of any TURN server."""
    more = ["--use-fake-ui-for-media-stream", "--ignore-certificate-errors"]
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS + more)
    with pages_of_chromium(browser) as opened:
        yield opened
    browser.close()


@contextmanager
def relaying(coturn: Coturn, way: Way) -> Iterator[Server]:
    """The server, which uses coturn in one way."""
    os.environ |= {
        "TURN_SECRET": SECRET,
        "TURN_URL": coturn.url(way),
        "SSL_CERT_FILE": str(coturn.certificate),
    }
    try:
        with serving("relay") as server:
            yield server
    finally:
        for name in ("TURN_SECRET", "TURN_URL", "SSL_CERT_FILE"):
            del os.environ[name]


def sounds(page: Page, more: int = 50, within: float = 10) -> dict[str, Any]:
    """The way that media go, once more of them have come."""
    begun: int = page.evaluate(WAY)["packets"]
    deadline = time.monotonic() + within
    while True:
        way: dict[str, Any] = page.evaluate(WAY)
        if way["packets"] >= begun + more:
            return way
        assert time.monotonic() < deadline, way
        page.wait_for_timeout(50)


@pytest.mark.parametrize(
    ("way", "path"),
    [
        ("udp", "/client"),
        ("udp", "/server"),
        ("udp", "/both"),
        ("tcp", "/client"),
        ("tls", "/client"),
    ],
)
def test_each_side_relays(
    coturn: Coturn, way: Way, path: str, open_trusting_page: OpenPage
) -> None:
    """What is sent by each, and over which protocol it reaches its relay."""
    with relaying(coturn, way) as server:
        page = open_trusting_page(server.url)
        page.wait_for_function("!!window.Connection")
        assert page.evaluate(CONNECT, path)
        found = sounds(page)
        expected = ["host", None] if path == "/server" else ["relay", way]
        assert [found["local"], found["protocol"]] == expected
        assert (found["remote"] == "relay") is (path != "/client")
        page.evaluate("connection.close()")


def test_a_restart_with_fresh_credentials(coturn: Coturn, open_page: OpenPage) -> None:
    """Relays are gone, and the credentials have expired: with fresh ones, the session goes on."""
    with relaying(coturn, "udp") as server:
        page = open_page(server.url)
        page.wait_for_function("!!window.Connection")
        assert page.evaluate(CONNECT, "/client")
        sounds(page)
        page.wait_for_timeout(2500)
        assert page.evaluate("asked") == 1
        coturn.stop()
        coturn.start()
        # Without a word, Chromium notices after 5 s; then the server has given it up.
        page.evaluate("dispatchEvent(new Event('online'))")
        page.wait_for_function("states.at(-1) === 'reconnecting'")
        page.wait_for_function("states.at(-1) === 'connected'")
        assert sounds(page)["local"] == "relay"
        assert page.evaluate("asked") >= 2
        assert server.get("/sessions/client") == "1"
        assert page.evaluate("peers.length") == 1
