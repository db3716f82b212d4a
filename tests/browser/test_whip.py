"""WHIP, as a page would write it by hand, in each of the browsers."""

from __future__ import annotations

from .support import OpenAnyPage, Server

PUBLISH = """async (endpoint) => {
  const pc = (window.pc = new RTCPeerConnection());
  const media = await navigator.mediaDevices.getUserMedia({ audio: true });
  pc.addTransceiver(media.getAudioTracks()[0], { direction: "sendrecv" });
  const found = [];
  const gathered = new Promise((done) => {
    pc.onicecandidate = ({ candidate }) => (candidate ? found.push(candidate) : done());
  });
  await pc.setLocalDescription();
  const sent = pc.localDescription.sdp;
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "content-type": "application/sdp" },
    body: sent,
  });
  if (response.status !== 201) throw new Error(await response.text());
  window.resource = new URL(response.headers.get("location"), response.url).href;
  await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
  await gathered;
  const ufrag = sent.match(/^a=ice-ufrag:.*$/m)[0];
  const fragment = [ufrag.trim(), "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"];
  for (const { candidate } of found) if (candidate) fragment.push("a=" + candidate);
  const patched = await fetch(resource, {
    method: "PATCH",
    headers: {
      "content-type": "application/trickle-ice-sdpfrag",
      "if-match": response.headers.get("etag"),
    },
    body: [...fragment, ""].join("\\r\\n"),
  });
  return [sent.includes("a=candidate:"), found.length > 0, patched.status];
}"""
HEARD = """async () => {
  for (const report of (await pc.getStats()).values())
    if (report.type === "inbound-rtp") return report.packetsReceived > 20;
  return false;
}"""


def test_a_page_publishes(page_server: Server, open_any_page: OpenAnyPage) -> None:
    """Its candidates come by PATCH alone; it hears the answer, and ends its session."""
    page = open_any_page(f"{page_server.url}/plain")
    complete, found, status = page.evaluate(PUBLISH, f"{page_server.url}/echo/whip")
    assert (complete, found, status) == (False, True, 204)
    page.evaluate(
        f"(async () => {{ while (!(await ({HEARD})())) await new Promise("
        "(next) => setTimeout(next, 100)); })()"
    )
    ended = "async () => (await fetch(resource, { method: 'DELETE' })).status"
    assert page.evaluate(ended) == 200
    assert page.evaluate(ended) == 404
