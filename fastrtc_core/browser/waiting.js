/** Waiting that something else can end. */

import { ConnectionError } from "./errors.js";

/**
 * The promise, unless the signal aborts or the time runs out before.
 *
 * @template T
 * @param {AbortSignal} signal
 * @param {T | PromiseLike<T>} promise
 * @param {number} [ms]  0 for no limit
 * @param {Error} [timeout]  what it rejects with when the time runs out
 * @returns {Promise<T>}
 */
export function within(signal, promise, ms = 0, timeout = undefined) {
  return new Promise((resolve, reject) => {
    const timer = ms ? setTimeout(() => reject(timeout), ms) : 0;
    const onAbort = () => reject(new ConnectionError("closed", "The connection was closed."));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
    Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      });
  });
}

/** One wait at a time for news, or until a time. */
export class News {
  /** @type {(nothing?: unknown) => void} */ #wake = () => {};

  tell() {
    this.#wake();
  }

  /** @param {number} until  by `performance.now()`; may be Infinity */
  async wait(until) {
    /** @type {number | undefined} */ let timer;
    await new Promise((resolve) => {
      this.#wake = resolve;
      if (until < Infinity) timer = setTimeout(resolve, Math.max(0, until - performance.now()) + 1);
    });
    clearTimeout(timer);
  }
}
