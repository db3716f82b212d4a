/** Why a connection failed, in words for the user (`message`) and for programs (`code`). */
export class ConnectionError extends Error {
  /** @param {string} code  @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = "ConnectionError";
    this.code = code;
  }
}
