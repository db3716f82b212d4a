"""The UI inside an app: mounted with Gradio's own function, or a part of other Blocks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .axe import violations_at_all_sizes
from .conftest import OpenPage, Screenshot
from .support import Server
from .test_gradio_ui import SIZES, start

INDIGO = [79, 70, 229]
SCRIPT = Path(__file__).with_name("embedding_server.py")


@pytest.fixture(scope="module")
def mounted() -> Iterator[Server]:
    server = Server(SCRIPT, "mount")
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


def colour_of_start(page: Page) -> list[int]:
    """Red, green and blue, when its transition is over."""
    found: Any = page.get_by_role("button", name="Start").evaluate("""async (button) => {
      await Promise.all(button.getAnimations().map((one) => one.finished));
      const paint = new OffscreenCanvas(1, 1).getContext("2d");
      paint.fillStyle = getComputedStyle(button).backgroundColor;
      paint.fillRect(0, 0, 1, 1);
      return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }""")
    return [int(one) for one in found]


def test_mounted_has_its_look(mounted: Server, open_page: OpenPage) -> None:
    """`gr.mount_gradio_app` keeps the theme and the layout of the UI."""
    page = open_page(mounted.url + "/audio/")
    expect(page.locator("[data-part=root]")).to_have_count(1)
    assert colour_of_start(page) == INDIGO
    container = page.locator(".gradio-container").bounding_box()
    assert container is not None
    assert container["width"] <= 660
    accent = "getComputedStyle(document.body).getPropertyValue('--primary-500').trim()"
    assert page.evaluate(accent) == "#6366f1"


def test_inside_other_blocks(mounted: Server, open_page: OpenPage, screenshot: Screenshot) -> None:
    """Rendered there it is one widget that looks and works as ever; not rendered, it is none."""
    page = open_page(mounted.url + "/own/")
    expect(page.locator("[data-part=root]")).to_have_count(1)
    expect(page.get_by_role("slider")).to_have_count(2)
    assert colour_of_start(page) == INDIGO
    start(page)
    screenshot(page, "ui-inside-other-blocks")
    container = page.locator(".gradio-container").bounding_box()
    assert container is not None
    assert container["width"] > 1000, "the layout of the page belongs to the page"


@pytest.mark.parametrize(
    "kind",
    [
        "audio-video",
        *(pytest.param(kind, marks=pytest.mark.soak) for kind in ("audio", "video", "own")),
    ],
)
def test_everybody_can_read_it(
    mounted: Server, open_page: OpenPage, screenshot: Screenshot, kind: str
) -> None:
    """WCAG 2.2 AA holds, idle and running, with devices and an error shown, whatever the theme.

    Nothing is cut off, on a phone or a wide screen, and pictures of both are kept.
    """
    page = open_page(f"{mounted.url}/{kind}/", **SIZES["phone"])
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    part = "[data-part=root]" if kind == "own" else None  # the rest of that page is not ours
    assert violations_at_all_sizes(page, part) == []
    start(page)
    page.get_by_role("button", name="Choose devices").click()
    device = "Camera" if kind == "video" else "Microphone"
    expect(page.get_by_role("combobox", name=device)).to_be_visible()
    page.evaluate(
        "document.querySelector('[data-part=root]').connection.dispatchEvent("
        "new CustomEvent('error', { detail: { message: 'This failed on purpose.' } }))"
    )
    expect(page.get_by_role("alert")).to_be_visible()
    assert (
        violations_at_all_sizes(page, part, lambda size: screenshot(page, f"ui-{kind}-{size}"))
        == []
    )


def test_stage_takes_the_shape_of_the_picture(mounted: Server, open_page: OpenPage) -> None:
    """A wide camera fills the stage, and so does a high one as soon as the picture has turned."""
    page = open_page(f"{mounted.url}/video/", **SIZES["phone"])
    start(page)
    shape = """() => {
      const { width, height } = document.querySelector('[data-part=stage]').getBoundingClientRect();
      return width / height;
    }"""
    page.wait_for_function(f"Math.abs(({shape})() - 16 / 9) < 0.02")
    # What a phone does that is turned: the track goes on with width and height exchanged.
    page.evaluate(
        """async () => {
          const connection = document.querySelector('[data-part=root]').connection;
          const [track] = connection.localStream.getVideoTracks();
          await track.applyConstraints({ width: { exact: 360 }, height: { exact: 640 } });
        }"""
    )
    page.wait_for_function(f"Math.abs(({shape})() - 9 / 16) < 0.02")
    stage = page.locator("[data-part=stage]").bounding_box()
    assert stage is not None
    assert stage["height"] < 844, "it must fit on the screen"


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        pytest.param("both", signal.SIGINT, marks=pytest.mark.soak),
        pytest.param("mount", signal.SIGTERM, marks=pytest.mark.soak),
        pytest.param("launch", signal.SIGTERM, marks=pytest.mark.soak),
    ],
)
def test_sessions_end_with_the_server(
    open_page: OpenPage, kind: str, number: signal.Signals
) -> None:
    """Each is shut down once while its page is open, with the stream's own routes or without."""
    server = Server(SCRIPT, kind)
    paths = ["/"] if kind == "launch" else ["/audio/", "/own/"]
    try:
        server.wait_until_ready()
        for path in paths:
            start(open_page(server.url + path))
        server.process.send_signal(number)
        assert server.process.wait(10) in (0, -number)
    finally:
        server.kill()
    log = server.log.read_text()
    begun = log.count("on_connect")
    assert begun >= len(paths)
    assert log.count("shutdown") == log.count("on_disconnect") == begun
    assert "Traceback" not in log
