/** How soon the agent answers: the last turn in words, and the ones before as a curve of bars. */

const KEPT = 20; // turns
const WIDTH = 5; // px from bar to bar
const HEIGHT = 18; // px
const LEAST = 1; // s that fill the height at least, so that small differences look small

/** Shows the delays. */
export class Answers {
  #box;
  /** @type {number[]} */ #delays = [];

  /** @param {HTMLElement} box  has a `span` and an `svg` */
  constructor(box) {
    this.#box = box;
  }

  /** @param {number} delay  in s */
  push(delay) {
    this.#delays = [...this.#delays, delay].slice(-KEPT);
    const [words, curve] = [this.#box.querySelector("span"), this.#box.querySelector("svg")];
    if (words) words.textContent = `Answered after ${delay.toFixed(1)} s`;
    const most = Math.max(LEAST, ...this.#delays);
    const bars = this.#delays.map((one, at) => {
      const tall = Math.max(2, (one / most) * HEIGHT);
      return `M${at * WIDTH + 2} ${HEIGHT}v${-tall.toFixed(1)}`;
    });
    curve?.setAttribute("viewBox", `0 0 ${bars.length * WIDTH} ${HEIGHT}`);
    curve?.setAttribute("width", String(bars.length * WIDTH));
    curve?.querySelector("path")?.setAttribute("d", bars.slice(0, -1).join(""));
    curve?.querySelector("path:last-child")?.setAttribute("d", bars.at(-1) ?? "");
    curve?.toggleAttribute("hidden", bars.length < 2);
    this.#box.hidden = false;
  }

  /**
   * Tell, to who points at it, where the time of the last answer went as the server sees it.
   *
   * @param {Record<string, number>} stages  in s
   */
  explain(stages) {
    const parts = Object.entries(stages).map(([name, seconds]) => `${name} ${Math.round(1000 * seconds)} ms`);
    this.#box.title = parts.join(", ");
  }

  clear() {
    this.#delays = [];
    this.#box.title = "";
    this.#box.hidden = true;
  }
}
