"""Three browsers in a channel, each with a camera of one colour, and what each sees."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from .conftest import OpenPage, Screenshot
from .support import Server

COLOURS = {1: [255, 0, 0], 2: [0, 255, 0], 3: [0, 0, 255]}

# A camera that shows a colour and a hand that turns, a microphone that can be made to speak, and a
# page with the video that comes.
ENTER = """async ([uid, [red, green, blue]]) => {
  navigator.mediaDevices.getUserMedia = async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [640, 480];
    const pen = canvas.getContext("2d");
    let angle = 0;
    setInterval(() => {
      pen.fillStyle = `rgb(${red}, ${green}, ${blue})`;
      pen.fillRect(0, 0, 640, 480);
      pen.fillStyle = "white";
      angle += 0.1;
      pen.fillRect(560 + 50 * Math.cos(angle), 60 + 50 * Math.sin(angle), 20, 20);
    }, 40);
    const context = new AudioContext();
    const oscillator = new OscillatorNode(context, { frequency: 500 });
    window.voice = new GainNode(context, { gain: 0 });
    const sound = context.createMediaStreamDestination();
    oscillator.connect(voice).connect(sound);
    oscillator.start();
    return new MediaStream([...canvas.captureStream(25).getTracks(), ...sound.stream.getTracks()]);
  };
  const video = document.body.appendChild(document.createElement("video"));
  [video.muted, video.autoplay, video.width] = [true, true, 640];
  window.sources = [];
  window.problems = [];
  window.connection = new Connection({
    offer: "/rtc/webrtc/offer",
    modality: "audio-video",
    params: { channel: "video", uid },
  });
  connection.addEventListener("track", ({ detail }) => {
    if (detail.remote) video.srcObject = connection.remoteStream;
  });
  connection.addEventListener("message", ({ detail }) => {
    if (detail.event === "video_source") sources.push(detail.uid);
  });
  connection.addEventListener("error", ({ detail }) => problems.push(detail.message));
  const Peer = RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...options) { super(...options); window.peer = this; }
  };
  return connection.connect();
}"""

SEEN = """() => {
  const video = document.querySelector("video");
  if (!video.videoWidth) return null;
  const pen = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d");
  pen.drawImage(video, 0, 0);
  return [...pen.getImageData(video.videoWidth / 4, video.videoHeight / 2, 1, 1).data].slice(0, 3);
}"""

STATISTICS = """async () => {
  const found = {};
  for (const report of (await peer.getStats()).values()) {
    if (report.type === "codec" && report.mimeType.startsWith("video"))
      found.codec = report.mimeType;
    if (report.type === "outbound-rtp" && report.kind === "audio") found.voice = report;
    if (report.kind !== "video") continue;
    if (report.type === "inbound-rtp") found.in = report;
    if (report.type === "outbound-rtp") found.out = report;
  }
  return found;
}"""


def enter(open_page: OpenPage, server: Server, uid: int) -> Page:
    page = open_page(server.url)
    page.wait_for_function("() => Boolean(window.Connection)")
    assert page.evaluate(ENTER, [uid, COLOURS[uid]]), page.evaluate("problems")
    return page


def sees(page: Page, uid: int, within: float = 8.0) -> float:
    """Wait until a page shows the colour of this user; returns how long it took."""
    begun = time.monotonic()

    def near() -> bool:
        seen = page.evaluate(SEEN)
        return seen is not None and all(
            abs(a - b) < 60 for a, b in zip(seen, COLOURS[uid], strict=True)
        )

    _wait(near, lambda: f"{uid} is not seen but {page.evaluate(SEEN)}", within)
    assert page.evaluate("sources.at(-1)") == uid
    return time.monotonic() - begun


def _wait(condition: Callable[[], bool], failure: Callable[[], str], within: float) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, failure()
        time.sleep(0.02)


def speak(page: Page, *, loud: bool) -> None:
    page.evaluate("(gain) => { voice.gain.value = gain; }", 0.5 if loud else 0.0)


def statistics(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(STATISTICS)
    return found


@pytest.mark.soak
def test_browsers_see_who_speaks(
    page_server: Server, open_page: OpenPage, screenshot: Screenshot
) -> None:
    """Or whom they choose; and somebody else when that one leaves."""
    ada, bob = (enter(open_page, page_server, uid) for uid in (1, 2))
    sees(ada, 2)
    sees(bob, 1)
    cleo = enter(open_page, page_server, 3)
    assert sees(cleo, 1) < 3.0, "who comes late sees somebody soon"
    speak(cleo, loud=True)
    sees(ada, 3)
    sees(bob, 3)
    sees(cleo, 1)
    screenshot(ada, "meeting-video")
    ada.evaluate('connection.send({ event: "choose_video", data: "2" })')
    sees(ada, 2)
    ada.evaluate('connection.send({ event: "choose_video", data: "" })')
    sees(ada, 3)
    speak(cleo, loud=False)
    speak(bob, loud=True)
    sees(ada, 2)
    sees(cleo, 2)
    before = statistics(cleo)
    cleo.wait_for_timeout(2000)
    after = statistics(cleo)
    assert after["codec"] == "video/VP8"
    assert after["in"]["framesDecoded"] - before["in"]["framesDecoded"] > 20
    assert after["in"]["packetsLost"] == 0
    sent = after["voice"]["packetsSent"] - before["voice"]["packetsSent"]
    assert sent < 30, "who says nothing sends next to nothing"
    assert after["in"]["frameWidth"] == 640
    assert after["out"]["keyFramesEncoded"] < 15, "keyframes are asked for where they are needed"
    bob.evaluate("connection.close()")
    sees(ada, 3)
    sees(cleo, 1)
    assert ada.evaluate("problems") == []
