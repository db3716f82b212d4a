"""A page that is written by hand, without our client, in each of the browsers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from .firefox import FirefoxPage
from .support import (
    RATE,
    BrowserPage,
    OpenAnyPage,
    Server,
    correlate,
    record,
)

# A camera that shows a colour, which can be changed.
CAMERA = """() => {
  navigator.mediaDevices.getUserMedia = async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [320, 240];
    const pen = canvas.getContext("2d");
    window.colour = "rgb(200, 60, 20)";
    setInterval(() => {
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 320, 240);
    }, 40);
    return canvas.captureStream(25);
  };
}"""
NEAR = """(colour) => {
  const found = shown(picture);
  return found && found.colour.every((one, index) => Math.abs(one - colour[index]) < 25);
}"""


@pytest.fixture
def page(page_server: Server, open_any_page: OpenAnyPage) -> BrowserPage:
    return open_any_page(f"{page_server.url}/plain")


def hears_itself(page: BrowserPage) -> None:
    """What is said comes back, with its waveform, and late by no more than a moment.

    A browser that waits for a processor drops some of what it hears and of what it plays, so that
    not all of it can be found.
    """
    for _ in range(3):
        sent, heard = record(page, "[local, remote.audio]", 4.0)
        starts = range(0, 2 * RATE, RATE // 4)
        pieces = [(sent[at : at + RATE // 4], heard[at : at + 2 * RATE]) for at in starts]
        found = [correlate(*piece) for piece in pieces if piece[0].std() > 0.01]
        alike = [delay / RATE for likeness, delay in found if likeness > 0.8]
        if len(alike) > 2 and np.median(alike) < 1.0:
            return
    pytest.fail(f"what comes back is not what was sent: {found}")


def loudness(page: BrowserPage) -> float:
    """How loud what comes back is, over a second."""
    (heard,) = record(page, "[remote.audio]", 1.0)
    return float(np.sqrt(np.mean(heard**2)))


@pytest.mark.soak
def test_speech_comes_back_in_firefox(
    page_server: Server, open_firefox_page: Callable[[str], FirefoxPage]
) -> None:
    """The short one: what is said into the microphone is what the page plays."""
    page = open_firefox_page(f"{page_server.url}/plain")
    page.evaluate("call('/echo')")
    hears_itself(page)
    page.evaluate("pc.close()")


def test_a_call_over_the_shared_port(page: BrowserPage) -> None:
    """The server is a lite ICE agent; the browser finds and keeps its way by its own checks."""
    page.evaluate("call('/shared')")
    assert "a=ice-lite" in page.evaluate("pc.remoteDescription.sdp")
    hears_itself(page)
    assert page.evaluate("pc.iceConnectionState") in ("connected", "completed")
    page.evaluate("pc.close()")


@pytest.mark.soak
def test_a_call_on_hold(page: BrowserPage) -> None:
    """A side that holds sends nothing; when it goes on, all is as before, as often as wanted."""
    page.evaluate("call('/echo')")
    hears_itself(page)
    for direction in ("recvonly", "inactive", "sendonly"):
        change = "(one) => { pc.getTransceivers()[0].direction = one; return offerAgain(); }"
        page.evaluate(change, direction)
        page.wait_for_timeout(1500)
        assert loudness(page) < 1e-4, direction
        sdp = page.evaluate(change, "sendrecv")
        assert "a=sendrecv" in sdp
        hears_itself(page)
    page.evaluate("say('message', 'still here')")
    page.wait_for_function("messages.some(({ data }) => data?.heard === 'still here')")
    page.evaluate("pc.close()")


@pytest.mark.soak
def test_pictures_are_filtered(page: BrowserPage) -> None:
    """What is seen is the negative of what the camera shows, as large, and follows it."""
    page.evaluate(CAMERA)
    page.evaluate("call('/negative', { audio: false, video: true })")
    page.wait_for_function(NEAR, arg=[55, 195, 235])
    page.evaluate("colour = 'rgb(10, 150, 240)'")
    page.wait_for_function(NEAR, arg=[245, 105, 15])
    assert page.evaluate("shown(picture).size") == [320, 240]
    page.evaluate("pc.close()")


@pytest.mark.soak
def test_the_browsers_own_camera(page: BrowserPage) -> None:
    """Pictures of a device, whatever their size is; they are not the same all the time."""
    page.evaluate("call('/mirror', { audio: false, video: true })")
    page.wait_for_function("shown(picture)")
    changes = """() => {
      const [one, other] = [shown(own).colour, shown(picture).colour];
      window.seen ??= new Set();
      seen.add(String(other));
      return seen.size > 5 && one.every((value, index) => Math.abs(value - other[index]) < 40);
    }"""
    page.evaluate(
        """async () => {
          window.own = document.createElement("video");
          [own.muted, own.srcObject] = [true, local];
          await own.play();
        }"""
    )
    page.wait_for_function(changes)
    page.evaluate("pc.close()")


@pytest.mark.soak
def test_messages_of_every_size(page: BrowserPage) -> None:
    """Any text that fits comes back; one that does not is answered with an error."""
    page.evaluate("call('/echo')")
    for text in ("", "häßlich 中 😀", "x" * 60_000):
        page.evaluate("(text) => say('message', text)", text)
        page.wait_for_function(
            "(text) => messages.some(({ data }) => data?.heard === text)", arg=text
        )
    page.evaluate("say('message', 'x'.repeat(70_000))")
    page.wait_for_function("messages.some(({ type }) => type === 'error')")
    page.evaluate("pc.close()")


@pytest.mark.soak
def test_a_section_that_is_stopped(page: BrowserPage) -> None:
    """`stop()` and a new offer end that section (Firefox: without ICE credentials); the rest runs.

    The next one takes its place (RFC 8829 section 5.2.2).
    """
    page.evaluate("call('/both', { video: true })")
    page.wait_for_function("shown(picture)")
    hears_itself(page)
    sdp = page.evaluate(
        """() => {
          const video = pc.getTransceivers().find(({ sender }) => sender.track.kind === "video");
          window.stopped = video.mid;
          video.stop();
          return offerAgain();
        }"""
    )
    (section,) = [one for one in sdp.split("\r\nm=")[1:] if one.startswith("video")]
    assert section.startswith("video 0 ")
    (group,) = [line for line in sdp.splitlines() if line.startswith("a=group:BUNDLE")]
    assert page.evaluate("stopped") not in group.split()[1:]
    assert page.evaluate("pc.connectionState") == "connected"
    hears_itself(page)
    page.evaluate("pc.close()")
