// A client on libdatachannel: audio and messages both ways. Usage: node datachannel.mjs URL
// It has no ICE restart.

import datachannel from "node-datachannel";

import { ask, done, opusPackets, until } from "./signalling.mjs";

const { Audio, PeerConnection, RtcpReceivingSession } = datachannel;
const PAYLOAD_TYPE = 111;
const SSRC = 4711;

const peer = new PeerConnection("client", { iceServers: [], disableAutoNegotiation: true });
const received = { packets: 0, messages: [] };
const channel = peer.createDataChannel("text");
channel.onMessage((message) => received.messages.push(JSON.parse(message)));
const audio = new Audio("audio", "SendRecv");
audio.addOpusCodec(PAYLOAD_TYPE);
audio.addSSRC(SSRC, "client");
const track = peer.addTrack(audio);
track.setMediaHandler(new RtcpReceivingSession());
track.onMessage((packet) => {
  if ((packet[1] & 0x7f) === PAYLOAD_TYPE) received.packets += 1;
});

let gathered = false;
peer.onGatheringStateChange((state) => {
  gathered ||= state === "complete";
});
peer.setLocalDescription("offer");
await until(() => gathered, "the end of gathering");
const answer = await ask(peer.localDescription().sdp);
peer.setRemoteDescription(answer.sdp, "answer");
await until(() => channel.isOpen() && track.isOpen(), "the connection");
const packets = opusPackets(PAYLOAD_TYPE, SSRC);
let sent = 0;
setInterval(() => {
  if (!track.isOpen()) return;
  track.sendMessageBinary(packets.next().value);
  sent += 1;
}, 20);
channel.sendMessage(JSON.stringify({ type: "message", data: "from libdatachannel" }));
await until(() => received.packets > 30, "sound");
await until(() => sent > 30, "the time to send"); // a busy machine calls rarely, however much comes
await until(() => received.messages.some(({ type }) => type === "message"), "the message");
const { data } = received.messages.find(({ type }) => type === "message");
peer.close();
done({ data, packets: received.packets });
