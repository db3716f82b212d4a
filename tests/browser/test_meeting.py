"""Three browsers in one channel: the demo `meeting`."""

from __future__ import annotations

import re
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


def test_a_meeting(meeting: Server, open_page: OpenPage, screenshot: Screenshot) -> None:
    """Everybody hears the others and not itself, reads in order, and sees who comes and goes."""
    pages = {name: enter(open_page, meeting, name) for name in ("Ada", "Bob")}
    write(pages["Ada"], "Good morning")
    expect(pages["Bob"].get_by_text("Good morning")).to_be_visible()
    pages["Cleo"] = enter(open_page, meeting, "Cleo")
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
    pages["Cleo"].context.close()  # without a word
    expect(pages["Ada"].get_by_text("Cleo has left.")).to_be_visible(timeout=6_500)
    pages["Ada"].get_by_role("button", name="Leave").click()
    expect(pages["Ada"].get_by_role("status")).to_have_text("You have left")
