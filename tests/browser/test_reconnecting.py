"""Pages whose network changes under them: ICE is restarted, and the session goes on."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from fastrtc_core.browser import version

from .conftest import OpenPage
from .support import BrowserPage, OpenAnyPage, Server, serving

OPEN = """async (url) => {
  const pc = (window.pc = new RTCPeerConnection());
  const media = await navigator.mediaDevices.getUserMedia({ audio: true });
  pc.addTransceiver(media.getAudioTracks()[0], { direction: "sendrecv" });
  const channel = pc.createDataChannel("text");
  window.messages = [];
  channel.onmessage = ({ data }) => messages.push(JSON.parse(data));
  window.exchange = async (more) => {
    const offer = await pc.createOffer();
    await pc.setLocalDescription(offer);
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sdp: pc.localDescription.sdp, type: "offer", ...more }),
    });
    const answer = await response.json();
    if (!answer.sdp) throw new Error(JSON.stringify(answer));
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    return answer;
  };
  window.until = async (what) => {
    while (!(await what())) await new Promise((next) => setTimeout(next, 20));
  };
  window.answer = await exchange({});
  await until(() => pc.connectionState === "connected" && messages.length > 0);
  const stats = async () => [...(await pc.getStats()).values()];
  await until(async () => (await stats()).some((one) => one.type === "inbound-rtp"));
}"""
RESTART = """async () => {
  const { webrtc_id, secret } = answer;
  const stats = async (type) =>
    [...(await pc.getStats()).values()].filter((one) => one.type === type);
  const received = async () => (await stats("inbound-rtp"))[0].packetsReceived;
  // Firefox tells nothing of the transport but which pair it uses.
  const inUse = async () => {
    const [transport] = await stats("transport");
    if (transport?.selectedCandidatePairId) return transport.selectedCandidatePairId;
    return (await stats("candidate-pair")).find((pair) => pair.selected)?.id;
  };
  const secured = async () => {
    const [{ dtlsState, localCertificateId } = {}] = await stats("transport");
    return JSON.stringify({ dtlsState, localCertificateId });
  };
  const states = [];
  pc.onconnectionstatechange = () => states.push(pc.connectionState);
  const pair = await inUse();
  const before = await secured();
  const packets = await received();
  pc.restartIce();
  const names = new Set([answer.sdp.match(/ice-ufrag:(.*)/)[1]]);
  names.add((await exchange({ webrtc_id, secret })).sdp.match(/ice-ufrag:(.*)/)[1]);
  // It is one of the new credentials.
  await until(async () => ![undefined, pair].includes(await inUse()));
  await until(async () => (await received()) > packets + 50);
  return {
    names: names.size,
    states,
    same: (await secured()) === before,
    greetings: messages.length,
  };
}"""


def test_a_page_restarts_ice_by_hand(page_server: Server, open_any_page: OpenAnyPage) -> None:
    """`pc.restartIce()`, an offer with the secret, and sound over the new credentials."""
    page = open_any_page(f"{page_server.url}/plain")
    page.evaluate(OPEN, f"{page_server.url}/shared/webrtc/offer")
    result = page.evaluate(RESTART)
    assert result["names"] == 2
    assert result["same"], "DTLS has gone on"
    assert result["greetings"] == 1, "the handler was not started again"
    assert "failed" not in result["states"]


CONNECT = """async () => {
  const connection = window.connection = new Connection({ offer: "/shared/webrtc/offer" });
  window.peers = [];
  window.said = [];
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...args) { super(...args); peers.push(this); }
  };
  window.until = async (what) => {
    while (!(await what())) await new Promise((next) => setTimeout(next, 20));
  };
  connection.addEventListener("message", ({ detail }) => said.push(detail));
  if (!(await connection.connect())) throw new Error("not connected");
}"""
AGAIN = """async () => {
  const pc = peers[0];
  const name = () => pc.remoteDescription.sdp.match(/ice-ufrag:(.*)/)[1];
  const received = async () => {
    for (const report of (await pc.getStats()).values())
      if (report.type === "inbound-rtp") return report.packetsReceived;
    return 0;
  };
  await until(received);
  const states = [];
  const note = ({ detail }) => states.push(detail.state);
  connection.addEventListener("state", note);
  const before = name();
  dispatchEvent(new Event("online"));
  await until(() => states.at(-1) === "connected");
  const packets = await received();
  await until(async () => (await received()) > packets + 50);
  connection.removeEventListener("state", note);
  said.length = 0;
  connection.send("still here");
  await until(() => said.length);
  return { states, renewed: name() !== before, said, peers: peers.length };
}"""


def test_a_page_that_is_online_again(page_server: Server, open_any_page: OpenAnyPage) -> None:
    """The client restarts ICE by itself, as often as need be: the same session, and its sound."""
    page = open_any_page(page_server.url)
    page.wait_for_function("!!window.Connection")
    page.evaluate(CONNECT)
    for _ in range(2):
        assert page.evaluate(AGAIN) == {
            "states": ["reconnecting", "connected"],
            "renewed": True,
            "said": [{"heard": "still here"}],
            "peers": 1,
        }
    # Later offers over the data channel do not restart it again.
    page.evaluate(
        "async () => connection.publish("
        "(await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks()[0],"
        "{ source: 'screen_share_audio' })"
    )
    page.evaluate("connection.close()")


JOIN = """async ([uid, offer]) => {
  window.peers = [];
  window.told = [];
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...args) { super(...args); peers.push(this); }
  };
  window.channel = new Channel({ channel: "room", uid, offer });
  for (const type of ["user_joined", "user_left", "chat_message", "error"])
    channel.addEventListener(type, ({ detail }) => told.push([type, detail.uid, detail.text]));
  return await channel.connect();
}"""
MEMBER_AGAIN = """async () => {
  const [pc] = peers;
  const until = async (what) => {
    while (!(await what())) await new Promise((next) => setTimeout(next, 20));
  };
  const name = () => pc.remoteDescription.sdp.match(/ice-ufrag:(.*)/)[1];
  const states = [];
  const note = ({ detail }) => states.push(detail.state);
  channel.addEventListener("connection_state_changed", note);
  const before = name();
  dispatchEvent(new Event("online"));
  await until(() => states.at(-1) === "connected");
  channel.removeEventListener("connection_state_changed", note);
  channel.sendChatMessage("still here");
  return { states, renewed: name() !== before, uid: channel.uid, users: channel.users.size };
}"""


@pytest.mark.soak
def test_a_member_that_is_online_again(open_any_page: OpenAnyPage) -> None:
    """In a channel: it stays the same member, and nobody is told that it left."""
    with serving("channel") as server:
        ada, bob = (member(open_any_page, server, uid) for uid in (1, 2))
        ada.wait_for_function("channel.users.has(2)")
        for count in (1, 2):
            assert ada.evaluate(MEMBER_AGAIN) == {
                "states": ["reconnecting", "connected"],
                "renewed": True,
                "uid": 1,
                "users": 1,
            }
            bob.wait_for_function("(count) => channel.chat.length === count", arg=count)
        assert bob.evaluate("told") == 2 * [["chat_message", 1, "still here"]]
        bob.evaluate("channel.sendChatMessage('I know')")
        ada.wait_for_function("channel.chat.length === 3")
        # A server that hears nothing of it would have ended it by now.
        ada.wait_for_timeout(5000)
        assert ada.evaluate("channel.state") == "connected"
        assert not [one for one in ada.evaluate("told") if one[0] != "chat_message"][1:]
        assert "Traceback" not in server.log.read_text()


def member(open_any_page: OpenAnyPage, server: Server, uid: int) -> BrowserPage:
    """A page in the channel, over the shared port."""
    page = open_any_page(server.url)
    page.wait_for_function("Boolean(window.Channel)")
    assert page.evaluate(JOIN, [uid, "/shared/webrtc/offer"])
    return page


# Called with a connection that is none, so that time and answers are the test's.
RECONNECT = """async ([address, answers, recovers]) => {
  const { reconnect } = await import(address);
  const pc = Object.assign(new EventTarget(), { connectionState: "disconnected" });
  const become = (state) => {
    pc.connectionState = state;
    pc.dispatchEvent(new Event("connectionstatechange"));
  };
  const asked = [];
  const began = performance.now();
  const at = () => Math.round((performance.now() - began) / 100) / 10;
  const restart = async (signal) => {
    asked.push(at());
    const code = answers[Math.min(asked.length, answers.length) - 1];
    const swallowed = new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    if (code === "online") setTimeout(() => dispatchEvent(new Event("online")), 300);
    if (["swallowed", "online"].includes(code)) await swallowed;
    if (code) throw Object.assign(new Error(), { code });
    if (recovers) setTimeout(become, 100, "connected");
  };
  const stands = await reconnect(pc, answers.length ? restart : null, new AbortController().signal);
  return { stands, asked, took: at() };
}"""


def reconnecting(page: Page, answers: list[str | None], recovers: bool = True) -> Any:
    address = f"/echo/webrtc/client/{version()}/reconnecting.js"
    return page.evaluate(RECONNECT, [address, answers, recovers])


@pytest.mark.soak
def test_how_it_is_tried(page_server: Server, open_page: OpenPage) -> None:
    """Again and again with growing pauses; and not again where it was refused for good."""
    page = open_page(page_server.url)
    away = "server-unreachable"
    result = reconnecting(page, [away, away, None])
    assert result["stands"]
    first, second, third = result["asked"]
    assert first < 0.5
    assert second - first >= 0.9
    assert third - second >= 1.9
    swallowed = reconnecting(page, ["swallowed", "swallowed", None])
    first, second, third = swallowed["asked"]
    assert swallowed["stands"]
    assert 0.9 <= second - first < 2
    assert 1.9 <= third - second < 4
    online = reconnecting(page, ["online", None])
    assert online["stands"]
    assert 0.2 <= online["asked"][1] - online["asked"][0] < 0.9, "there is a network again"
    refused = reconnecting(page, ["no_ice_restart"])
    assert len(refused["asked"]) == 1
    assert not refused["stands"]
    assert refused["took"] >= 4.9, "the old way had its chance"


@pytest.mark.soak
def test_when_it_is_given_up(page_server: Server, open_page: OpenPage) -> None:
    """After 5 s in which no server answers, and 20 s if one does."""
    page = open_page(page_server.url)
    cases: list[tuple[list[str | None], float, float]] = [
        (["server-unreachable"], 4.9, 10),
        ([None], 19.9, 30),
        ([], 4.9, 10),
    ]
    for answers, least, most in cases:
        result = reconnecting(page, answers, recovers=False)
        assert not result["stands"]
        assert least <= result["took"] <= most
