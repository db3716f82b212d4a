/** The size of a camera's first pictures. */

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

/** @param {RTCRtpSender} sender  @param {RTCDegradationPreference} [preference] */
function prefer(sender, preference) {
  const parameters = sender.getParameters();
  if (preference) parameters.degradationPreference = preference;
  else delete parameters.degradationPreference;
  // Not every browser lets it be chosen, and the connection may be closed by now.
  sender.setParameters(parameters).catch(() => {});
}
