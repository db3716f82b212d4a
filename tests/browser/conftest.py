"""A Chromium and a Firefox with a spoken WAV file as microphone, and the servers they visit.

Tests of `open_page` are for Chromium alone. Those of `open_any_page` run in both, in Firefox as
soak tests: it costs seconds to start, and shows little that Chromium does not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from playwright.sync_api import (
    Error as PlaywrightError,
)

from .firefox import Firefox, FirefoxPage, firefox_path, running_firefox
from .sound import has_sound_server, running_sound
from .support import (
    ARTIFACTS,
    FLAGS,
    OpenAnyPage,
    Server,
    chromium_path,
    make_speech,
    serving,
)

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


@pytest.fixture(scope="package")
def firefox(tmp_path_factory: pytest.TempPathFactory, speech: Path) -> Iterator[Firefox]:
    """A Firefox that grants everything and hears the sentence over and over."""
    if firefox_path() is None or not has_sound_server():
        pytest.skip(
            "Firefox or PulseAudio is not installed: apt-get install firefox-esr pulseaudio"
        )
    folder = tmp_path_factory.mktemp("firefox")
    (folder / "sound").mkdir(mode=0o700)
    (folder / "profile").mkdir()
    with running_sound(folder / "sound") as sound:
        sound.play(speech)
        with running_firefox(folder / "profile", sound.environment) as running:
            yield running


@pytest.fixture(
    scope="package", params=["chromium", pytest.param("firefox", marks=pytest.mark.soak)]
)
def any_browser(request: pytest.FixtureRequest) -> Browser | Firefox:
    """Each of the browsers."""
    name = "browser" if request.param == "chromium" else "firefox"
    found: Browser | Firefox = request.getfixturevalue(name)
    return found


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages that may reach nothing but their own server, and must raise no error."""
    with pages_of_chromium(browser) as opened:
        yield opened


@pytest.fixture
def open_firefox_page(firefox: Firefox) -> Iterator[Callable[[str], FirefoxPage]]:
    """The same in Firefox."""
    with _pages_of_firefox(firefox) as opened:
        yield opened


@pytest.fixture
def open_any_page(any_browser: Browser | Firefox) -> Iterator[OpenAnyPage]:
    """The same in each of the browsers."""
    if isinstance(any_browser, Firefox):
        with _pages_of_firefox(any_browser) as opened:
            yield opened
    else:
        with pages_of_chromium(any_browser) as opened:
            yield opened


@contextmanager
def pages_of_chromium(browser: Browser) -> Iterator[OpenPage]:
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
        for page in context.pages:
            # As if its user went on to another page: one that is just closed may say no goodbye.
            with contextlib.suppress(PlaywrightError):
                page.goto("about:blank")
        context.close()
    assert not errors
    assert not foreign, "the page asked other hosts"


@contextmanager
def _pages_of_firefox(browser: Firefox) -> Iterator[Callable[[str], FirefoxPage]]:
    pages: list[FirefoxPage] = []
    hosts: set[str] = set()

    def opened(url: str) -> FirefoxPage:
        page = browser.new_page()
        pages.append(page)
        hosts.add(url.split("/")[2])
        page.goto(url)
        return page

    try:
        yield opened
    finally:
        for page in pages:
            page.close()
    for page in pages:
        assert not page.errors
        asked = (url.split("/")[2] for url in page.requests if not url.startswith("data:"))
        assert set(asked) <= hosts, "the page asked other hosts"


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
