/** Texts inside of messages: their size, their pieces, their ids. */

export const PACKET_BYTES = 15_000; // of a text inside a message, which is JSON once more

/** @param {string} text */
export function utf8Size(text) {
  return new TextEncoder().encode(text).length;
}

/** Bytes that a text takes inside a message of the server: JSON in ASCII. @param {string} text */
export function sizeInside(text) {
  return JSON.stringify(text).replace(/[^ -~]/g, "\\uXXXX").length;
}

/**
 * The object that a text says, or null. Its fields may be anything.
 *
 * @param {any} text
 * @returns {Record<string, any> | null}
 */
export function parsedObject(text) {
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
export function* cutText(text, room) {
  let start = 0;
  do {
    let end = Math.min(text.length, start + room);
    for (;;) {
      const next = text.codePointAt(end - 1) ?? 0;
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

/** A text without halves of characters, which no other language can read. @param {string} text */
export function wellFormed(text) {
  return text.toWellFormed?.() ?? text;
}

/** An id that no other has. */
export function newId() {
  return crypto.getRandomValues(new Uint32Array(2)).join("-");
}
