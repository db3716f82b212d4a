/** Requests to the server, and what its refusals say. */

import { ConnectionError } from "./errors.js";

/** Where the server serves this module: `{path}/webrtc/client/{hash}/requests.js`. */
const SERVED = /\/webrtc\/client\/[0-9a-f]{16}\/requests\.js$/;

// Not within `new URL(…)`: bundlers take that for the address of a file to bundle.
const here = import.meta.url;

/**
 * The address of a route of the server: that of a `server` that was named, else that which this module
 * came from, which may be another than that of the page. In a bundle, it is that of the page.
 *
 * @param {string} name  what follows `{path}/webrtc/`
 * @param {string | URL} [server]  where the stream or the engine is mounted, its path included
 */
export function serverUrl(name, server) {
  if (server) return new URL(`${String(server).replace(/\/$/, "")}/webrtc/${name}`, location.href);
  return SERVED.test(here) ? new URL("../../" + name, here) : new URL(`/webrtc/${name}`, location.href);
}

/**
 * Why the server refused, in its own words: those of this package (`meta`), or the `detail` of a
 * dependency of FastAPI, a text or the list of what is wrong.
 *
 * @param {any} answer  whatever it sent
 */
export function refusal(answer) {
  const { error, message } = answer?.meta ?? {};
  const full = "The server is full. Try again in a moment.";
  const { detail } = answer ?? {};
  /** @type {(list: any[]) => string} */
  const joined = (list) => list.map((one) => one?.msg).join("; ");
  const said = Array.isArray(detail) ? joined(detail) : (detail?.message ?? detail);
  const told = typeof said === "string" && said ? said : undefined;
  const text = message ?? (error === "concurrency_limit_reached" ? full : (error ?? told));
  return new ConnectionError(error ?? "refused", text ?? "The server refused the connection.");
}

/**
 * The JSON of a response; that of a refusal becomes an error.
 *
 * @param {string | URL} url  @param {RequestInit} init
 * @returns {Promise<any>}
 */
export async function fetchJson(url, init) {
  let response;
  try {
    response = await fetch(url, init);
  } catch {
    throw new ConnectionError("server-unreachable", "The server cannot be reached.");
  }
  let body;
  try {
    body = await response.json();
  } catch {
    const text = `The server answered with ${response.status} ${response.statusText}`.trim();
    throw new ConnectionError("bad-answer", `${text}.`);
  }
  if (!response.ok) throw refusal(body);
  return body;
}
