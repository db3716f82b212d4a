/**
 * Streams of text and bytes between the members of a channel. The
 * packets and the flow control are those of `messaging/streams/`.
 *
 * @import { StreamInfo } from "./stream_rules.js"
 * @import { WriterOptions } from "./stream_writer.js"
 *
 * @typedef {(reader: StreamReader, uid: number) => unknown} StreamHandler  called for each stream, with who sends it
 * @typedef {Omit<StreamInfo, "streamId" | "timestamp">} Announced
 * @typedef {Record<string, any>} Packet  of another member, which may say anything
 */

import { StreamReader } from "./stream_reader.js";
import { StreamError } from "./stream_rules.js";
import { StreamWriter } from "./stream_writer.js";
import { newId, parsedObject, sizeInside } from "./text.js";

const STREAMS_PER_SENDER = 16;
const STREAMS_OPEN = 64;
const PACE = 3_000; // bytes that go out in a ms; the server takes 4000
const PACE_BURST = 500_000;

/** All streams of one member, both ways. */
export class Streams {
  #send;
  /** By kind and topic. @type {Map<string, StreamHandler>} */ #handlers = new Map();
  /** @type {Map<string, StreamWriter>} */ #writers = new Map();
  /** By sender and id. @type {Map<string, {uid: number, reader: StreamReader}>} */ #readings = new Map();
  /** Who waits to begin. @type {((nothing?: unknown) => void)[]} */ #slots = [];
  #credit = PACE_BURST;
  #counted = performance.now();

  /** @param {(uid: number, text: string) => boolean} send */
  constructor(send) {
    this.#send = send;
  }

  /** @param {"text" | "bytes"} kind  @param {string} topic  @param {StreamHandler} handler */
  register(kind, topic, handler) {
    const key = JSON.stringify([kind, topic]);
    if (this.#handlers.has(key)) throw new TypeError(`There is a handler for the topic "${topic}" already.`);
    this.#handlers.set(key, handler);
  }

  /** @param {"text" | "bytes"} kind  @param {string} topic */
  unregister(kind, topic) {
    this.#handlers.delete(JSON.stringify([kind, topic]));
  }

  /**
   * Begin to send; waits while as many streams as one receiver takes are being sent.
   *
   * @param {Announced} info  @param {number[]} receivers  @param {WriterOptions} options
   */
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

  /** Take a packet; what cannot be read is dropped. @param {number} uid  @param {unknown} text */
  take(uid, text) {
    const packet = parsedObject(text);
    if (typeof packet?.stream !== "string") return;
    if (packet.packet === "header") this.#open(uid, packet);
    else if (packet.packet === "chunk" || packet.packet === "trailer") this.#goOn(uid, packet);
    else this.#writers.get(packet.stream)?.take(uid, packet);
  }

  /** @param {number} uid */
  forget(uid) {
    for (const writer of [...this.#writers.values()]) writer.forget(uid);
    for (const one of this.#readings.values()) if (one.uid === uid) one.reader.fail(`user ${uid} has left`);
  }

  close() {
    for (const writer of [...this.#writers.values()]) writer.fail("the channel was left");
    for (const { reader } of this.#readings.values()) reader.fail("the channel was left");
  }

  /** @param {number} uid  @param {Packet} header */
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
    const own = readings.filter((one) => one.uid === uid);
    const unread = own.filter((one) => !one.reader.drained);
    // Whoever has none may have one, so that no sender keeps another from it.
    const full = own.length > 0 && readings.length >= STREAMS_OPEN;
    if (!handler) {
      this.#refuse(uid, stream, `nobody takes ${kind} of the topic '${topic.slice(0, 64)}'`);
    } else if (full || unread.length >= STREAMS_PER_SENDER) {
      this.#refuse(uid, stream, "too many streams at once");
    } else {
      /** @type {StreamInfo} */
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

  /** @param {number} uid  @param {Packet} packet */
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

  /**
   * @param {StreamHandler} handler  @param {string} key  @param {number} uid  @param {string} stream
   * @param {StreamReader} reader
   */
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

  /** @param {number} uid  @param {string} stream  @param {string} reason */
  #refuse(uid, stream, reason) {
    this.#answer(uid, { stream, packet: "refusal", reason: reason.slice(0, 200) });
  }

  /** @param {number} uid  @param {object} packet */
  #answer(uid, packet) {
    this.#send(uid, JSON.stringify(packet));
  }

  /** Send a packet to some, no faster than the server takes it. @param {number[]} uids  @param {string} text */
  async #post(uids, text) {
    for (const uid of uids) this.#send(uid, text);
    const now = performance.now();
    const cost = (sizeInside(text) + 1000) * uids.length;
    this.#credit = Math.min(PACE_BURST, this.#credit + (now - this.#counted) * PACE) - cost;
    this.#counted = now;
    if (this.#credit < 0) await new Promise((resolve) => setTimeout(resolve, -this.#credit / PACE));
  }
}
