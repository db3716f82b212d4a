"""Pages that come back to their session: after a reload, and after a connection that was lost."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from playwright.sync_api import Page

from .conftest import OpenPage
from .support import Server

OPEN = """(options) => {
  const offer = "/resumable/webrtc/offer";
  window.connection = new Connection({ offer, resume: true, ...options });
  window.states = [];
  window.said = [];
  window.until = async (what) => {
    while (!(await what())) await new Promise((next) => setTimeout(next, 10));
  };
  connection.addEventListener("state", ({ detail }) =>
    states.push(detail.resumed ? `${detail.state} again` : detail.state));
  connection.addEventListener("message", ({ detail }) => said.push(detail));
  window.peers = [];
  if (!window.Original) {
    window.Original = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Original {
      constructor(...args) { super(...args); peers.push(this); }
    };
  }
  window.heard = async () => {
    for (const report of (await peers.at(-1).getStats()).values())
      if (report.type === "inbound-rtp") return report.totalAudioEnergy > 0;
    return false;
  };
  window.ask = async () => {
    said.length = 0;
    connection.send("count");
    await until(() => said.length);
    return said.at(-1);
  };
}"""
CONNECT = (
    "async () => { if (!(await connection.connect())) throw new Error(states); return ask(); }"
)


def opened(page: Page, **options: Any) -> None:
    page.wait_for_function("!!window.Connection")
    page.evaluate(OPEN, options)


def sessions(server: Server) -> int:
    count: int = json.loads(server.get("/sessions/resumable"))
    return count


def gone(server: Server, within: float = 2.0) -> None:
    """Wait until no session is left."""
    deadline = time.monotonic() + within
    while sessions(server):
        assert time.monotonic() < deadline, f"{sessions(server)} sessions are left"
        time.sleep(0.05)


def test_the_connection_is_lost(page_server: Server, open_page: OpenPage) -> None:
    """The same object comes back to the same handler; goodbye is said by `close` alone."""
    page = open_page(page_server.url)
    opened(page)
    assert page.evaluate(CONNECT) == {"count": 1, "calls": []}
    id = page.evaluate("connection.id")
    page.evaluate("connection.drop()")
    page.evaluate("until(() => states.at(-1) === 'connected again')")
    assert page.evaluate("ask()") == {"count": 2, "calls": ["pause", "resume"]}
    page.evaluate("until(heard)")
    assert page.evaluate("states") == ["connecting", "connected", "reconnecting", "connected again"]
    assert page.evaluate("[connection.id, connection.resumed]") == [id, True]
    page.evaluate("connection.close()")
    gone(page_server)
    assert not page.evaluate("connection.resumable")
    # What has ended is begun anew.
    assert page.evaluate(CONNECT) == {"count": 1, "calls": []}
    assert page.evaluate("states.at(-1)") == "connected"
    page.evaluate("connection.close()")
    gone(page_server)


@pytest.mark.soak
def test_a_page_is_reloaded(page_server: Server, open_page: OpenPage) -> None:
    """Again and again: it comes back to the same handler, and hears it within 1.5 s."""
    page = open_page(page_server.url)
    opened(page)
    assert page.evaluate(CONNECT) == {"count": 1, "calls": []}
    page.evaluate("until(heard)")
    id = page.evaluate("connection.id")
    took: list[float] = []
    for times in range(1, 6):
        before = time.monotonic()
        page.reload()
        opened(page)
        assert page.evaluate("connection.resumable")
        began = time.monotonic()
        connecting = page.evaluate("connection.connect().then((done) => done && until(heard))")
        took.append(time.monotonic() - before)
        print(f"{connecting}: {took[-1]:.2f} s, {time.monotonic() - began:.2f} s from `connect`")
        answer = page.evaluate("ask()")
        assert answer == {"count": 1 + times, "calls": ["pause", "resume"] * times}
        assert page.evaluate("[connection.id, connection.resumed]") == [id, True]
        assert sessions(page_server) == 1
    assert min(took) < 1.5, took
    page.evaluate("connection.close()")
    gone(page_server)


@pytest.mark.soak
def test_what_a_page_finds(page_server: Server, open_page: OpenPage) -> None:
    """A session that the server ended is not come back to; nor one that another page has taken."""
    page = open_page(page_server.url)
    opened(page)
    page.evaluate(CONNECT)
    page.reload()
    opened(page)
    page.evaluate("fetch('/close/resumable', { method: 'POST' })")
    gone(page_server)
    assert page.evaluate("connection.resumable")
    assert page.evaluate(CONNECT) == {"count": 1, "calls": []}
    assert page.evaluate("[states.at(-1), connection.resumed]") == ["connected", False]
    # As a tab that is duplicated does: it has what the first one has.
    stored = page.evaluate("JSON.stringify({ ...sessionStorage })")
    other = page.context.new_page()
    other.goto(page_server.url)
    other.evaluate("(stored) => Object.assign(sessionStorage, JSON.parse(stored))", stored)
    opened(other)
    assert other.evaluate(CONNECT) == {"count": 2, "calls": ["pause", "resume"]}
    page.evaluate("until(() => states.at(-1) === 'closed')")
    assert sessions(page_server) == 1
    # The server ends it: nobody comes back.
    other.evaluate("fetch('/close/resumable', { method: 'POST' })")
    other.evaluate("until(() => states.at(-1) === 'closed')")
    assert not other.evaluate("connection.resumable")
    gone(page_server)


@pytest.mark.soak
def test_a_page_without_the_option(page_server: Server, open_page: OpenPage) -> None:
    """Is not waited for, by the same stream."""
    page = open_page(page_server.url)
    opened(page, resume=False)
    page.evaluate(CONNECT)
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    gone(page_server)
