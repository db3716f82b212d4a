/**
 * Reading a stream, see `messaging/streams/incoming.py`.
 *
 * @import { OnProgress, StreamInfo } from "./stream_rules.js"
 *
 * @typedef {string | Uint8Array<ArrayBuffer>} Piece
 */

import { CHUNK_OVERHEAD, StreamError, WINDOW, callBack } from "./stream_rules.js";
import { utf8Size } from "./text.js";
import { News } from "./waiting.js";

const STREAM_IDLE = 30_000; // ms
const READ_LIMIT = 64 << 20; // bytes that readAll holds

/** Reads a stream: iterate over its pieces with `for await`, or take them all. */
export class StreamReader {
  /** @type {{piece: Piece, size: number}[]} */ #held = [];
  #used = 0;
  #arrived = 0;
  #chunks = 0;
  #read = 0;
  #received = 0;
  #owed = 0;
  #answered = performance.now();
  #latest = performance.now();
  #ended = false;
  #error = "";
  #news = new News();
  #answer;
  /** @type {OnProgress} */ #onProgress = () => {};

  /** @param {StreamInfo} info  @param {(chunks: number) => void} answer */
  constructor(info, answer) {
    /** What was said of it before its content. */
    this.info = info;
    this.#answer = answer;
  }

  /** Have a function called as it is read. @param {OnProgress} callback */
  onProgress(callback) {
    this.#onProgress = callback;
  }

  /**
   * The pieces, as they come. Throws a `StreamError` if the stream does not come to its end.
   *
   * @returns {AsyncGenerator<Piece, void, void>}
   */
  async *[Symbol.asyncIterator]() {
    for (;;) {
      const piece = this.#take();
      if (piece?.length) {
        callBack(this.#onProgress, this.#received, this.info.totalSize);
        yield piece;
      } else if (piece === undefined) {
        if (this.#error) throw new StreamError(this.#error);
        if (this.#ended) return;
        await this.#news.wait(this.#latest + STREAM_IDLE);
        if (performance.now() >= this.#latest + STREAM_IDLE) this.fail("nothing came for 30 s");
      }
    }
  }

  /**
   * What is still to be read: a text, or a `Uint8Array`.
   *
   * @param {{limit?: number}} [options]  how many bytes it may be
   */
  async readAll({ limit = READ_LIMIT } = {}) {
    const before = this.#received;
    /** @type {Piece[]} */
    const pieces = [];
    for await (const piece of this) {
      pieces.push(piece);
      if (this.#received - before > limit) throw new StreamError(`the stream is longer than ${limit} bytes`);
    }
    if (this.info.kind === "text") return pieces.join("");
    return new Uint8Array(await new Blob(pieces).arrayBuffer());
  }

  /** Whether it is whole, and was read. */
  get drained() {
    return this.#ended && this.#held.length === 0;
  }

  get open() {
    return !this.#ended && !this.#error;
  }

  get failed() {
    return Boolean(this.#error);
  }

  /** Take the next chunk; returns what is wrong with it. @param {{index?: any, content?: any}} chunk */
  takeChunk({ index, content }) {
    let piece = content;
    try {
      if (this.info.kind === "bytes") piece = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
    } catch {
      return this.fail("the content is not base64");
    }
    const size = typeof piece === "string" ? utf8Size(piece) : piece.length;
    const { totalSize } = this.info;
    if (index !== this.#chunks) return this.fail(`chunk ${index} came, not ${this.#chunks}`);
    if (this.#held.length && this.#used + size + CHUNK_OVERHEAD > WINDOW) {
      return this.fail("more was sent than the window allows");
    }
    if (totalSize !== null && this.#arrived + size > totalSize) {
      return this.fail(`more came than the ${totalSize} bytes that were announced`);
    }
    this.#held.push({ piece, size });
    this.#used += size + CHUNK_OVERHEAD;
    this.#arrived += size;
    this.#chunks += 1;
    this.#latest = performance.now();
    this.#news.tell();
    return "";
  }

  /** Take the end; returns what is wrong with it. @param {{reason?: any}} trailer */
  takeTrailer({ reason }) {
    const { totalSize } = this.info;
    if (reason) {
      this.fail(`the sender has ended it: ${reason}`);
    } else if (totalSize !== null && this.#arrived !== totalSize) {
      return this.fail(`${this.#arrived} bytes came, and ${totalSize} were announced`);
    } else {
      this.#ended = true;
    }
    this.#news.tell();
    return "";
  }

  /** Nothing more comes; what is held can still be read. @param {string} reason */
  fail(reason) {
    if (this.open) this.#error = reason;
    this.#news.tell();
    return reason;
  }

  #take() {
    const next = this.#held.shift();
    const now = performance.now();
    if (next) {
      this.#used -= next.size + CHUNK_OVERHEAD;
      this.#owed += next.size + CHUNK_OVERHEAD;
      this.#received += next.size;
      this.#read += 1;
      this.#latest = now;
    }
    const due = !this.#held.length || this.#owed >= WINDOW / 8 || now - this.#answered >= 1000;
    if (this.#owed && due) {
      this.#owed = 0;
      this.#answered = now;
      this.#answer(this.#read);
    }
    return next?.piece;
  }
}
