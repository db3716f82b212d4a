/** Texts cut into parts and put together again; served as a part of `connection.js`. */

const PACKET_BYTES = 15_000; // of a text inside a message, which is JSON once more
const MESSAGE_BYTES = 1 << 18; // of the longest message
const MAX_PARTS = 512;
const PENDING_PER_SENDER = 16;
const PARTS_DEADLINE = 30_000; // ms

/** @param {string} text */
function utf8Size(text) {
  return new TextEncoder().encode(text).length;
}

/** Bytes that a text takes inside a message of the server: JSON in ASCII. @param {string} text */
function sizeInside(text) {
  return JSON.stringify(text).replace(/[^ -~]/g, "\\uXXXX").length;
}

/** The object that a text says, or null. @param {any} text */
function parsedObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/**
 * Cut a text between its characters, so that each part, as JSON inside of JSON, takes no more than
 * some bytes. Nothing is one empty part.
 *
 * @param {string} text  @param {number} room
 */
function* cutText(text, room) {
  let start = 0;
  do {
    let end = Math.min(text.length, start + room);
    for (;;) {
      const next = text.codePointAt(end - 1);
      if (end < text.length && next > 0xffff) end -= 1; // would part the two halves of a character
      if (end <= start) end = start + 2;
      const size = sizeInside(JSON.stringify(text.slice(start, end)));
      if (size <= room || end - start <= 2) break;
      end = start + Math.max(1, Math.floor(((end - start) * room) / size) - 1);
    }
    yield text.slice(start, end);
    start = end;
  } while (start < text.length);
}

/** A message as parts, see `channel/assembler.py`. @param {string} text  @param {string} id */
function splitMessage(text, id) {
  if (utf8Size(text) > MESSAGE_BYTES) {
    throw new RangeError(`The message is longer than ${MESSAGE_BYTES} bytes: use sendText.`);
  }
  const parts = [...cutText(text, PACKET_BYTES - 300 - sizeInside(JSON.stringify(id)))];
  return parts.map((content, index) =>
    JSON.stringify({ msg_id: id, part_idx: index, total_parts: parts.length, content }),
  );
}

/** Puts messages together. What one sender sends never touches those of another. */
class Parts {
  /** By sender, and in it by id; the oldest comes first. @type {Map<number, Map<string, object>>} */
  #senders = new Map();

  /** Take a part; the message `{data, msg_id}` if it was the last one, else null. */
  take(uid, text) {
    this.#expire();
    const { msg_id: id, part_idx: index, total_parts: total, content } = parsedObject(text) ?? {};
    const counted = Number.isInteger(index) && Number.isInteger(total);
    if (typeof id !== "string" || typeof content !== "string" || !counted) return null;
    if (total < 1 || total > MAX_PARTS || index < 0 || index >= total) return null;
    const pending = this.#senders.get(uid) ?? new Map();
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
    if (!pending.has(id) && pending.size >= PENDING_PER_SENDER) pending.delete(pending.keys().next().value);
    pending.set(id, message);
    this.#senders.set(uid, pending);
    return null;
  }

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
