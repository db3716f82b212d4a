"""A page without our client: it stops transceivers, adds a camera, and negotiates its channel."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from .conftest import OpenPage
from .support import Server

pytestmark = pytest.mark.soak

PLAIN = """
window.pc = new RTCPeerConnection();
window.answers = [];
window.messages = [];
window.take = ({ data }) => {
  const message = JSON.parse(data);
  if (message.type === "answer") answers.shift()(message.data);
  else if (message.type === "message") messages.push(message.data);
};
window.media = (constraints) => navigator.mediaDevices.getUserMedia(constraints);
window.connect = async (channel) => {
  window.channel = channel;
  channel.onmessage = take;
  await pc.setLocalDescription();
  await new Promise((resolve) => {
    if (pc.iceGatheringState === "complete") resolve();
    pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve();
  });
  const body = { sdp: pc.localDescription.sdp, type: "offer", webrtc_id: crypto.randomUUID() };
  const headers = { "Content-Type": "application/json" };
  const options = { method: "POST", headers, body: JSON.stringify(body) };
  const answer = await (await fetch("/counting/webrtc/offer", options)).json();
  await pc.setRemoteDescription(answer);
};
window.negotiate = async () => {
  await pc.setLocalDescription();
  const answered = new Promise((resolve) => answers.push(resolve));
  channel.send(JSON.stringify({ type: "offer", data: { sdp: pc.localDescription.sdp } }));
  const { sdp, error } = await answered;
  if (error) throw new Error(error);
  await pc.setRemoteDescription({ sdp, type: "answer" });
  return sdp.match(/^m=\\w+ \\d+/gm).map((line) => line.replace(/ [1-9]\\d*$/, ""));
};
window.count = async () => {
  const number = messages.length;
  channel.send(JSON.stringify({ type: "message", data: number }));
  while (!messages.some((one) => one.asked === number)) await new Promise((r) => setTimeout(r, 20));
  return messages.find((one) => one.asked === number);
};
window.shown = async () => {
  let frames = 0;
  for (const report of (await pc.getStats()).values())
    if (report.type === "inbound-rtp" && report.kind === "video") frames += report.framesDecoded;
  return frames;
};
"""

START = """async (kinds) => {
  const stream = await media(Object.fromEntries(kinds.map((kind) => [kind, true])));
  for (const kind of kinds)
    pc.addTrack(stream.getTracks().find((track) => track.kind === kind), stream);
  const channel = pc.createDataChannel("text");
  await connect(channel);
  while (channel.readyState !== "open") await new Promise((r) => setTimeout(r, 20));
}"""


def plain(server: Server, open_page: OpenPage) -> Page:
    page = open_page(server.url + "/")
    page.evaluate(PLAIN)
    return page


def grow(page: Page, *kinds: str) -> dict[str, Any]:
    """Wait until more of these has come, and return what the handler knows then."""
    now: dict[str, Any] = page.evaluate(
        """async (kinds) => {
          const before = await count();
          for (let round = 0; round < 300; round++) {
            const now = await count();
            if (kinds.every((kind) => now[kind] >= before[kind] + 10)) return now;
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          throw new Error(`nothing of ${kinds} comes`);
        }""",
        list(kinds),
    )
    return now


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_transceiver_that_is_stopped(page_server: Server, open_page: OpenPage, kind: str) -> None:
    """Its section ends, the handler is told, and the call goes on; another takes its place.

    It is the second one: Chromium itself closes all transports with the first section of a bundle.
    """
    page = plain(page_server, open_page)
    page.evaluate(START, ["video", "audio"] if kind == "audio" else ["audio", "video"])
    other = "video" if kind == "audio" else "audio"
    source = {"audio": "microphone", "video": "camera"}
    assert grow(page, "audio", "video")["tracks"] == ["camera", "microphone"]
    stop = "kind => pc.getTransceivers().find((t) => t.receiver.track.kind === kind).stop()"
    page.evaluate(stop, kind)
    sections = page.evaluate("negotiate()")
    assert sorted(sections) == sorted([f"m={kind} 0", f"m={other}", "m=application"])
    known = grow(page, other)
    assert known["tracks"] == [source[other]]
    still = page.evaluate("count()")[kind]
    grow(page, other)
    assert page.evaluate("count()")[kind] <= still + 2, "nothing more of it comes"

    # Chromium uses the place of the section again, under another mid (RFC 8829 section 5.2.2).
    add = "kind => media({[kind]: true}).then((s) => { pc.addTrack(s.getTracks()[0], s); })"
    page.evaluate(add, kind)
    sections = page.evaluate("negotiate()")
    assert sorted(sections) == sorted([f"m={kind}", f"m={other}", "m=application"])
    known = grow(page, "audio", "video")
    assert known["tracks"] == ["camera", "microphone"]
    assert known["told"] == [source[kind]]
    assert page.evaluate("pc.connectionState") == "connected"


def test_a_camera_that_is_added_in_mid_call(page_server: Server, open_page: OpenPage) -> None:
    """It is the handler's video, without `tracks`, and what it emits is shown."""
    page = plain(page_server, open_page)
    page.evaluate(START, ["audio"])
    assert grow(page, "audio")["tracks"] == ["microphone"]
    page.evaluate("media({video: true}).then((s) => { pc.addTrack(s.getTracks()[0], s); })")
    assert page.evaluate("negotiate()") == ["m=audio", "m=application", "m=video"]
    known = grow(page, "audio", "video")
    assert known["tracks"] == ["camera", "microphone"]
    assert known["told"] == ["camera"]
    page.evaluate("""async () => {
      while (await shown() < 10) await new Promise((resolve) => setTimeout(resolve, 50));
    }""")


def test_a_channel_that_the_page_negotiated_and_says_nothing_on(
    page_server: Server, open_page: OpenPage
) -> None:
    """Messages of the server come on it, and it may speak later."""
    page = plain(page_server, open_page)
    page.evaluate("""async () => {
      const stream = await media({ audio: true });
      pc.addTrack(stream.getTracks()[0], stream);
      pc.ondatachannel = () => { window.surprised = true; };
      await connect(pc.createDataChannel("mine", { negotiated: true, id: 0 }));
    }""")
    page.wait_for_function("messages.includes('ready')")
    assert grow(page, "audio")["tracks"] == ["microphone"]
    assert page.evaluate("window.surprised") is None
    assert page.evaluate("channel.readyState") == "open"
