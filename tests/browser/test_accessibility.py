"""The pages of the demos can be read by everybody; those of the Gradio UI: `test_embedding.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from .axe import violations_at_all_sizes
from .conftest import OpenPage, Screenshot
from .support import ROOT, Server
from .test_gradio_ui import SIZES

PAGES = sorted(path.stem for path in (ROOT / "demo").glob("*.html"))


@pytest.fixture(scope="module")
def demos() -> Iterator[dict[str, Server]]:
    servers = {name: Server(ROOT / "demo" / f"{name}.py", port_option="--port") for name in PAGES}
    yield servers
    for server in servers.values():
        server.kill()


@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_read_it(
    demos: dict[str, Server], open_page: OpenPage, screenshot: Screenshot, name: str
) -> None:
    """WCAG 2.2 AA holds, idle and running, light and dark, and nothing is cut off.

    On a phone and on a wide screen.
    """
    demos[name].wait_until_ready()
    page = open_page(demos[name].url, **SIZES["phone"])
    begin = page.get_by_role("button", name="Join" if name == "meeting" else "Start", exact=True)
    expect(begin).to_be_visible()
    assert violations_at_all_sizes(page) == []
    begin.click()
    expect(page.get_by_role("status").first).to_have_text(re.compile("Connected|in the meeting"))
    if name != "websocket_client":
        mute(page)
    assert (
        violations_at_all_sizes(page, None, lambda size: screenshot(page, f"page-{name}-{size}"))
        == []
    )


def mute(page: Page) -> None:
    """Which changes the colour of the button."""
    page.get_by_role("button", name="Mute").first.click()
    expect(page.locator("button[aria-pressed=true]").first).to_be_visible()
