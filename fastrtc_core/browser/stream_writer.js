/**
 * Sending a stream, see `messaging/streams/outgoing.py`.
 *
 * @import { OnProgress, StreamInfo } from "./stream_rules.js"
 *
 * @typedef {object} Receiver  what is known of one
 * @property {number[]} unread  bytes of each chunk that it has not read
 * @property {number} used  bytes of its window
 * @property {number} read  bytes of content that it has read
 * @property {number} chunks  how many it has read
 * @property {number} since  when it last read, or was sent the first of what it has not read, in ms
 *
 * @typedef {{timeout?: number, onProgress?: OnProgress}} WriterOptions
 */

import { CHUNK_OVERHEAD, StreamError, WINDOW, callBack } from "./stream_rules.js";
import { PACKET_BYTES, cutText, utf8Size, wellFormed } from "./text.js";
import { News } from "./waiting.js";

const CHUNK_BYTES = 10_000;
const STREAM_TIMEOUT = 10; // s

/** Sends a stream, no faster than the slowest of its receivers reads. */
export class StreamWriter {
  /** @type {Map<number, Receiver>} */ #receivers = new Map();
  /** @type {Map<number, string>} */ #dropped = new Map();
  #served = 0;
  #timeout;
  #post;
  #done;
  #onProgress;
  #news = new News();
  /** @type {Promise<void>} */ #turn = Promise.resolve();
  #nobody;
  #written = 0;
  #chunks = 0;
  #reported = 0;
  #error = "";
  #closed = false;
  #failed = false;
  #finished = false;

  /**
   * Made by `Channel.streamText` and `streamBytes`.
   *
   * @param {StreamInfo} info
   * @param {Iterable<number>} receivers  their uids
   * @param {WriterOptions} options
   * @param {(uids: number[], text: string) => Promise<void>} post  sends a packet
   * @param {() => void} done  called at the end
   */
  constructor(info, receivers, { timeout = STREAM_TIMEOUT, onProgress = () => {} }, post, done) {
    /** What is said of it. */
    this.info = info;
    for (const uid of receivers) {
      this.#receivers.set(uid, { unread: [], used: 0, read: 0, chunks: 0, since: 0 });
    }
    this.#nobody = this.#receivers.size === 0;
    this.#timeout = timeout * 1000;
    this.#onProgress = onProgress;
    this.#post = post;
    this.#done = done;
  }

  /** Who does not receive any longer, and why. @type {Map<number, string>} */
  get dropped() {
    return new Map(this.#dropped);
  }

  /**
   * Send a piece; resolves when there is room for the next one.
   *
   * @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} content
   */
  write(content) {
    return this.#inTurn(() => this.#write(content));
  }

  /** End it, and wait until it was read; with a reason, it ends before its time. @param {string} [reason] */
  async close(reason = "") {
    if (reason) this.abort(reason);
    else await this.#inTurn(() => this.#end());
  }

  /** End it before its time, at once. @param {string} reason */
  abort(reason) {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = `the stream was ended: ${reason}`;
    this.#tell({ packet: "trailer", reason: wellFormed(reason.slice(0, 200)) });
    this.#news.tell();
    this.#done();
  }

  /** It can be sent no longer. @param {string} reason */
  fail(reason) {
    this.#failed = !this.#closed;
    this.abort(reason);
  }

  /** Tell the receivers of it. */
  begin() {
    const { kind, topic, attributes, totalSize, mimeType, name, timestamp } = this.info;
    const named = kind === "bytes" ? { name } : {};
    const said = { kind, topic, attributes, total_size: totalSize, mime_type: mimeType, timestamp };
    this.#tell({ packet: "header", ...said, ...named });
  }

  /** Take the answer of a receiver. @param {number} uid  @param {Record<string, any>} answer */
  take(uid, { packet, chunks, reason }) {
    const one = this.#receivers.get(uid);
    if (!one) return;
    if (packet === "refusal") {
      this.#drop(uid, String(reason));
    } else if (chunks > one.chunks && chunks <= one.chunks + one.unread.length) {
      for (; one.chunks < chunks; one.chunks += 1) {
        const size = one.unread.shift() ?? 0;
        one.used -= size + CHUNK_OVERHEAD;
        one.read += size;
      }
      one.since = performance.now();
    }
    this.#notice();
  }

  /** @param {number} uid */
  forget(uid) {
    if (this.#receivers.has(uid)) this.#drop(uid, "has left");
    this.#notice();
  }

  /** @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} content */
  async #write(content) {
    this.#check();
    const whole = typeof content === "string" ? wellFormed(content) : asBytes(content);
    const size = sizeOf(whole);
    if ((this.info.kind === "text") !== (typeof whole === "string")) {
      throw new TypeError(`Write ${this.info.kind}.`);
    }
    const { totalSize } = this.info;
    if (totalSize !== null && this.#written + size > totalSize) {
      throw new RangeError(`More than the total size of ${totalSize} bytes was written.`);
    }
    if (this.#nobody) {
      this.#written += size;
      return;
    }
    const text = typeof whole === "string";
    for (const piece of text ? cutText(whole, PACKET_BYTES - 200) : cutBytes(whole)) {
      const bytes = sizeOf(piece);
      await this.#until(() => this.#hasRoom(bytes));
      this.#check();
      for (const one of this.#receivers.values()) {
        if (!one.unread.length) one.since = performance.now();
        one.unread.push(bytes);
        one.used += bytes + CHUNK_OVERHEAD;
      }
      const said = typeof piece === "string" ? piece : btoa(String.fromCharCode(...piece));
      const index = this.#chunks++;
      this.#written += bytes;
      await this.#tell({ packet: "chunk", index, content: said });
    }
  }

  async #end() {
    if (this.#closed && !this.#failed) return;
    try {
      const { totalSize } = this.info;
      this.#check();
      if (totalSize !== null && this.#written < totalSize) {
        throw new StreamError(`${this.#written} bytes were written, not ${totalSize}`);
      }
      this.#finished = true;
      this.#tell({ packet: "trailer", reason: "" });
      await this.#until(() => [...this.#receivers.values()].every(({ unread }) => !unread.length));
      this.#check();
    } catch (error) {
      this.abort("the sender has failed");
      throw error;
    }
    if (!this.#closed) this.#done();
    this.#closed = true;
  }

  /** @param {() => Promise<void>} action */
  #inTurn(action) {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** @param {number} size */
  #hasRoom(size) {
    const taken = size + CHUNK_OVERHEAD;
    return [...this.#receivers.values()].every(({ unread, used }) => !unread.length || used + taken <= WINDOW);
  }

  /** @param {() => boolean} holds */
  async #until(holds) {
    for (;;) {
      const waiting = [...this.#receivers].filter(([, { unread }]) => unread.length);
      for (const [uid, { since }] of waiting) {
        if (performance.now() - since < this.#timeout) continue;
        this.#drop(uid, `acknowledged nothing for ${this.#timeout / 1000} s`);
      }
      if (this.#error || holds() || this.#deserted) return;
      const alive = waiting.filter(([uid]) => this.#receivers.has(uid));
      await this.#news.wait(Math.min(...alive.map(([, { since }]) => since + this.#timeout)));
    }
  }

  /** @param {number} uid  @param {string} reason */
  #drop(uid, reason) {
    const one = this.#receivers.get(uid);
    this.#receivers.delete(uid);
    if (this.#finished && !one?.unread.length) this.#served += 1;
    else this.#dropped.set(uid, reason);
  }

  #notice() {
    const read = Math.min(...[...this.#receivers.values()].map((one) => one.read));
    if (read > this.#reported && read < Infinity) {
      this.#reported = read;
      callBack(this.#onProgress, read, this.info.totalSize);
    }
    this.#news.tell();
  }

  get #deserted() {
    return !this.#nobody && !this.#receivers.size && !this.#served;
  }

  #check() {
    if (this.#error) throw new StreamError(this.#error);
    if (this.#closed) throw new StreamError("the stream was closed");
    if (!this.#deserted) return;
    const why = [...this.#dropped].map(([uid, reason]) => `user ${uid}: ${reason}`);
    throw new StreamError(`nobody receives the stream: ${why.join("; ").slice(0, 500)}`);
  }

  /** @param {object} fields */
  #tell(fields) {
    return this.#post([...this.#receivers.keys()], JSON.stringify({ stream: this.info.streamId, ...fields }));
  }
}

/** @param {string | Uint8Array} piece */
function sizeOf(piece) {
  return typeof piece === "string" ? utf8Size(piece) : piece.length;
}

/** @param {ArrayBuffer | ArrayBufferView<ArrayBuffer>} content */
function asBytes(content) {
  if (content instanceof ArrayBuffer) return new Uint8Array(content);
  return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
}

/** Nothing is one empty piece. @param {Uint8Array} bytes */
function* cutBytes(bytes) {
  let start = 0;
  do {
    yield bytes.subarray(start, start + CHUNK_BYTES);
    start += CHUNK_BYTES;
  } while (start < bytes.length);
}
