/**
 * A button that is held while one talks: nothing is sent between.
 *
 * @import { Connection } from "../browser/connection.js"
 */

// ms for which the microphone stays open after the button was let go: people let go with their last word, and
// the message that says so overtakes the sound, which waits in buffers.
const TAIL = 250;

/** @param {HTMLElement} button  @param {Connection} connection */
export function holdToTalk(button, connection) {
  let talking = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let ending;
  /** @param {boolean} on */
  const talk = (on) => {
    clearTimeout(ending);
    // Who lets go while nothing comes through is not heard all the same.
    if (talking === on || !connection.running || (on && connection.state !== "connected")) return;
    talking = on;
    connection.mute("audio", !on);
    connection.send({ command: "push_to_talk", on });
  };
  /** @param {boolean} on */
  const hold = (on) => {
    button.setAttribute("aria-pressed", String(on));
    clearTimeout(ending);
    if (on) talk(true);
    else ending = setTimeout(talk, TAIL, false);
  };
  const held = () => button.getAttribute("aria-pressed") === "true";
  const isKey = (/** @type {KeyboardEvent} */ event) => event.key === " " || event.key === "Enter";
  button.onpointerdown = (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    hold(true);
  };
  button.onpointerup = button.onpointercancel = () => held() && hold(false);
  button.onkeydown = (event) => {
    if (!isKey(event)) return;
    event.preventDefault();
    if (!event.repeat) hold(true);
  };
  button.onkeyup = (event) => isKey(event) && held() && hold(false);
  button.onblur = () => held() && hold(false);
  button.oncontextmenu = (event) => event.preventDefault(); // of a long press on a phone

  connection.mute("audio", true);
  let begins = false;
  connection.addEventListener("state", ({ detail: { state } }) => {
    button.hidden = !connection.running;
    if (state === "connecting") begins = true;
    if (state === "connected" && begins) {
      begins = false;
      connection.send({ command: "mute", on: true }); // listen only while the button is held
      if (held()) talk(true);
    }
    if (connection.running) return;
    clearTimeout(ending);
    talking = false;
    button.setAttribute("aria-pressed", "false");
    connection.mute("audio", true);
  });
}
