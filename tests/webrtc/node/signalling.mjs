// What both peers share: the offer over HTTP, Opus packets of a tone that is silence, and waiting.

export const URL_OF_SERVER = process.argv[2];

/** Post an offer; the answer of the server. */
export async function ask(sdp, more = {}) {
  const response = await fetch(`${URL_OF_SERVER}/webrtc/offer`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sdp, type: "offer", ...more }),
  });
  const answer = await response.json();
  if (!answer.sdp) throw new Error(JSON.stringify(answer));
  return answer;
}

/** Wait until something is so. */
export async function until(condition, what) {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`${what} did not come`);
    await new Promise((next) => setTimeout(next, 10));
  }
}

/** RTP packets (RFC 3550 section 5.1) of Opus, 50 in a second; the frames are silent (RFC 6716 section 3.1). */
export function* opusPackets(payloadType, ssrc) {
  for (let count = 1; ; count++) {
    const packet = Buffer.alloc(15);
    packet[0] = 0x80;
    packet[1] = payloadType;
    packet.writeUInt16BE(count & 0xffff, 2);
    packet.writeUInt32BE((count * 960) >>> 0, 4);
    packet.writeUInt32BE(ssrc, 8);
    packet.set([0xf8, 0xff, 0xfe], 12);
    yield packet;
  }
}

/** Tell the test, and end; a library may keep the process for its own sake. */
export function done(result) {
  console.log(JSON.stringify(result));
  process.exit(0);
}
