/** The sizes of a camera's pictures: of the first ones, and of several at once. */

const SETTLED = 500; // ms from the connection until a browser knows its line

/**
 * Keep the size of the pictures until the browser knows its line.
 *
 * Chromium and Safari take the line for one of 300 kb/s from the moment at which sound is offered
 * beside the camera, whatever the answer says. So they halve the pictures before they have sent the
 * first, and need half a minute to make them whole again. On a slow line they halve them later.
 *
 * @param {RTCPeerConnection} pc  not yet connected  @param {RTCRtpSender} sender  of the camera
 */
export function keepSize(pc, sender) {
  prefer(sender, "maintain-resolution");
  const settle = () => {
    if (pc.connectionState !== "connected") return;
    pc.removeEventListener("connectionstatechange", settle);
    setTimeout(() => prefer(sender), SETTLED);
  };
  pc.addEventListener("connectionstatechange", settle);
}

const NAMES = ["h", "m", "l"]; // of the sizes, the largest first

/**
 * In which sizes a camera is sent at once, each half as wide and high as the next; the smallest first, as libwebrtc
 * gives the bit rate that there is to the first ones first.
 *
 * @param {boolean | number} [simulcast]  two or three, or true for three
 * @returns {RTCRtpEncodingParameters[]}  none for one size alone
 */
export function sizes(simulcast = false) {
  const count = simulcast === true ? NAMES.length : Number(simulcast);
  if (!(count >= 2)) return [];
  return NAMES.slice(0, count).map((rid, place) => ({ rid, scaleResolutionDownBy: 2 ** place })).reverse();
}

/**
 * Send the largest size, where the other side takes one alone: browsers go on with the first, the smallest.
 *
 * @param {RTCRtpSender} sender
 */
export async function whole(sender) {
  const parameters = sender.getParameters();
  if (parameters.encodings.length !== 1) return;
  parameters.encodings[0].scaleResolutionDownBy = 1;
  await sender.setParameters(parameters).catch(() => {}); // the connection may be closed by now
}

/** @param {RTCRtpSender} sender  @param {RTCDegradationPreference} [preference] */
function prefer(sender, preference) {
  const parameters = sender.getParameters();
  if (preference) parameters.degradationPreference = preference;
  else delete parameters.degradationPreference;
  // Not every browser lets it be chosen, and the connection may be closed by now.
  sender.setParameters(parameters).catch(() => {});
}
