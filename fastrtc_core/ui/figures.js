/**
 * How good the line is: in the panel while one is connected, and where everybody sees it when it is bad.
 *
 * @import { Connection } from "../browser/connection.js"
 * @import { Line } from "../browser/line.js"
 */

const INTERVAL = 2000; // ms
const SLOW = 0.4; // s of round trip
const LOSSY = 0.05; // of the packets
const TIMES = 2; // that it is read so before it is called bad

/**
 * @param {Connection} connection
 * @param {new () => Line} Line
 * @param {HTMLElement} panel  @param {HTMLElement} alarm
 */
export function watchLine(connection, Line, panel, alarm) {
  /** @type {ReturnType<typeof setInterval> | undefined} */ let timer;
  let line = new Line();
  let bad = 0;
  const read = async () => {
    const report = await connection.getStats();
    if (!report || connection.state !== "connected") return;
    const { roundTrip, lost } = line.read(report);
    const words = [];
    if (roundTrip !== null) words.push(`${Math.round(1000 * roundTrip)} ms round trip`);
    if (lost !== null) words.push(`${(100 * lost).toFixed(lost > 0 && lost < 0.1 ? 1 : 0)} % lost`);
    panel.textContent = words.join(" · ");
    panel.hidden = words.length === 0;
    bad = (roundTrip ?? 0) > SLOW || (lost ?? 0) > LOSSY ? bad + 1 : 0;
    alarm.hidden = bad < TIMES;
    alarm.textContent = bad < TIMES ? "" : `Weak connection: ${words.join(", ")}`;
  };
  connection.addEventListener("state", ({ detail: { state } }) => {
    clearInterval(timer);
    if (state === "connecting") [line, bad] = [new Line(), 0];
    if (state === "connected") timer = setInterval(read, INTERVAL);
    if (state === "connected") setTimeout(read, 500); // and soon for the first time
    else panel.hidden = alarm.hidden = true;
  });
}
