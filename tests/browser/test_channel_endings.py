"""What a page in a channel reads when it has to leave, and how it stays with a new token."""

from __future__ import annotations

import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from fastrtc_core.channel import build_token

from .conftest import OpenPage
from .server import ACCESS_SECRET
from .support import Server, serving

pytestmark = pytest.mark.soak

JOIN = """async ([channel, uid, token]) => {
  window.told = [];
  window.channel = new Channel({ channel, uid, token, modality: "text" });
  for (const type of ["connection_state_changed", "user_left", "token_privilege_will_expire",
                      "token_privilege_did_expire", "token_renewed", "closing", "error"])
    window.channel.addEventListener(type, ({ detail }) => told.push([type, detail]));
  return await window.channel.connect();
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("access") as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def token_for(channel: str, uid: int, ttl: float = 600, **more: Any) -> str:
    return build_token("test", ACCESS_SECRET, channel=channel, uid=uid, ttl=ttl, **more)


def join(open_page: OpenPage, server: Server, channel: str, uid: int, token: str) -> Page:
    page = arrive(open_page, server)
    assert page.evaluate(JOIN, [channel, uid, token]), told(page, "error")
    return page


def arrive(open_page: OpenPage, server: Server) -> Page:
    page = open_page(server.url)
    page.wait_for_function("Boolean(window.Channel)")
    return page


def told(page: Page, type: str) -> list[Any]:
    """What a page was told, under a name."""
    found: list[Any] = page.evaluate(
        "(type) => told.filter(([one]) => one === type).map(([, detail]) => detail)", type
    )
    return found


def reason_of_end(page: Page) -> str:
    """Wait until the page is out, and return what it says of that."""
    page.wait_for_function("channel.state === 'closed'")
    last = told(page, "connection_state_changed")[-1]
    assert last["state"] == "closed"
    assert page.evaluate("[channel.uid, channel.users.size]") == [0, 0]
    reason: str = last["reason"]
    return reason


def post(server: Server, path: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(server.url + path, method="POST")):
        pass


def test_a_removed_member(server: Server, open_page: OpenPage) -> None:
    """It reads so; the others are told why it has left, and it may come again."""
    ada = join(open_page, server, "removing", 1, token_for("removing", 1))
    bob = join(open_page, server, "removing", 2, token_for("removing", 2))
    post(server, "/orders/remove/removing/1")
    assert reason_of_end(ada) == "You have been removed from the channel."
    assert told(ada, "closing") == ["removed"]
    bob.wait_for_function("told.some(([type]) => type === 'user_left')")
    (left,) = told(bob, "user_left")
    assert (left["uid"], left["reason"]) == (1, "removed")
    assert ada.evaluate(JOIN, ["removing", 1, token_for("removing", 1)])
    assert told(ada, "error") == told(bob, "error") == []


def test_an_ended_channel(server: Server, open_page: OpenPage) -> None:
    """Everybody reads so."""
    pages = [join(open_page, server, "ending", uid, token_for("ending", uid)) for uid in (1, 2)]
    post(server, "/orders/end/ending/0")
    for page in pages:
        assert reason_of_end(page) == "The channel has been ended."


def test_a_revoked_token(server: Server, open_page: OpenPage) -> None:
    """Whoever came in with it must leave; nobody comes in with it any more."""
    token = token_for("revoking", 1)
    ada = join(open_page, server, "revoking", 1, token)
    post(server, f"/revoke?token={urllib.parse.quote(token)}")
    assert reason_of_end(ada) == "Your access to the channel has been withdrawn."
    assert ada.evaluate(JOIN, ["revoking", 1, token]) is False
    (error,) = told(ada, "error")
    assert error["fatal"]
    assert error["message"] == "the token was used already"


def test_an_expired_token(server: Server, open_page: OpenPage) -> None:
    """A page is warned, told, and reads why it had to leave; one that is late is not let in."""
    # On a busy machine it takes seconds to join.
    ada = join(open_page, server, "expiring", 1, token_for("expiring", 1, ttl=6))
    (warning,) = told(ada, "token_privilege_will_expire")
    assert 0 <= warning["seconds"] <= 6
    assert reason_of_end(ada) == "Your access to the channel has expired."
    assert len(told(ada, "token_privilege_did_expire")) == 1
    assert (
        ada.evaluate(JOIN, ["expiring", 1, token_for("expiring", 1, ttl=5, now=time.time() - 10)])
        is False
    )
    (error,) = told(ada, "error")
    assert (error["code"], error["message"]) == ("token_refused", "the token has expired")


def test_a_renewed_token(server: Server, open_page: OpenPage) -> None:
    """What is no better token is refused in words, and a new one keeps the page in the channel."""
    first, end = token_for("renewing", 1, ttl=5), time.time() + 5
    ada = join(open_page, server, "renewing", 1, first)
    assert len(told(ada, "token_privilege_will_expire")) == 1
    less: Any = {"permissions": ["subscribe"]}
    for wrong, why in (
        (first, "the token was used already"),
        (token_for("renewing", 2), "the token is for another uid"),
        (token_for("another", 1), "the token is for another channel"),
        (token_for("renewing", 1, **less), "the token has other permissions: join again with it"),
        ("nonsense", "the token is malformed: it is not a JSON Web Token"),
    ):
        count = len(told(ada, "error"))
        assert ada.evaluate("(token) => channel.renewToken(token)", wrong)
        ada.wait_for_function(
            "(count) => told.filter(([type]) => type === 'error').length > count", arg=count
        )
        error = told(ada, "error")[-1]
        assert (error["message"], error["fatal"]) == (why, False)
    assert told(ada, "token_renewed") == []
    assert ada.evaluate("(token) => channel.renewToken(token)", token_for("renewing", 1))
    ada.wait_for_function("told.some(([type]) => type === 'token_renewed')")
    ada.wait_for_timeout(1000 * max(0, end + 1 - time.time()))  # the first one has ended by then
    assert ada.evaluate("channel.state") == "connected"
    assert len(told(ada, "token_privilege_will_expire")) == 1
    ada.evaluate("channel.disconnect()")
    assert not ada.evaluate("channel.renewToken('late')")


def test_a_full_channel_and_a_full_server(server: Server, open_page: OpenPage) -> None:
    """Whoever is too many reads so, and comes in when somebody has left."""
    pages = [join(open_page, server, "full", uid, token_for("full", uid)) for uid in (1, 2)]
    third = arrive(open_page, server)
    assert third.evaluate(JOIN, ["full", 3, token_for("full", 3)]) is False
    (error,) = told(third, "error")
    assert (error["code"], error["fatal"]) == ("concurrency_limit_reached", True)
    assert error["message"] == "'full' is full"
    assert told(third, "connection_state_changed")[-1] == {
        "state": "failed",
        "reason": error["message"],
    }
    pages[0].evaluate("channel.disconnect()")
    pages[1].wait_for_function("!channel.users.has(1)")
    assert third.evaluate(JOIN, ["full", 3, token_for("full", 3)])
    connecting = """() => {
      window.told = [];
      window.connection = new Connection({ offer: "/one/webrtc/offer", modality: "text" });
      connection.addEventListener("error", ({ detail }) => told.push(["error", detail]));
      return connection.connect();
    }"""
    assert pages[0].evaluate(connecting)
    assert third.evaluate(connecting) is False
    (error,) = told(third, "error")
    assert error["message"] == "the server is full; try again later"


def test_a_server_that_shuts_down(open_page: OpenPage) -> None:
    """A page reads so, and not that the connection was lost."""
    with serving("access") as server:
        ada = join(open_page, server, "closing", 1, token_for("closing", 1))
        server.interrupt()
        assert reason_of_end(ada) == "The server is shutting down."
