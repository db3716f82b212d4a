"""One Chromium with a spoken WAV file as its microphone, and the servers that it visits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    Route,
    expect,
    sync_playwright,
)

from .support import ARTIFACTS, FLAGS, Server, chromium_path, make_speech, serving

OpenPage = Callable[..., Page]
Screenshot = Callable[[Page, str], None]

expect.set_options(timeout=15_000)  # ms; machines that run tests are slow at times


@pytest.fixture(scope="package")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spoken sentence."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    make_speech(path)
    return path


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright, speech: Path) -> Iterator[Browser]:
    """A browser that grants everything and hears the sentence over and over."""
    granted = ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={speech}"]
    running = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS + granted)
    yield running
    running.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages that may reach nothing but their own server, and must raise no error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []
    foreign: list[str] = []

    def opened(url: str, **options: Any) -> Page:
        context = browser.new_context(permissions=["microphone", "camera"], **options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        host = url.split("/")[2]

        def block(route: Route) -> None:
            foreign.append(route.request.url)
            route.abort()

        page.route(lambda address: address.split("/")[2] != host, block)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not errors
    assert not foreign, "the page asked other hosts"


@pytest.fixture(scope="package")
def ui_server() -> Iterator[Server]:
    """The Gradio UI of `server.py`."""
    with serving("ui") as server:
        yield server


@pytest.fixture(scope="package")
def page_server() -> Iterator[Server]:
    """The plain page of `server.py`."""
    with serving("page") as server:
        yield server


@pytest.fixture
def screenshot() -> Screenshot:
    """Keeps a picture of a page as an artefact of the test run."""

    def take(page: Page, name: str) -> None:
        page.screenshot(path=ARTIFACTS / f"{name}.png")

    return take
