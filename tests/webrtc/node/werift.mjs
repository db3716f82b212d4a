// A client on werift, WebRTC in TypeScript: audio and messages both ways, and a restart of ICE.
// Usage: node werift.mjs URL

import { MediaStreamTrack, RTCPeerConnection } from "werift";

import { ask, done, opusPackets, until } from "./signalling.mjs";

const peer = new RTCPeerConnection({ iceServers: [] });
const received = { packets: 0, messages: [] };
const channel = peer.createDataChannel("text");
channel.onMessage.subscribe((message) => received.messages.push(JSON.parse(message.toString())));
const track = new MediaStreamTrack({ kind: "audio" });
const transceiver = peer.addTransceiver(track, { direction: "sendrecv" });
transceiver.onTrack.subscribe((incoming) => {
  incoming.onReceiveRtp.subscribe(() => (received.packets += 1));
});

async function exchange(more = {}) {
  await peer.setLocalDescription(await peer.createOffer({ iceRestart: Boolean(more.secret) }));
  await until(() => peer.iceGatheringState === "complete", "the end of gathering");
  const answer = await ask(peer.localDescription.sdp, more);
  await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  return answer;
}

async function talks(words) {
  const before = received.packets;
  channel.send(JSON.stringify({ type: "message", data: words }));
  await until(() => received.messages.some(({ data }) => data === words), `the message ${words}`);
  await until(() => received.packets > before + 30, "sound");
}

const ufrag = (sdp) => sdp.match(/a=ice-ufrag:(\S+)/)[1];
const answer = await exchange();
await until(() => peer.connectionState === "connected" && channel.readyState === "open", "the connection");
const packets = opusPackets(96, 4711);
setInterval(() => track.writeRtp(packets.next().value), 20);
await talks("from werift");
const { webrtc_id, secret } = answer;
const again = await exchange({ webrtc_id, secret });
// As the side that offers, it gathers anew and begins no checks.
await peer.iceTransports[0].start();
await talks("after the restart");
await peer.close();
done({
  packets: received.packets,
  restarted: ufrag(again.sdp) !== ufrag(answer.sdp),
  same: again.webrtc_id === webrtc_id,
});
