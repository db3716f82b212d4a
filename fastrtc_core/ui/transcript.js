/**
 * What was said, line by line; what was cut off of an answer is grey.
 *
 * @import { Line } from "../browser/conversation.js"
 */

const MOST = 200; // lines that are shown
const NEAR = 40; // px from the end within which one reads the newest

/** Shows the lines of a conversation. */
export class Transcript {
  #box;
  #names;
  /** @type {Map<number, HTMLElement>} */ #lines = new Map();

  /** @param {HTMLElement} box  @param {Record<Line["role"], string>} names */
  constructor(box, names) {
    this.#box = box;
    this.#names = names;
  }

  /** Show a line, or what it has become. @param {Line} line */
  show({ number, role, heard, unheard, final }) {
    const gone = final && !heard && !unheard;
    const before = this.#lines.get(number);
    if (gone) {
      before?.remove();
      this.#lines.delete(number);
      return;
    }
    this.#box.hidden = false;
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    const follows = scrollHeight - scrollTop - clientHeight < NEAR;
    const line = before ?? document.createElement("p");
    line.dataset.role = role;
    line.classList.toggle("frtc-open", !final);
    const name = Object.assign(document.createElement("b"), { textContent: this.#names[role] });
    line.replaceChildren(name, " ", heard);
    if (unheard) line.append(Object.assign(document.createElement("del"), { textContent: unheard, title: "Not heard" }));
    if (!before) {
      this.#lines.set(number, line);
      this.#box.append(line);
      const [oldest] = this.#lines.keys();
      if (this.#lines.size > MOST) {
        this.#lines.get(oldest)?.remove();
        this.#lines.delete(oldest);
      }
    }
    if (follows) this.#box.scrollTop = this.#box.scrollHeight;
  }

  clear() {
    this.#lines.clear();
    this.#box.replaceChildren();
    this.#box.hidden = true;
  }
}
