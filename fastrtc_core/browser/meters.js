/**
 * How loud the microphone and the remote audio are.
 *
 * @typedef {"local" | "remote"} Side
 * @typedef {{local: number, remote: number}} Levels  loudness (RMS, 0 to 1)
 */

const LEVEL_INTERVAL = 50; // ms

/** Measures the loudness of two tracks for as long as it is started. */
export class Meters {
  /** @type {AudioContext | null} */ #context = null;
  /** @type {number | undefined} */ #timer;
  /** @type {Map<Side, {source: AudioNode, analyser: AnalyserNode}>} */ #nodes = new Map();
  #samples = new Float32Array(1024);

  /** @param {(levels: Levels) => void} report */
  constructor(report) {
    this.report = report;
  }

  /** Within the click that connects: an audio context that starts later may stay silent. */
  start() {
    this.#context = new AudioContext();
    this.#timer = setInterval(
      () => this.report({ local: this.#level("local"), remote: this.#level("remote") }),
      LEVEL_INTERVAL,
    );
  }

  /** @param {Side} side  @param {MediaStreamTrack} track */
  watch(side, track) {
    if (!this.#context) return;
    this.#nodes.get(side)?.source.disconnect();
    const source = this.#context.createMediaStreamSource(new MediaStream([track]));
    const analyser = new AnalyserNode(this.#context, { fftSize: this.#samples.length });
    source.connect(analyser);
    this.#nodes.set(side, { source, analyser });
  }

  stop() {
    clearInterval(this.#timer);
    this.#nodes.clear();
    this.#context?.close();
    this.#context = null;
  }

  /** @param {Side} side */
  #level(side) {
    const node = this.#nodes.get(side);
    if (!node) return 0;
    node.analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0);
    return Math.min(1, Math.sqrt(power / this.#samples.length));
  }
}
