/**
 * What a page does when nothing comes through any more: a network that is gone for a moment, or another
 * one in its place.
 *
 * Where the server can, ICE is restarted (RFC 8445 section 9), again and again with growing pauses. In any
 * case the old way may come back by itself.
 */

import { News } from "./waiting.js";

const LOST_AFTER = 5_000; // ms; a server that hears nothing ends the session then
const GIVE_UP_AFTER = 20_000; // ms, however often the server has answered
const FIRST_PAUSE = 1_000; // ms, in which checks of the new credentials have their chance
const LONGEST_PAUSE = 4_000; // ms
// ms that requests may take: those that a dead network has swallowed never end, and a browser may send the next
// one over a connection that is as dead
const FIRST_ATTEMPT = 1_000;
const LONGEST_ATTEMPT = 4_000;

/** Of a refusal for good: asking again is of no use. */
const FINAL = new Set([
  "no_ice_restart", "unknown_session", "connection_already_exists", "malformed_offer", "origin_refused",
]);

/**
 * Wait until the connection stands again, and do what can be done for it.
 *
 * @param {RTCPeerConnection} pc  if it says that it is connected, it is not believed before a restart
 * @param {((signal: AbortSignal) => Promise<unknown>) | null} restart  restarts ICE; null if the server cannot
 * @param {AbortSignal} signal
 * @param {boolean} [resumable]  whether there is another way, once the server knows the connection no longer
 * @returns {Promise<boolean>} whether it does; false once it is given up
 */
export async function reconnect(pc, restart, signal, resumable = false) {
  const news = new News();
  const began = performance.now();
  let deadline = began + LOST_AFTER;
  let next = began;
  let pause = FIRST_PAUSE;
  let patience = FIRST_ATTEMPT;
  let asking = false;
  let giveUp = () => {};
  let believed = pc.connectionState !== "connected" || !restart;
  const tell = () => news.tell();
  const hurry = () => {
    giveUp(); // what was sent over the network before
    next = performance.now(); // there is a network again
    pause = FIRST_PAUSE;
    patience = FIRST_ATTEMPT;
    tell();
  };
  const attempt = async () => {
    asking = true;
    const aborter = new AbortController();
    const abort = () => aborter.abort();
    giveUp = abort;
    const timer = setTimeout(abort, patience);
    signal.addEventListener("abort", abort);
    next = performance.now() + pause;
    pause = Math.min(2 * pause, LONGEST_PAUSE);
    patience = Math.min(2 * patience, LONGEST_ATTEMPT);
    try {
      await restart?.(aborter.signal);
      believed = true;
      deadline = Math.min(performance.now() + LOST_AFTER, began + GIVE_UP_AFTER);
      next = Math.max(next, performance.now() + FIRST_PAUSE);
    } catch (/** @type {any} */ error) {
      if (FINAL.has(error?.code)) {
        restart = null;
        believed = true;
        if (resumable && error.code === "unknown_session") deadline = 0;
      }
    }
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    asking = false;
    giveUp = () => {};
    tell();
  };
  pc.addEventListener("connectionstatechange", tell);
  addEventListener("online", hurry);
  signal.addEventListener("abort", tell);
  try {
    while (!signal.aborted && performance.now() < deadline) {
      if (believed && pc.connectionState === "connected") return true;
      if (!restart && ["failed", "closed"].includes(pc.connectionState)) return false;
      const due = restart && !asking ? next : Infinity;
      if (due <= performance.now()) attempt();
      else await news.wait(Math.min(due, deadline));
    }
    return pc.connectionState === "connected";
  } finally {
    pc.removeEventListener("connectionstatechange", tell);
    removeEventListener("online", hurry);
    signal.removeEventListener("abort", tell);
  }
}
