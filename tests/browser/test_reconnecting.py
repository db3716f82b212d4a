"""Pages whose network changes under them: ICE is restarted, and the session goes on."""

from __future__ import annotations

from .conftest import OpenPage
from .support import Server

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
}"""
RESTART = """async () => {
  const { webrtc_id, secret } = answer;
  const stats = async (type) =>
    [...(await pc.getStats()).values()].filter((one) => one.type === type);
  const received = async () => (await stats("inbound-rtp"))[0].packetsReceived;
  const states = [];
  pc.onconnectionstatechange = () => states.push(pc.connectionState);
  const [before] = await stats("transport");
  const packets = await received();
  pc.restartIce();
  const names = new Set([answer.sdp.match(/ice-ufrag:(.*)/)[1]]);
  names.add((await exchange({ webrtc_id, secret })).sdp.match(/ice-ufrag:(.*)/)[1]);
  const local = pc.localDescription.sdp.match(/ice-ufrag:(.*)/)[1];
  // By the pair in use: it is one of the new credentials.
  const changes = "selectedCandidatePairChanges";
  await until(async () => (await stats("transport"))[0][changes] > before[changes]);
  await until(async () => (await received()) > packets + 50);
  const [after] = await stats("transport");
  return {
    names: names.size,
    states,
    same: ["dtlsState", "localCertificateId"].every((name) => before[name] === after[name]),
    ufrag: after.iceLocalUsernameFragment === local.trim(),
    greetings: messages.length,
  };
}"""


def test_a_page_restarts_ice_by_hand(page_server: Server, open_page: OpenPage) -> None:
    """`pc.restartIce()`, an offer with the secret, and sound over the new credentials."""
    page = open_page(f"{page_server.url}/plain")
    page.evaluate(OPEN, f"{page_server.url}/shared/webrtc/offer")
    result = page.evaluate(RESTART)
    assert result["names"] == 2
    assert result["same"], "DTLS has gone on"
    assert result["ufrag"]
    assert result["greetings"] == 1, "the handler was not started again"
    assert "failed" not in result["states"]
