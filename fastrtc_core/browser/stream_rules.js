/**
 * What both ends of a stream hold to.
 *
 * @typedef {(bytes: number, total: number | null) => void} OnProgress  how many were read, of how many
 *
 * @typedef {object} StreamInfo
 * @property {string} streamId
 * @property {"text" | "bytes"} kind
 * @property {string} topic
 * @property {Record<string, string>} attributes
 * @property {number | null} totalSize  in bytes, if that is known
 * @property {string} mimeType
 * @property {string} name  of a file, as a stranger says: no path to trust
 * @property {number} timestamp  ms since 1970
 */

export const WINDOW = 65_536; // bytes that a receiver was sent and has not read
export const CHUNK_OVERHEAD = 256; // bytes that a chunk counts for beside its content

/** A stream that could not be sent, or read to its end; the message says why. */
export class StreamError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "StreamError";
  }
}

/**
 * Call a function of the page; what it throws is its own.
 *
 * @template {unknown[]} T
 * @param {(...args: T) => unknown} callback
 * @param {T} args
 */
export function callBack(callback, ...args) {
  try {
    callback(...args);
  } catch (error) {
    reportError(error);
  }
}
