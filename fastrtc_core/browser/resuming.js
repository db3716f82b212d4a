/**
 * Coming back to a session whose connection was lost, or whose page was reloaded.
 *
 * The server waits for its client some seconds; the token of its last answer opens the session once more.
 *
 * @typedef {{id: string, token: string, timeout: number}} Ticket  to come back with, in the next `timeout` s
 */

import { News } from "./waiting.js";

const EVERY = 1_000; // ms; a dead network swallows requests, so the next one does not wait for their end
const LONGEST = 5_000; // ms that each request may take

/** Of refusals and failures after which asking again may help. */
const PASSING = new Set(["server-unreachable", "server-silent", "bad-answer", "ice-failed", "unavailable"]);

/** Of refusals of a token: its session has ended, or goes on elsewhere. */
const VOID = new Set(["unknown_session", "connection_already_exists"]);

/** @param {any} error  whether trying again may help */
export function isPassing(error) {
  return PASSING.has(error?.code);
}

/** @param {any} error  whether a token is of no use any more */
export function isVoid(error) {
  return VOID.has(error?.code);
}

/** Keeps a ticket in the `sessionStorage` of the page, which a reload and a crash leave alone. */
export class Wallet {
  #key;
  /** Where there is no storage. @type {string | null} */ #own = null;

  /** @param {string} key */
  constructor(key) {
    this.#key = `fastrtc-session ${key}`;
  }

  /** @returns {Ticket | null} */
  get ticket() {
    try {
      return JSON.parse(this.#stored ?? "null");
    } catch {
      return null;
    }
  }

  /** @param {Ticket | null} ticket */
  set ticket(ticket) {
    this.#own = ticket && JSON.stringify(ticket);
    try {
      if (this.#own) sessionStorage.setItem(this.#key, this.#own);
      else sessionStorage.removeItem(this.#key);
    } catch {
      // The page may have none: then a reload begins anew.
    }
  }

  get #stored() {
    try {
      return sessionStorage.getItem(this.#key);
    } catch {
      return this.#own;
    }
  }
}

/**
 * Make the same request again and again until it is answered: to the server, the first one counts.
 *
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} ask
 * @param {AbortSignal} signal
 * @param {number} deadline  by `performance.now()`
 * @returns {Promise<T>} rejects with a refusal, or at the end with what happened last
 */
export async function insist(ask, signal, deadline) {
  const news = new News();
  const all = new AbortController();
  const end = () => {
    all.abort();
    news.tell();
  };
  /** @type {{answer: T} | {error: unknown} | null} */ let outcome = null;
  /** @type {unknown} */ let latest = null;
  const attempt = async () => {
    const one = new AbortController();
    const abort = () => one.abort();
    const timer = setTimeout(abort, LONGEST);
    all.signal.addEventListener("abort", abort);
    try {
      const answer = await ask(one.signal);
      outcome ??= { answer };
    } catch (error) {
      latest = error;
      if (!isPassing(error) && !one.signal.aborted) outcome ??= { error };
    }
    clearTimeout(timer);
    all.signal.removeEventListener("abort", abort);
    news.tell();
  };
  signal.addEventListener("abort", end);
  try {
    let next = performance.now();
    while (!outcome && !signal.aborted && performance.now() < deadline) {
      if (next <= performance.now()) {
        next += EVERY;
        attempt();
      }
      await news.wait(Math.min(next, deadline));
    }
  } finally {
    signal.removeEventListener("abort", end);
    all.abort();
  }
  signal.throwIfAborted();
  const known = /** @type {{answer: T} | {error: unknown} | null} */ (outcome);
  if (known && "answer" in known) return known.answer;
  throw known ? known.error : latest;
}
