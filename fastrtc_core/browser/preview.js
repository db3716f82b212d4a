/**
 * Microphone and camera before there is a connection, so that one can see whether they work:
 *
 *     const preview = new Preview({ modality: "audio-video" }, (level) => (meter.value = level));
 *     video.srcObject = await preview.open({ audio: "", video: "" });
 *     preview.close();
 *
 * @import { Medium } from "./devices.js"
 * @import { Modality } from "./connection.js"
 *
 * @typedef {object} PreviewOptions  those of the connection that is to be
 * @property {Modality} [modality]  default `audio`
 * @property {MediaStreamConstraints | MediaTrackConstraints} [trackConstraints]
 */

import { capture } from "./devices.js";
import { Meters } from "./meters.js";

/** Shows what the devices give, to this page alone. */
export class Preview {
  #report;
  #meters;
  #attempt = new AbortController();
  /** @type {MediaStream | null} */ #stream = null;

  /** @param {PreviewOptions} options  @param {(level: number) => void} report  loudness (RMS), 20 times a second */
  constructor(options, report) {
    /** Those of the next `open`. */
    this.options = options;
    this.#report = report;
    this.#meters = new Meters(({ local }) => this.#report(local));
  }

  /** What is captured now. */
  get stream() {
    return this.#stream;
  }

  /**
   * Capture from these devices, in place of those before.
   *
   * @param {{audio?: string, video?: string}} [chosen]  ids, or `""` for the browser's choice
   * @returns {Promise<MediaStream>} rejects with a `ConnectionError`, also if it is closed meanwhile
   */
  async open(chosen = {}) {
    this.close();
    const { signal } = (this.#attempt = new AbortController());
    const { modality = "audio", trackConstraints } = this.options;
    const kinds = /** @type {Medium[]} */ (modality.split("-").filter((kind) => kind !== "text"));
    if (kinds.includes("audio")) this.#meters.start();
    const stream = await capture(kinds, trackConstraints, chosen, signal);
    this.#stream = stream;
    for (const track of stream.getAudioTracks()) this.#meters.watch("local", track);
    return stream;
  }

  /** Let go of the devices. */
  close() {
    this.#attempt.abort();
    this.#meters.stop();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#report(0);
  }
}
