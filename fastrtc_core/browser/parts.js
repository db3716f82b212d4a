/**
 * Texts cut into parts and put together again.
 *
 * @typedef {{total: number, since: number, parts: Map<number, string>, size: number}} Pending
 */

import { PACKET_BYTES, cutText, parsedObject, sizeInside, utf8Size } from "./text.js";

const MESSAGE_BYTES = 1 << 18; // of the longest message
const MAX_PARTS = 512;
const PENDING_PER_SENDER = 16;
const PARTS_DEADLINE = 30_000; // ms

/** A message as parts, see `messaging/assembler.py`. @param {string} text  @param {string} id */
export function splitMessage(text, id) {
  if (utf8Size(text) > MESSAGE_BYTES) {
    throw new RangeError(`The message is longer than ${MESSAGE_BYTES} bytes: use sendText.`);
  }
  const parts = [...cutText(text, PACKET_BYTES - 300 - sizeInside(JSON.stringify(id)))];
  return parts.map((content, index) =>
    JSON.stringify({ msg_id: id, part_idx: index, total_parts: parts.length, content }),
  );
}

/** Puts messages together. What one sender sends never touches those of another. */
export class Parts {
  /** By sender, and in it by id; the oldest comes first. @type {Map<number, Map<string, Pending>>} */
  #senders = new Map();

  /**
   * Take a part.
   *
   * @param {number} uid  who sent it
   * @param {unknown} text
   * @returns {{data: string, msg_id: string} | null}  the message if it was the last part of one
   */
  take(uid, text) {
    this.#expire();
    const { msg_id: id, part_idx: index, total_parts: total, content } = parsedObject(text) ?? {};
    const counted = Number.isInteger(index) && Number.isInteger(total);
    if (typeof id !== "string" || typeof content !== "string" || !counted) return null;
    if (total < 1 || total > MAX_PARTS || index < 0 || index >= total) return null;
    /** @type {Map<string, Pending>} */
    const pending = this.#senders.get(uid) ?? new Map();
    /** @type {Pending} */
    const message = pending.get(id) ?? { total, since: performance.now(), parts: new Map(), size: 0 };
    if (message.total !== total || message.parts.has(index)) return null;
    message.parts.set(index, content);
    message.size += utf8Size(content);
    if (message.size > MESSAGE_BYTES || message.parts.size === total) {
      pending.delete(id);
      if (message.size > MESSAGE_BYTES) return null;
      const parts = Array.from({ length: total }, (_, part) => message.parts.get(part));
      return { data: parts.join(""), msg_id: id };
    }
    const [oldest] = pending.keys();
    if (!pending.has(id) && pending.size >= PENDING_PER_SENDER) pending.delete(oldest);
    pending.set(id, message);
    this.#senders.set(uid, pending);
    return null;
  }

  /** @param {number} uid */
  forget(uid) {
    this.#senders.delete(uid);
  }

  clear() {
    this.#senders.clear();
  }

  #expire() {
    const latest = performance.now() - PARTS_DEADLINE;
    for (const pending of this.#senders.values()) {
      for (const [id, { since }] of pending) if (since < latest) pending.delete(id);
    }
  }
}
