"""How pages load the modules of the browser client."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from fastrtc_core.browser import modules, version

from .conftest import OpenPage
from .support import Server

EXPORTS = [
    "Channel",
    "Connection",
    "ConnectionError",
    "Conversation",
    "Line",
    "Preview",
    "RpcError",
    "RpcErrorCode",
    "StreamError",
    "StreamReader",
    "StreamWriter",
]


RESOURCES = """() =>
  performance.getEntriesByType("resource").map(({ name, transferSize }) => [name, transferSize])"""


def exports(page: Page, address: str) -> Any:
    return page.evaluate("async (address) => Object.keys(await import(address)).sort()", address)


def test_pages_get_the_same_names_from_the_entry(open_page: OpenPage, page_server: Server) -> None:
    """And nothing else of what the modules tell each other."""
    page = open_page(page_server.url)
    assert exports(page, "/echo/webrtc/client.js") == EXPORTS


def test_every_module_loads_alone(open_page: OpenPage, page_server: Server) -> None:
    """Each imports all that it needs."""
    page = open_page(page_server.url)
    for name in modules():
        assert exports(page, f"/echo/webrtc/client/{version()}/{name}"), name


def test_a_page_that_comes_again_asks_for_the_entry_alone(
    open_page: OpenPage, page_server: Server
) -> None:
    """The modules are in the browser's cache, and need no request."""
    page = open_page(page_server.url)
    page.unroute_all()  # a page whose requests are looked at has no cache
    transferred = {}
    for _ in range(2):
        page.goto(page_server.url)
        page.wait_for_function("window.Connection !== undefined")
        transferred = {
            name: size for name, size in page.evaluate(RESOURCES) if "/webrtc/client" in name
        }
    assert len(transferred) == len(modules()) + 1
    fetched = [name for name, size in transferred.items() if size]
    assert [name.rpartition("/")[2] for name in fetched] == ["client.js"]


CONNECT = """async (address) => {
  const { Connection } = await import(address);
  const connection = new Connection({ modality: "text", rtcConfiguration: "server" });
  const said = new Promise((resolve) => {
    connection.addEventListener("error", ({ detail }) => resolve(detail.message));
    connection.addEventListener("message", ({ detail }) => resolve(detail));
  });
  await connection.connect();
  const answer = await said;
  connection.close();
  return answer;
}"""


def test_a_page_of_another_origin_behind_a_prefix(open_page: OpenPage, page_server: Server) -> None:
    """The client asks the server that it came from, below the prefix that a proxy has taken off."""
    page = open_page(page_server.url)
    page.unroute_all()
    address = f"http://localhost:{page_server.port}/prefix/echo/webrtc/client.js"
    assert page.evaluate(CONNECT, address) == {"args": []}
    offers = [one for one in page.evaluate(RESOURCES) if one[0].endswith("/offer")]
    assert [name for name, _ in offers] == [address.replace("client.js", "offer")]
