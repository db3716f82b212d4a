"""A stream and a channel behind a guard, and what a page of another name may do."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Playwright

from .conftest import OpenPage
from .support import FLAGS, Server, chromium_path

# Tries a client of a path, with headers if a token is given: what it got, or its error.
TRY = """async ([path, kind, token]) => {
  const client = await import(`${path}/webrtc/client.js`);
  const headers = token && (async () => ({ Authorization: `Bearer ${token}` }));
  const options = { modality: "text", channel: "room", headers, rtcConfiguration: "server" };
  const made = new client[kind](options);
  const said = new Promise((resolve) => {
    made.addEventListener("error", ({ detail }) => resolve(detail.message));
    made.addEventListener("message", ({ detail }) => resolve(detail.user));
    made.addEventListener("joined", () => resolve("joined"));
  });
  await made.connect();
  const text = await said;
  (made.connection ?? made).close();
  return text;
}"""


@pytest.fixture
def page(page_server: Server, open_page: OpenPage) -> Page:
    return open_page(page_server.url)


@pytest.mark.parametrize(
    ("path", "kind", "success"),
    [("/guarded", "Connection", "Ada"), ("/guarded/rtc", "Channel", "joined")],
)
def test_a_token_in_the_headers(page: Page, path: str, kind: str, success: str) -> None:
    """The script is public; every request has the headers; the guard's words reach the user."""
    assert page.evaluate(TRY, [path, kind, ""]) == "Sign in first."
    assert page.evaluate(TRY, [path, kind, "bad"]) == "Sign in first."
    assert page.evaluate(TRY, [path, kind, "good"]) == success


def test_a_name_that_leads_here(playwright: Playwright, page_server: Server) -> None:
    """A page of a foreign name that resolves to this machine; its browser says what it is."""
    rules = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    flags = [flag for flag in FLAGS if not flag.startswith("--host-resolver-rules")]
    browser: Browser = playwright.chromium.launch(
        executable_path=chromium_path(), args=[*flags, rules]
    )
    try:
        page = browser.new_page()
        page.goto(f"http://evil.example:{page_server.port}/")
        text = page.evaluate(TRY, ["/echo", "Connection", ""])
        assert "evil.example" in text
        assert "allowed_hosts" in text
        reason = page.evaluate("""() => new Promise((resolve) => {
          const socket = new WebSocket(`ws://${location.host}/echo/websocket/offer`);
          socket.onclose = ({ code, reason }) => resolve([code, reason]);
        })""")
        assert reason[0] == 1008
        assert "allowed_hosts" in reason[1]
    finally:
        browser.close()
