/** What browsers do not ask for by themselves. */

/**
 * Ask for Opus in stereo (RFC 7587 section 6.1): a browser mixes down what it did not ask for.
 *
 * @param {string} sdp
 * @param {boolean} sends  whether stereo is sent as well
 */
export function withStereo(sdp, sends) {
  const wish = sends ? "stereo=1;sprop-stereo=1" : "stereo=1";
  const opus = new Set([...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000\/2/gim)].map((found) => found[1]));
  const described = new Set([...sdp.matchAll(/^a=fmtp:(\d+) /gm)].map((found) => found[1]));
  return sdp.replace(/^a=(rtpmap|fmtp):(\d+) [^\r\n]*/gm, (line, kind, payload) => {
    if (!opus.has(payload)) return line;
    if (kind === "fmtp") return /[ ;]stereo=1/.test(line) ? line : `${line};${wish}`;
    return described.has(payload) ? line : `${line}\r\na=fmtp:${payload} ${wish}`;
  });
}
