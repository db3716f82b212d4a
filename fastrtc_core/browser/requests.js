/** Requests to the server, and what its refusals say. */

import { ConnectionError } from "./errors.js";

/**
 * The address of a route of the server that this module came from, which may be another than that
 * of the page: the module stands at `{path}/webrtc/client/{hash}/requests.js`.
 *
 * @param {string} name  what follows `{path}/webrtc/`
 */
export function serverUrl(name) {
  return new URL(`../../${name}`, import.meta.url);
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
