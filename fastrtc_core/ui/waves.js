/**
 * The sound of the last seconds around the figure of the stage: the user's to the left, the server's to the
 * right, the newest in the middle.
 *
 * @import { Levels, Side } from "../browser/meters.js"
 */

const STEP = 6; // px from bar to bar
const BAR = 3; // px
const CLEAR = 84; // px from the middle that belong to the figure

/** Draws them. */
export class Waves {
  #canvas;
  #sides;
  /** Newest first, 0 to 1. @type {Record<Side, number[]>} */ #levels = { local: [], remote: [] };
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /** @param {HTMLCanvasElement} canvas  @param {[Side, Side]} sides  what is drawn to the left and to the right */
  constructor(canvas, sides) {
    this.#canvas = canvas;
    this.#sides = sides;
  }

  /** @param {Levels} levels  0 to 1 as they are to be seen */
  push({ local, remote }) {
    if (this.#still.matches) return;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const bars = Math.max(0, Math.floor((width / 2 - CLEAR) / STEP));
    for (const [side, level] of /** @type {[Side, number][]} */ ([["local", local], ["remote", remote]])) {
      this.#levels[side].unshift(level);
      this.#levels[side].length = Math.min(this.#levels[side].length, bars);
    }
    this.#draw(width, height);
  }

  clear() {
    this.#levels = { local: [], remote: [] };
    this.#canvas.width = 0;
  }

  /** @param {number} width  @param {number} height */
  #draw(width, height) {
    const scale = devicePixelRatio;
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    const pen = this.#canvas.getContext("2d");
    if (!pen) return;
    pen.scale(scale, scale);
    const style = getComputedStyle(this.#canvas);
    this.#sides.forEach((side, to) => {
      pen.fillStyle = style.getPropertyValue(side === "local" ? "--accent" : "--answer");
      const levels = this.#levels[side];
      levels.forEach((level, at) => {
        const tall = Math.max(BAR, level * height * 0.5);
        const x = width / 2 + (to === 0 ? -1 : 1) * (CLEAR + at * STEP) - BAR / 2;
        pen.globalAlpha = 0.75 * (1 - at / (levels.length + 1));
        pen.beginPath();
        pen.roundRect(x, (height - tall) / 2, BAR, tall, BAR / 2);
        pen.fill();
      });
    });
  }
}
