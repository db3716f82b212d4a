/**
 * Calls between the members of a channel, see `messaging/rpc.py`.
 *
 * @typedef {object} Call  what a method is called with
 * @property {string} requestId
 * @property {number} caller  the uid of who calls
 * @property {string} payload
 * @property {number} responseTimeout  how long the caller waits, in s
 * @property {AbortSignal} signal  aborted when the caller waits no longer
 *
 * @typedef {(call: Call) => string | Promise<string>} Method
 * @typedef {{uid: number, resolve: (payload: string) => void, reject: (error: Error) => void}} Waiting
 * @typedef {Record<string, any>} Message  of another member, which may say anything
 */

import { parsedObject, utf8Size, wellFormed } from "./text.js";

const RPC_BYTES = 15 * 1024; // of a payload
const RPC_RUNNING = 64; // calls that may run for others at once; who has none running may have one more
const RPC_PER_CALLER = 16; // of them, those of one caller

const ENDED = Symbol("the caller waits no longer");

/** Why a call failed; the application's own codes lie outside 1400 to 1599. */
export const RpcErrorCode = Object.freeze({
  UNSUPPORTED_METHOD: 1400,
  RECIPIENT_NOT_FOUND: 1401,
  REQUEST_PAYLOAD_TOO_LARGE: 1402,
  APPLICATION_ERROR: 1500,
  RESPONSE_TIMEOUT: 1502,
  RECIPIENT_DISCONNECTED: 1503,
  RESPONSE_PAYLOAD_TOO_LARGE: 1504,
  SEND_FAILED: 1505,
});

/** A call that failed. Throw it in a method to have the caller see code, text and data. */
export class RpcError extends Error {
  /** @param {number} code  @param {string} message  @param {string} [data] */
  constructor(code, message, data = "") {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.data = data;
  }
}

/** The calls of one member, both ways. */
export class Calls {
  #send;
  /** @type {Map<string, Method>} */ #methods = new Map();
  /** @type {Map<string, Waiting>} */ #pending = new Map();
  #count = 0;
  /** What runs for others, by who calls. @type {Map<number, Set<AbortController>>} */ #running = new Map();

  /** @param {(uid: number, text: string) => boolean} send  whether it could */
  constructor(send) {
    this.#send = send;
  }

  /** @param {string} method  @param {Method} handler */
  register(method, handler) {
    if (!method || utf8Size(method) > 64) throw new TypeError("The name of a method has 1 to 64 bytes.");
    if (this.#methods.has(method)) throw new TypeError(`There is a method ${method} already.`);
    this.#methods.set(method, handler);
  }

  /** @param {string} method */
  unregister(method) {
    this.#methods.delete(method);
  }

  /**
   * @param {number} uid  whom to ask
   * @param {string} method  @param {string} text
   * @param {number} timeout  in s
   * @returns {Promise<string>} rejects with an `RpcError`
   */
  async call(uid, method, text, timeout) {
    const payload = wellFormed(text);
    if (!method || utf8Size(method) > 64) {
      throw new RpcError(RpcErrorCode.SEND_FAILED, "The name of a method has 1 to 64 bytes.");
    }
    if (!(timeout > 0 && timeout <= 3600)) {
      throw new RpcError(RpcErrorCode.SEND_FAILED, "A responseTimeout is above 0 and up to 3600 s.");
    }
    if (utf8Size(payload) > RPC_BYTES) {
      const code = RpcErrorCode.REQUEST_PAYLOAD_TOO_LARGE;
      throw new RpcError(code, `A payload has up to ${RPC_BYTES} bytes.`);
    }
    const id = String(++this.#count);
    /** @type {number | undefined} */ let timer;
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { uid, resolve, reject });
        const silent = new RpcError(RpcErrorCode.RESPONSE_TIMEOUT, `No answer in ${timeout} s.`);
        timer = setTimeout(reject, timeout * 1000, silent);
        if (this.#send(uid, JSON.stringify({ id, method, payload, timeout }))) return;
        reject(new RpcError(RpcErrorCode.SEND_FAILED, "The channel is not connected."));
      });
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  /**
   * Take a request or a response; what cannot be read is dropped.
   *
   * @param {number} sender  @param {unknown} text
   */
  take(sender, text) {
    const message = parsedObject(text);
    if (typeof message?.id !== "string") return;
    if ("method" in message) this.#answer(sender, message);
    else this.#answered(sender, message);
  }

  /** A user has left: what it was asked for will not come, nor is it waited for there. @param {number} uid */
  forget(uid) {
    const left = new RpcError(RpcErrorCode.RECIPIENT_DISCONNECTED, `User ${uid} has left.`);
    for (const pending of this.#pending.values()) if (pending.uid === uid) pending.reject(left);
    for (const running of [...(this.#running.get(uid) ?? [])]) running.abort(left);
  }

  close() {
    const others = [...this.#pending.values()].map(({ uid }) => uid);
    for (const uid of new Set([...others, ...this.#running.keys()])) this.forget(uid);
  }

  /** @param {number} caller  @param {Message} request */
  async #answer(caller, { id, method, payload = "", timeout = 10 }) {
    /** @type {(fields: object) => boolean} */
    const reply = (fields) => this.#send(caller, JSON.stringify({ id, ...fields }));
    try {
      reply({ payload: await this.#invoke(caller, id, method, payload, timeout) });
    } catch (error) {
      if (error === ENDED) return; // the caller waits no longer
      const known = error instanceof RpcError;
      if (!known) console.error("A method failed.", error);
      const code = known ? error.code : RpcErrorCode.APPLICATION_ERROR;
      const message = known ? error.message : "the method failed";
      reply({ error: { code, message, data: known ? error.data : "" } });
    }
  }

  /**
   * @param {number} caller  @param {string} requestId  @param {any} method  @param {any} payload
   * @param {any} timeout
   */
  async #invoke(caller, requestId, method, payload, timeout) {
    const handler = this.#methods.get(method);
    if (typeof payload !== "string" || !(timeout > 0 && timeout <= 3600)) {
      throw new RpcError(RpcErrorCode.APPLICATION_ERROR, "the request cannot be read");
    }
    if (utf8Size(payload) > RPC_BYTES) {
      throw new RpcError(RpcErrorCode.REQUEST_PAYLOAD_TOO_LARGE, "the payload is too large");
    }
    if (!handler) {
      const name = String(method).slice(0, 64);
      throw new RpcError(RpcErrorCode.UNSUPPORTED_METHOD, `no method '${name}'`);
    }
    const result = await this.#run(caller, timeout, (signal) =>
      handler({ requestId, caller, payload, responseTimeout: timeout, signal }),
    );
    if (typeof result !== "string") throw new TypeError(`A method returns a text, not ${typeof result}.`);
    if (utf8Size(result) > RPC_BYTES) {
      const code = RpcErrorCode.RESPONSE_PAYLOAD_TOO_LARGE;
      throw new RpcError(code, `a payload has up to ${RPC_BYTES} bytes`);
    }
    return wellFormed(result);
  }

  /**
   * Runs a method until the caller waits no longer; what goes on after that is its own affair.
   *
   * @param {number} caller
   * @param {number} timeout  in s
   * @param {(signal: AbortSignal) => unknown} call
   * @returns {Promise<unknown>}
   */
  async #run(caller, timeout, call) {
    /** @type {Set<AbortController>} */
    const own = this.#running.get(caller) ?? new Set();
    const all = [...this.#running.values()].reduce((sum, { size }) => sum + size, 0);
    // Whoever has none running may have one, so that no caller keeps another from it.
    if (own.size > 0 && (own.size >= RPC_PER_CALLER || all >= RPC_RUNNING)) {
      throw new RpcError(RpcErrorCode.APPLICATION_ERROR, "too many calls at once");
    }
    const controller = new AbortController();
    this.#running.set(caller, own.add(controller));
    const timer = setTimeout(() => controller.abort(), timeout * 1000);
    try {
      return await new Promise((resolve, reject) => {
        controller.signal.addEventListener("abort", () => reject(ENDED));
        Promise.resolve(call(controller.signal)).then(resolve, reject);
      });
    } finally {
      clearTimeout(timer);
      own.delete(controller);
      if (own.size === 0) this.#running.delete(caller);
    }
  }

  /** @param {number} sender  @param {Message} response */
  #answered(sender, { id, payload, error }) {
    const pending = this.#pending.get(id);
    if (!pending || pending.uid !== sender) return; // too late, or from somebody who was not asked
    if (typeof payload === "string" && !error) {
      pending.resolve(payload);
      return;
    }
    const code = Number.isInteger(error?.code) ? error.code : RpcErrorCode.APPLICATION_ERROR;
    const message = String(error?.message ?? "the answer cannot be read");
    pending.reject(new RpcError(code, message, String(error?.data ?? "")));
  }
}
