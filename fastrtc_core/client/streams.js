/**
 * Streams of text and bytes between the members of a channel; served as a part of `browser.js`. The
 * packets and the flow control are those of `channel/streams/`.
 *
 * @typedef {object} StreamInfo
 * @property {string} streamId
 * @property {"text" | "bytes"} kind
 * @property {string} topic
 * @property {Object<string, string>} attributes
 * @property {number | null} totalSize  in bytes, if that is known
 * @property {string} mimeType
 * @property {string} name  of a file, as a stranger says: no path to trust
 * @property {number} timestamp  ms since 1970
 */

const WINDOW = 65_536; // bytes that a receiver was sent and has not read
const CHUNK_OVERHEAD = 256; // bytes that a chunk counts for beside its content
const CHUNK_BYTES = 10_000;
const STREAM_TIMEOUT = 10; // s
const STREAM_IDLE = 30_000; // ms
const STREAMS_PER_SENDER = 16;
const STREAMS_OPEN = 64;
const READ_LIMIT = 64 << 20; // bytes that readAll holds
const PACE = 3_000; // bytes that go out in a ms; the server takes 4000
const PACE_BURST = 500_000;

/** A stream that could not be sent, or read to its end; the message says why. */
export class StreamError extends Error {
  constructor(message) {
    super(message);
    this.name = "StreamError";
  }
}

/** One wait at a time for news, or until a time. */
class News {
  #wake = () => {};

  tell() {
    this.#wake();
  }

  /** @param {number} until  by `performance.now()`; may be Infinity */
  async wait(until) {
    let timer = 0;
    await new Promise((resolve) => {
      this.#wake = resolve;
      if (until < Infinity) timer = setTimeout(resolve, Math.max(0, until - performance.now()) + 1);
    });
    clearTimeout(timer);
  }
}

/** Reads a stream: iterate over its pieces with `for await`, or take them all. */
export class StreamReader {
  /** @type {{piece: string | Uint8Array, size: number}[]} */ #held = [];
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
  #onProgress = (received, total) => {};

  /** @param {StreamInfo} info  @param {(chunks: number) => void} answer */
  constructor(info, answer) {
    /** What was said of it before its content. */
    this.info = info;
    this.#answer = answer;
  }

  /** Have a function called as it is read. @param {(received: number, total: number | null) => void} callback */
  onProgress(callback) {
    this.#onProgress = callback;
  }

  /** The pieces, as they come. Throws a `StreamError` if the stream does not come to its end. */
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

  /** Take the next chunk; returns what is wrong with it. */
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

  /** Take the end; returns what is wrong with it. */
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

  /** Nothing more comes; what is held can still be read. */
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

/** Sends a stream, no faster than the slowest of its receivers reads. */
export class StreamWriter {
  /** @type {Map<number, {unread: number[], used: number, read: number, chunks: number, since: number}>} */
  #receivers = new Map();
  #dropped = new Map();
  #served = 0;
  #timeout;
  #post;
  #done;
  #onProgress;
  #news = new News();
  #turn = Promise.resolve();
  #nobody;
  #written = 0;
  #chunks = 0;
  #reported = 0;
  #error = "";
  #closed = false;
  #failed = false;
  #finished = false;

  /** Made by `Channel.streamText` and `streamBytes`. */
  constructor(info, receivers, { timeout = STREAM_TIMEOUT, onProgress = () => {} }, post, done) {
    /** What is said of it. @type {StreamInfo} */
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
   * @param {string | ArrayBuffer | Uint8Array} content
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
    this.#tell({ packet: "trailer", reason: reason.slice(0, 200) });
    this.#news.tell();
    this.#done();
  }

  /** It can be sent no longer. */
  fail(reason) {
    this.#failed = !this.#closed;
    this.abort(reason);
  }

  begin() {
    const { kind, topic, attributes, totalSize, mimeType, name, timestamp } = this.info;
    const named = kind === "bytes" ? { name } : {};
    const said = { kind, topic, attributes, total_size: totalSize, mime_type: mimeType, timestamp };
    this.#tell({ packet: "header", ...said, ...named });
  }

  /** Take the answer of a receiver. */
  take(uid, { packet, chunks, reason }) {
    const one = this.#receivers.get(uid);
    if (!one) return;
    if (packet === "refusal") {
      this.#drop(uid, String(reason));
    } else if (chunks > one.chunks && chunks <= one.chunks + one.unread.length) {
      for (; one.chunks < chunks; one.chunks += 1) {
        const size = one.unread.shift();
        one.used -= size + CHUNK_OVERHEAD;
        one.read += size;
      }
      one.since = performance.now();
    }
    this.#notice();
  }

  forget(uid) {
    if (this.#receivers.has(uid)) this.#drop(uid, "has left");
    this.#notice();
  }

  async #write(content) {
    this.#check();
    const text = this.info.kind === "text";
    if (text !== (typeof content === "string")) throw new TypeError(`Write ${this.info.kind}.`);
    const whole = text ? wellFormed(content) : asBytes(content);
    const size = text ? utf8Size(whole) : whole.length;
    const { totalSize } = this.info;
    if (totalSize !== null && this.#written + size > totalSize) {
      throw new RangeError(`More than the total size of ${totalSize} bytes was written.`);
    }
    if (this.#nobody) {
      this.#written += size;
      return;
    }
    for (const piece of text ? cutText(whole, PACKET_BYTES - 200) : cutBytes(whole)) {
      const bytes = text ? utf8Size(piece) : piece.length;
      await this.#until(() => this.#hasRoom(bytes));
      this.#check();
      for (const one of this.#receivers.values()) {
        if (!one.unread.length) one.since = performance.now();
        one.unread.push(bytes);
        one.used += bytes + CHUNK_OVERHEAD;
      }
      const content64 = text ? piece : btoa(String.fromCharCode(...piece));
      const index = this.#chunks++;
      this.#written += bytes;
      await this.#tell({ packet: "chunk", index, content: content64 });
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

  #inTurn(action) {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #hasRoom(size) {
    const taken = size + CHUNK_OVERHEAD;
    return [...this.#receivers.values()].every(({ unread, used }) => !unread.length || used + taken <= WINDOW);
  }

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

  #drop(uid, reason) {
    const one = this.#receivers.get(uid);
    this.#receivers.delete(uid);
    if (this.#finished && !one.unread.length) this.#served += 1;
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

  #tell(fields) {
    return this.#post([...this.#receivers.keys()], JSON.stringify({ stream: this.info.streamId, ...fields }));
  }
}

/** All streams of one member, both ways. */
class Streams {
  #send;
  #handlers = new Map();
  /** @type {Map<string, StreamWriter>} */ #writers = new Map();
  /** By sender and id. @type {Map<string, {uid: number, reader: StreamReader}>} */ #readings = new Map();
  #slots = [];
  #credit = PACE_BURST;
  #counted = performance.now();

  /** @param {(uid: number, text: string) => boolean} send */
  constructor(send) {
    this.#send = send;
  }

  register(kind, topic, handler) {
    const key = JSON.stringify([kind, topic]);
    if (this.#handlers.has(key)) throw new TypeError(`There is a handler for the topic "${topic}" already.`);
    this.#handlers.set(key, handler);
  }

  unregister(kind, topic) {
    this.#handlers.delete(JSON.stringify([kind, topic]));
  }

  /** Begin to send; waits while as many streams as one receiver takes are being sent. */
  async begin(info, receivers, options) {
    while (this.#writers.size >= STREAMS_PER_SENDER) {
      await new Promise((resolve) => this.#slots.push(resolve));
    }
    const whole = { streamId: newId(), ...info };
    const writer = new StreamWriter(
      { timestamp: Date.now(), ...whole },
      receivers,
      options,
      (uids, text) => this.#post(uids, text),
      () => {
        this.#writers.delete(whole.streamId);
        this.#slots.shift()?.();
      },
    );
    this.#writers.set(whole.streamId, writer);
    writer.begin();
    return writer;
  }

  /** Take a packet; what cannot be read is dropped. */
  take(uid, text) {
    const packet = parsedObject(text);
    if (typeof packet?.stream !== "string") return;
    if (packet.packet === "header") this.#open(uid, packet);
    else if (packet.packet === "chunk" || packet.packet === "trailer") this.#goOn(uid, packet);
    else this.#writers.get(packet.stream)?.take(uid, packet);
  }

  forget(uid) {
    for (const writer of [...this.#writers.values()]) writer.forget(uid);
    for (const one of this.#readings.values()) if (one.uid === uid) one.reader.fail(`user ${uid} has left`);
  }

  close() {
    for (const writer of [...this.#writers.values()]) writer.fail("the channel was left");
    for (const { reader } of this.#readings.values()) reader.fail("the channel was left");
  }

  #open(uid, header) {
    const { stream, kind, topic, attributes, total_size: totalSize = null } = header;
    const readable =
      (kind === "text" || kind === "bytes") &&
      typeof topic === "string" &&
      (totalSize === null || Number.isSafeInteger(totalSize));
    const key = `${uid} ${stream}`;
    if (!readable || this.#readings.has(key)) return;
    const handler = this.#handlers.get(JSON.stringify([kind, topic]));
    const readings = [...this.#readings.values()];
    const unread = readings.filter((one) => one.uid === uid && !one.reader.drained);
    if (!handler) {
      this.#refuse(uid, stream, `nobody takes ${kind} of the topic '${topic.slice(0, 64)}'`);
    } else if (readings.length >= STREAMS_OPEN || unread.length >= STREAMS_PER_SENDER) {
      this.#refuse(uid, stream, "too many streams at once");
    } else {
      const info = {
        streamId: stream,
        kind,
        topic,
        attributes: { ...attributes },
        totalSize,
        mimeType: String(header.mime_type ?? ""),
        name: String(header.name ?? ""),
        timestamp: Number(header.timestamp) || 0,
      };
      const reader = new StreamReader(info, (chunks) => this.#answer(uid, { stream, packet: "ack", chunks }));
      this.#readings.set(key, { uid, reader });
      this.#handle(handler, key, uid, stream, reader);
    }
  }

  #goOn(uid, packet) {
    const reading = this.#readings.get(`${uid} ${packet.stream}`);
    if (!reading) {
      if (packet.packet === "chunk") this.#refuse(uid, packet.stream, "no such stream is open");
      return;
    }
    const { reader } = reading;
    if (!reader.open) return;
    if (packet.packet === "chunk" && typeof packet.content !== "string") return;
    const wrong = packet.packet === "chunk" ? reader.takeChunk(packet) : reader.takeTrailer(packet);
    if (wrong) this.#refuse(uid, packet.stream, wrong);
  }

  async #handle(handler, key, uid, stream, reader) {
    let reason = "its handler has ended";
    try {
      await handler(reader, uid);
    } catch (error) {
      reason = error instanceof StreamError ? error.message : "its handler has failed";
      console.error("A stream was not read to its end.", error);
    }
    this.#readings.delete(key);
    if (!reader.drained && !reader.failed) this.#refuse(uid, stream, reason);
    reader.fail(reason);
  }

  #refuse(uid, stream, reason) {
    this.#answer(uid, { stream, packet: "refusal", reason: reason.slice(0, 200) });
  }

  #answer(uid, packet) {
    this.#send(uid, JSON.stringify(packet));
  }

  /** Send a packet to some, no faster than the server takes it. */
  async #post(uids, text) {
    for (const uid of uids) this.#send(uid, text);
    const now = performance.now();
    const cost = (sizeInside(text) + 1000) * uids.length;
    this.#credit = Math.min(PACE_BURST, this.#credit + (now - this.#counted) * PACE) - cost;
    this.#counted = now;
    if (this.#credit < 0) await new Promise((resolve) => setTimeout(resolve, -this.#credit / PACE));
  }
}

/** @param {ArrayBuffer | ArrayBufferView} content */
function asBytes(content) {
  if (content instanceof ArrayBuffer) return new Uint8Array(content);
  return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
}

function* cutBytes(bytes) {
  let start = 0;
  do {
    yield bytes.subarray(start, start + CHUNK_BYTES);
    start += CHUNK_BYTES;
  } while (start < bytes.length);
}

/** Call a function of the page; what it throws is its own. */
function callBack(callback, ...args) {
  try {
    callback(...args);
  } catch (error) {
    reportError(error);
  }
}

/** A text without halves of characters, which no other language can read. @param {string} text */
function wellFormed(text) {
  return text.toWellFormed?.() ?? text;
}
