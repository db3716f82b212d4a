/**
 * What goes on between a user and an agent, made of the events of a `Connection`, for a page to show:
 *
 *     const conversation = new Conversation(connection);
 *     conversation.addEventListener("activity", ({ detail }) => show(detail.text || detail.activity));
 *     conversation.addEventListener("line", ({ detail: { role, heard, unheard } }) => …);
 *     conversation.addEventListener("answer", ({ detail }) => console.log(detail.delay));
 *
 * @import { Connection } from "./connection.js"
 *
 * @typedef {"" | "listening" | "thinking" | "speaking"} Activity  empty where there is no agent
 *
 * @typedef {object} Line  what one side said at a stretch
 * @property {number} number  its place, from 0 on
 * @property {"user" | "assistant"} role
 * @property {string} heard  the text, as far as it can have been heard
 * @property {string} unheard  the rest of an answer that was cut off
 * @property {boolean} final  whether it stands; one that does not and is empty is gone
 *
 * @typedef {object} Details
 * @property {{activity: Activity, text: string}} activity  what the agent does; `text` is what the handler
 *     says of it, until the agent does something else
 * @property {Line} line  a new line, or one that has changed
 * @property {{delay: number}} answer  s between the end of the user's speech and the first sound of the answer
 */

import { Emitter } from "./events.js";

const AUDIBLE = 0.002; // loudness (RMS) from which on there is sound
const STALE = 600; // ms for which sound that was cut off may still be heard

/** @extends {Emitter<Details>} */
export class Conversation extends Emitter {
  /** @type {Activity} */ #activity = "";
  #text = "";
  /** @type {Line[]} */ #lines = [];
  /** When the user fell silent, while the answer is awaited. @type {number | null} */ #asked = null;
  #answering = false;
  /** Until when there may be sound of an answer that was cut off, on its way and in buffers. */ #stale = 0;
  /** @type {Line | null} */ #answer = null;
  /** @type {Line | null} */ #unsettled = null;
  /** @type {Line | null} */ #written = null;

  /** @param {Connection} connection */
  constructor(connection) {
    super();
    connection.addEventListener("state", ({ detail: { state } }) => {
      if (state === "connecting") this.#begin();
      if (!connection.running) this.#do("");
    });
    connection.addEventListener("turn", ({ detail }) => this.#turn(detail.event, detail.silence));
    connection.addEventListener("status", ({ detail }) => this.#do(this.#activity, String(detail ?? "")));
    connection.addEventListener("transcript", ({ detail }) => this.#take(detail));
    connection.addEventListener("interrupted", ({ detail }) => this.#cut(detail ?? {}));
    connection.addEventListener("level", ({ detail }) => this.#hear(detail.remote));
  }

  get activity() {
    return this.#activity;
  }

  /** What was said so far, oldest first. */
  get lines() {
    return this.#lines.map((line) => ({ ...line }));
  }

  /** Add what the user wrote; the same text as a transcript of the server is not added again. @param {string} text */
  write(text) {
    this.#written = this.#add("user", text);
  }

  #begin() {
    this.#lines = [];
    this.#asked = this.#answer = this.#unsettled = this.#written = null;
    this.#answering = false;
    this.#do("");
  }

  /** @param {Activity} activity  @param {string} [text] */
  #do(activity, text = "") {
    if (activity === this.#activity && text === this.#text) return;
    [this.#activity, this.#text] = [activity, text];
    this.#emit("activity", { activity, text });
  }

  /** @param {string} event  of a `log` message  @param {number} silence  in s */
  #turn(event, silence) {
    if (event === "pause_detected") this.#asked = performance.now() / 1000 - silence;
    if (event === "started_talking") this.#asked = null;
    if (event === "response_starting") {
      this.#answering = true;
      if (this.#answer?.final) this.#answer = null;
    }
    if (event === "response_done") this.#answering = false;
    const activities = /** @type {Record<string, Activity>} */ ({
      listening: "listening",
      started_talking: "listening",
      pause_detected: "thinking",
      response_starting: "thinking",
      response_done: "listening",
      nothing_to_answer: "listening",
    });
    const activity = activities[event];
    // A status that the handler has set stands until something else begins.
    if (activity && activity !== this.#activity) this.#do(activity);
  }

  /** @param {number} level */
  #hear(level) {
    if (level < AUDIBLE) this.#stale = 0;
    if (!this.#answering || level < AUDIBLE || this.#activity !== "thinking") return;
    if (performance.now() < this.#stale) return;
    this.#do("speaking");
    if (this.#asked !== null) this.#emit("answer", { delay: performance.now() / 1000 - this.#asked });
    this.#asked = null;
  }

  /** @param {{role?: string, text?: string, final?: boolean}} transcript */
  #take({ role, text = "", final = true }) {
    if (role === "assistant") {
      this.#say(text, final);
      return;
    }
    if (text === this.#written?.heard) return;
    this.#written = null;
    const open = this.#lines.findLast((line) => line.role === "user" && !line.final);
    if (open) this.#change(open, { heard: text, final });
    else if (text) this.#add("user", text, final);
  }

  /** @param {string} text  @param {boolean} final */
  #say(text, final) {
    const line = this.#unsettled ?? this.#answer;
    if (!line || (line.final && !final)) {
      this.#answer = this.#add("assistant", text, final);
    } else if (line.final) {
      this.#change(line, { heard: line.heard ? `${line.heard} ${text}` : text, final });
    } else {
      // The text of an answer that is audio comes whole, each time.
      const whole = line.heard;
      const end = this.#unsettled ? lengthOf(text, whole) : whole.length;
      this.#change(line, { heard: text, unheard: whole.slice(end), final });
      this.#unsettled = null;
    }
  }

  /** @param {{text?: string}} interrupted */
  #cut({ text = "" }) {
    this.#answering = false;
    this.#stale = performance.now() + STALE;
    if (this.#answer && !this.#answer.final) {
      // What was heard of it is known to who knows its text, who says so next.
      [this.#unsettled, this.#answer] = [this.#answer, null];
    } else if (this.#answer) {
      const whole = this.#answer.heard;
      const end = lengthOf(text, whole);
      this.#change(this.#answer, { heard: whole.slice(0, end), unheard: whole.slice(end) });
      this.#answer = null;
    }
    this.#do("listening");
  }

  /** @param {"user" | "assistant"} role  @param {string} heard */
  #add(role, heard, final = true) {
    const line = { number: this.#lines.length, role, heard, unheard: "", final };
    this.#lines.push(line);
    this.#emit("line", { ...line });
    return line;
  }

  /** @param {Line} line  @param {Partial<Line>} change */
  #change(line, change) {
    Object.assign(line, change);
    this.#emit("line", { ...line });
  }

  /** @template {keyof Details} Name  @param {Name} type  @param {Details[Name]} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/**
 * How long the beginning of a text is that has the characters of another one, whatever its white space.
 *
 * @param {string} beginning  @param {string} text
 */
function lengthOf(beginning, text) {
  let left = beginning.replace(/\s/g, "").length;
  let end = 0;
  while (left > 0 && end < text.length) if (/\S/.test(text[end++])) left -= 1;
  return end;
}
