/**
 * Microphones, cameras and speakers.
 *
 * @typedef {"audio" | "video" | "speaker"} DeviceKind
 * @typedef {"audio" | "video"} Medium
 * @typedef {{deviceId: string, label: string}} Device
 */

import { ConnectionError } from "./errors.js";
import { within } from "./waiting.js";

/** What their kinds are called. @type {Record<DeviceKind, string>} */
export const DEVICES = { audio: "microphone", video: "camera", speaker: "speaker" };

/** @param {DOMException} error  what getUserMedia threw  @param {Medium[]} kinds */
export function captureError(error, kinds) {
  const what = kinds.map((kind) => DEVICES[kind]).join(" and ");
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return new ConnectionError(
        "permission-denied",
        `The browser may not use the ${what}. Allow it in the address bar and start again.`,
      );
    case "NotFoundError":
      return new ConnectionError("no-device", `No ${what} was found.`);
    case "NotReadableError":
    case "AbortError":
      return new ConnectionError("device-busy", `The ${what} is in use by another program.`);
    case "OverconstrainedError":
      return new ConnectionError("constraints", `The ${what} cannot do what is asked of it.`);
    default:
      return error;
  }
}

/**
 * Microphone and camera, in one permission prompt.
 *
 * @param {Medium[]} kinds
 * @param {MediaStreamConstraints | MediaTrackConstraints} constraints  `{audio, video}`, or those of the one medium
 * @param {{audio?: string, video?: string}} chosen  ids of devices, or `""` for the browser's choice
 * @param {AbortSignal} signal
 */
export async function capture(kinds, constraints = {}, chosen, signal) {
  const media = navigator.mediaDevices;
  if (!media?.getUserMedia) {
    throw new ConnectionError(
      "insecure-context",
      "The browser gives microphone and camera only to pages on https:// or on localhost.",
    );
  }
  /** @type {MediaStreamConstraints} */
  const asked = {};
  for (const kind of kinds) {
    const each = "audio" in constraints || "video" in constraints;
    const wanted = each ? /** @type {MediaStreamConstraints} */ (constraints)[kind] : constraints;
    const deviceId = chosen[kind] && { deviceId: { exact: chosen[kind] } };
    asked[kind] = { ...(typeof wanted === "object" && wanted), ...deviceId };
  }
  const captured = media.getUserMedia(asked);
  try {
    return await within(signal, captured);
  } catch (error) {
    captured.then((late) => late.getTracks().forEach((track) => track.stop()), () => {});
    throw error instanceof DOMException ? captureError(error, kinds) : error;
  }
}

/** The microphones, cameras and speakers that can be chosen. Browsers name them once permitted. */
export async function devices() {
  /** @type {Record<DeviceKind, Device[]>} */
  const found = { audio: [], video: [], speaker: [] };
  /** @type {Record<MediaDeviceKind, DeviceKind>} */
  const kinds = { audioinput: "audio", videoinput: "video", audiooutput: "speaker" };
  for (const device of (await navigator.mediaDevices?.enumerateDevices()) ?? []) {
    const kind = kinds[device.kind];
    if (!kind || !device.deviceId) continue;
    const label = device.label || `${DEVICES[kind]} ${found[kind].length + 1}`;
    found[kind].push({ deviceId: device.deviceId, label });
  }
  return found;
}
