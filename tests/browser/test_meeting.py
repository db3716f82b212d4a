"""Three browsers in one channel: the demo `meeting`."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import FilePayload, Page, expect

from .conftest import OpenPage, Screenshot
from .support import ROOT, Server, record

FREQUENCIES = {"Ada": 500, "Bob": 900, "Cleo": 1500}

# A microphone that hears a tone.
TONE = """(frequency) => {
  navigator.mediaDevices.getUserMedia = async () => {
    const context = new AudioContext();
    const oscillator = new OscillatorNode(context, { frequency });
    const gain = new GainNode(context, { gain: 0.2 });
    const destination = context.createMediaStreamDestination();
    oscillator.connect(gain).connect(destination);
    oscillator.start();
    return destination.stream;
  };
}"""


@pytest.fixture(scope="module")
def meeting() -> Iterator[Server]:
    server = Server(ROOT / "demo" / "meeting.py", port_option="--port")
    server.wait_until_ready()
    yield server
    assert server.interrupt() == 0, server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def enter(open_page: OpenPage, server: Server, name: str) -> Page:
    page = open_page(server.url)
    page.evaluate(TONE, FREQUENCIES[name])
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("status")).to_have_text("You are in the meeting")
    return page


def people(page: Page) -> list[str]:
    return page.get_by_role("list", name="People").get_by_role("listitem").all_text_contents()


def write(page: Page, text: str) -> None:
    page.get_by_label("Write to everybody").fill(text)
    page.keyboard.press("Enter")


def send_file(pages: dict[str, Page]) -> None:
    """Bob sends a file; the others find it in the chat, with its size, and get its bytes."""
    data = bytes(range(256)) * 1000
    file = FilePayload(name="plan.bin", mimeType="application/octet-stream", buffer=data)
    with pages["Bob"].expect_file_chooser() as chooser:
        pages["Bob"].get_by_role("button", name="Send a file to everybody").click()
    chooser.value.set_files(file)
    for name in ("Ada", "Cleo"):
        item = pages[name].get_by_role("list", name="Chat").get_by_role("listitem").last
        expect(item).to_have_text("Bobplan.bin (256 kB)")
        with pages[name].expect_download() as download:
            item.get_by_role("link", name="plan.bin").click()
        assert download.value.suggested_filename == "plan.bin"
        assert download.value.path().read_bytes() == data
    own = pages["Bob"].get_by_role("list", name="Chat").get_by_role("listitem").last
    expect(own).to_have_text("Bobplan.bin (256 kB)")
    expect(own.get_by_role("progressbar")).to_have_count(0)


def renderers(page: Page) -> set[int]:
    """The processes of all pages."""
    assert page.context.browser is not None
    session = page.context.browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return {process["id"] for process in found if process["type"] == "renderer"}


@pytest.mark.soak
def test_a_meeting(meeting: Server, open_page: OpenPage, screenshot: Screenshot) -> None:
    """Everybody hears the others and not itself, reads in order, and sees who comes and goes."""
    pages = {name: enter(open_page, meeting, name) for name in ("Ada", "Bob")}
    write(pages["Ada"], "Good morning")
    expect(pages["Bob"].get_by_text("Good morning")).to_be_visible()
    before = renderers(pages["Ada"])
    pages["Cleo"] = enter(open_page, meeting, "Cleo")
    cleo = renderers(pages["Ada"]) - before
    assert cleo
    expect(pages["Cleo"].get_by_text("Good morning")).to_be_visible()
    for page in pages.values():
        expect(page.get_by_role("list", name="People").get_by_role("listitem")).to_have_count(3)
        assert sorted(people(page)) == ["Ada", "Bob", "Cleo"]
    pages["Ada"].wait_for_timeout(1500)
    for name, page in pages.items():
        (sound,) = record(page, "[channel.connection.remoteStream]", 1.0, rate=48000)
        sound = sound[-24000:]
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
        loudness = {one: spectrum[frequency // 2] for one, frequency in FREQUENCIES.items()}
        own = loudness.pop(name)
        assert min(loudness.values()) > 20 * own
        assert min(loudness.values()) > max(loudness.values()) / 3
    for number in range(5):
        write(pages["Bob"], f"line {number}")
    chat = pages["Cleo"].get_by_role("list", name="Chat")
    expect(chat).to_contain_text(re.compile("line 0.*line 1.*line 2.*line 3.*line 4", re.DOTALL))
    send_file(pages)
    screenshot(pages["Ada"], "demo-meeting")
    pages["Bob"].get_by_role("button", name="Leave").click()
    expect(pages["Bob"].get_by_role("status")).to_have_text("You have left")
    expect(pages["Ada"].get_by_text("Bob has left.")).to_be_visible()
    expect(pages["Ada"].get_by_role("list", name="People").get_by_role("listitem")).to_have_count(2)
    for process in cleo:
        os.kill(process, signal.SIGKILL)  # without a word
    expect(pages["Ada"].get_by_text("Cleo has left.")).to_be_visible(timeout=6_500)
    pages["Ada"].get_by_role("button", name="Leave").click()
    expect(pages["Ada"].get_by_role("status")).to_have_text("You have left")


# A camera that shows one colour.
CAMERA = """(colour) => {
  const microphone = navigator.mediaDevices.getUserMedia;
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await microphone(constraints);
    if (!constraints.video) return stream;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [640, 480];
    const pen = canvas.getContext("2d");
    let step = 0;
    setInterval(() => {
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 640, 480);
      pen.fillStyle = "white";
      pen.fillRect((step += 4) % 640, 20, 40, 40);
    }, 40);
    stream.addTrack(canvas.captureStream(25).getVideoTracks()[0]);
    return stream;
  };
}"""

SHOWN = """() => {
  const video = document.getElementById("shown");
  if (video.hidden || !video.videoWidth) return null;
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  pen.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
  const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
  return red > blue + 60 ? "red" : blue > red + 60 ? "blue" : "neither";
}"""


@pytest.mark.soak
def test_cameras(meeting: Server, open_page: OpenPage, screenshot: Screenshot) -> None:
    """Who speaks is shown, to those without a camera too; a click chooses; one can be added."""
    pages: dict[str, Page] = {}
    for name, colour in (("Ada", "#d02020"), ("Bob", "#2020d0"), ("Cleo", None)):
        page = pages[name] = open_page(f"{meeting.url}/?room=cameras")
        page.evaluate(TONE, FREQUENCIES[name])
        if colour is not None:
            page.evaluate(CAMERA, colour)
            page.get_by_role("button", name="Camera").click()
        page.get_by_label("Your name").fill(name)
        page.get_by_role("button", name="Join").click()
        expect(page.get_by_role("status")).to_have_text("You are in the meeting")
    pages["Ada"].wait_for_function(f"({SHOWN})() === 'blue'")
    pages["Bob"].wait_for_function(f"({SHOWN})() === 'red'")
    cleo = pages["Cleo"]
    for name, colour in (("Ada", "red"), ("Bob", "blue")):
        cleo.get_by_role("list", name="People").get_by_text(name).click()
        cleo.wait_for_function(f"({SHOWN})() === '{colour}'")
        expect(cleo.locator("figcaption")).to_have_text(name)
    expect(cleo.get_by_label("Your camera")).to_be_hidden()
    screenshot(pages["Ada"], "demo-meeting-cameras")
    cleo.evaluate(CAMERA, "#20a020")
    cleo.get_by_role("button", name="Camera").click()
    expect(cleo.get_by_label("Your camera")).to_be_visible()
    expect(pages["Ada"].get_by_title("Show Cleo")).to_be_visible()
    for page in pages.values():
        page.get_by_role("button", name="Leave").click()
        expect(page.get_by_role("status")).to_have_text("You have left")
        expect(page.locator("figure")).to_be_hidden()
