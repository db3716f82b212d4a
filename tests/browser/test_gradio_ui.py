"""The Gradio UI in a real browser: speech, video, messages, inputs, outputs, looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import OpenPage, pages_of_chromium
from .support import RATE, Server, correlate, envelope, read_speech, record

ROOT = "document.querySelector('[data-part=root]')"
CONNECTION = f"{ROOT}.connection"
REMOTE = f"new MediaStream({CONNECTION}.remoteStream.getAudioTracks())"
LOCAL = f"new MediaStream({CONNECTION}.localStream.getAudioTracks())"
SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 860}},
    "dark": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}


def start(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("status").first).to_have_text("Connected")


def set_amount(page: Page, value: int) -> None:
    """Give the handler another of its inputs."""
    amount = page.get_by_role("spinbutton").nth(0)
    amount.fill(str(value))
    amount.press("Tab")


def stop(page: Page) -> None:
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status").first).to_have_text("Ended")


@pytest.mark.soak
def test_speech_comes_back(ui_server: Server, open_page: OpenPage, speech: Path) -> None:
    """What is said into the microphone is what the page plays, well within a second."""
    page = open_page(ui_server.url)
    start(page)
    page.wait_for_timeout(1000)  # the jitter buffers settle
    spoken = np.tile(envelope(read_speech(speech)), 3)
    for _ in range(3):  # a machine that is busy with something else drops audio: ask again
        sent, heard = record(page, f"[{LOCAL}, {REMOTE}]", 5.0)
        likeness, _ = correlate(envelope(heard), spoken)
        # Piece by piece, as the browser's jitter buffer stretches and shortens time a little.
        starts = range(0, 4 * RATE, RATE // 2)
        pieces = [(sent[at : at + RATE // 2], heard[at : at + RATE]) for at in starts]
        found = np.array([correlate(*piece) for piece in pieces if piece[0].std() > 0.01])
        same_waveform, delay = np.median(found, axis=0)
        if likeness > 0.8 and same_waveform > 0.8:
            break
    assert likeness > 0.8, "this is not the sentence that was spoken"
    assert same_waveform > 0.8, "the waveform has changed on its way"
    assert 0.01 < delay / RATE < 0.4
    stop(page)


RECONNECT = f"""async () => {{
  const shown = [];
  const status = document.querySelector("[role=status]");
  const observer = new MutationObserver(() => shown.push(status.textContent));
  observer.observe(status, {{ childList: true, characterData: true, subtree: true }});
  const connection = {CONNECTION};
  const id = connection.id;
  const connected = new Promise((next) => {{
    connection.addEventListener("state", ({{ detail }}) => detail.state === "connected" && next());
  }});
  dispatchEvent(new Event("online"));
  await connected;
  await new Promise((next) => setTimeout(next));
  observer.disconnect();
  return [shown, connection.id === id];
}}"""


@pytest.fixture(scope="class")
def used_page(ui_server: Server, browser: Browser) -> Iterator[Page]:
    """A page that several tests use, one after the other: Gradio takes seconds to open one."""
    with pages_of_chromium(browser) as opened:
        yield opened(ui_server.url)


@pytest.fixture
def page(used_page: Page) -> Page:
    """The same, connected and without messages, whatever the test before has left."""
    used_page.get_by_role("button", name=re.compile("Start|Stop")).wait_for()
    if used_page.get_by_role("button", name="Start").is_visible():
        start(used_page)
    expect(used_page.get_by_role("status").first).to_have_text("Connected")
    used_page.evaluate("document.querySelectorAll('[role=alert] button').forEach((x) => x.click())")
    expect(used_page.get_by_role("alert")).to_have_count(0)
    return used_page


class TestOneSession:
    """What a session shows, whatever came before in it."""

    def test_video_moves(self, page: Page) -> None:
        """The picture that comes back is the size of the camera's, and moves."""
        grab = """async () => {
          const video = document.querySelector('[data-part=remote-video]');
          const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
          const paint = canvas.getContext('2d');
          const pictures = [];
          for (let n = 0; n < 4; n++) {
            await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
            paint.drawImage(video, 0, 0);
            const { data } = paint.getImageData(0, 0, canvas.width, canvas.height);
            pictures.push(data.reduce((sum, value) => sum + value));
            await new Promise((resolve) => setTimeout(resolve, 250));
          }
          return [canvas.width, canvas.height, new Set(pictures).size];
        }"""
        page.wait_for_function("document.querySelector('[data-part=remote-video]').videoWidth > 0")
        width, height, different = page.evaluate(grab)
        assert (width, height) == (320, 240)
        assert different == 4
        expect(page.get_by_label("Your camera")).to_be_visible()

    def test_inputs_and_outputs_are_live(self, page: Page) -> None:
        """Inputs go with the offer and at each change; every output shows, none is lost."""
        amount, frames = page.get_by_role("spinbutton").nth(0), page.get_by_label("Frames")
        log = page.get_by_label("Log")
        expect(log).to_have_value(re.compile("^started with 3 and 1\n"))
        before, value = log.input_value(), "5" if amount.input_value() == "4" else "4"
        set_amount(page, int(value))
        expect(log).to_have_value(f"{before}changed to {value} and 1\n")
        counted = float(frames.input_value())
        page.wait_for_timeout(600)
        assert float(frames.input_value()) > counted

    def test_outputs_that_cannot_be_shown(self, page: Page) -> None:
        """A handler of outputs that fails is told once, and the next outputs are shown again."""
        set_amount(page, 8)
        expect(page.get_by_text("The server could not show its outputs.")).to_be_visible()
        set_amount(page, 6)
        expect(page.get_by_label("Log")).to_have_value(re.compile("changed to 6 and 1"))

    def test_messages_of_the_server_become_toasts(self, page: Page) -> None:
        """A warning and an error of the handler are shown in its words, and the session goes on."""
        set_amount(page, 9)
        expect(page.get_by_text("Nine is a lot.")).to_be_visible()
        set_amount(page, 10)
        expect(page.get_by_role("alert").get_by_text("Ten is too much.")).to_be_visible()
        page.get_by_role("alert").get_by_role("button", name="Dismiss").click()
        expect(page.get_by_text("Ten is too much.")).to_be_hidden()
        expect(page.get_by_role("status").first).to_have_text("Connected")

    def test_another_network_is_a_restart_of_ice(self, page: Page) -> None:
        """The UI says that it reconnects; its offer goes the way of all its offers."""
        assert page.evaluate(RECONNECT) == [["Reconnecting…", "Connected"], True]
        set_amount(page, 7)
        expect(page.get_by_label("Log")).to_have_value(re.compile("changed to 7 and 1"))

    def test_an_error_on_every_frame_is_one_toast(self, page: Page) -> None:
        """It says how often it came, and what follows takes its place."""
        set_amount(page, 2)
        alerts = page.get_by_role("alert")
        expect(alerts).to_have_text([re.compile(r"^Two is too few\.")])
        expect(alerts).to_have_text([re.compile(r"failed on \d\d+ frames: Two is too few\.")])
        first = alerts.element_handle()
        page.wait_for_function(
            "(toast) => !toast.isConnected", arg=first
        )  # the next count has come
        expect(alerts).to_have_text([re.compile(r"failed on \d\d+ frames: Two is too few\.")])
        expect(page.get_by_role("status").first).to_have_text("Connected")

    def test_a_full_server_says_so(
        self, page: Page, ui_server: Server, open_page: OpenPage
    ) -> None:
        """One session too many is refused in words; a place that was given up is free at once."""
        second = open_page(ui_server.url)
        second.get_by_role("button", name="Start").click()
        expect(second.get_by_role("alert")).to_contain_text("server is full")
        expect(second.get_by_role("button", name="Start")).to_be_visible()
        stop(page)
        start(second)
        stop(second)


def test_keyboard_is_enough(ui_server: Server, open_page: OpenPage) -> None:
    """Start, mute, choose devices and stop without a mouse."""
    page = open_page(ui_server.url)
    start_button = page.get_by_role("button", name="Start")
    expect(start_button).to_be_enabled()  # what is disabled takes no focus
    start_button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("Connected")
    mute = page.get_by_role("button", name="Mute microphone")
    mute.focus()
    page.keyboard.press("Space")
    expect(mute).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(f"{CONNECTION}.localStream.getAudioTracks()[0].enabled") is False
    devices = page.get_by_role("button", name="Choose devices")
    devices.focus()
    page.keyboard.press("Enter")
    expect(devices).to_have_attribute("aria-expanded", "true")
    page.get_by_role("combobox", name="Microphone").select_option("Fake Audio Input 2")
    page.wait_for_function(
        f"{CONNECTION}.localStream.getAudioTracks()[0].label == 'Fake Audio Input 2'"
    )
    assert page.evaluate(f"{CONNECTION}.localStream.getAudioTracks()[0].enabled") is False
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("Ended")
