/**
 * The widget of the Gradio UI: gives the controls of widget.html their life through `Connection`.
 *
 * Its way to Python are Gradio's events: `trigger("offer" | "fetch_output" | "send_input")`. The
 * answer to an offer, and what else Python has to say, comes back as the widget's value.
 *
 * @import { Details, Mode, Modality, OfferBody, Options, State } from "../browser/connection.js"
 * @import { Activity } from "../browser/conversation.js"
 * @import { DeviceKind } from "../browser/devices.js"
 * @import { Levels, Side } from "../browser/meters.js"
 *
 * @typedef {object} Gradio  what gr.HTML gives
 * @property {(event: "offer" | "fetch_output" | "send_input", data?: object) => void} trigger
 * @property {(name: "value", callback: () => void) => void} watch
 * @property {{value: string | null}} props
 * @property {{rtc_configuration: () => Promise<RTCConfiguration>}} server
 *
 * @typedef {object} Look  see `look.py`
 * @property {Partial<typeof LABELS>} labels
 * @property {string | null} icon  the address of a picture
 * @property {Record<string, string>} style  custom properties of CSS
 * @property {boolean} transcript
 * @property {boolean} textBox
 * @property {boolean} pushToTalk
 *
 * @typedef {Options & Look & {modality: Modality, mode: Mode, hasIceServers: boolean}} Settings
 */

import { Answers } from "./answers.js";
import { watchLine } from "./figures.js";
import { LABELS } from "./labels.js";
import { devicePanel } from "./panel.js";
import { Stage } from "./stage.js";
import { holdToTalk } from "./talk.js";
import { keepStyle, toast } from "./toasts.js";
import { Transcript } from "./transcript.js";
import { Waves } from "./waves.js";

/** @type {Record<State, keyof typeof LABELS>} */
const STATES = {
  idle: "ready",
  connecting: "connecting",
  connected: "connected",
  reconnecting: "reconnecting",
  closed: "ended",
  failed: "failed",
};
/** What a press of each button does next. @type {Record<DeviceKind, string[]>} */
const MUTE = {
  audio: ["Mute microphone", "Unmute microphone"],
  video: ["Turn camera off", "Turn camera on"],
  speaker: ["Mute speaker", "Unmute speaker"],
};
const GRADIO_ACCENT = "#f97316"; // of Gradio's own theme
const FLOOR = -60; // dB; what is quieter shows as nothing

/**
 * @param {HTMLElement} element  holds widget.html
 * @param {Gradio} gradio
 * @param {typeof import("../browser/client.js")} client
 * @param {Settings} settings  options of the connection, and what the widget looks like
 */
export function mount(element, { trigger, watch, props, server }, client, settings) {
  /** @template {Element} T  @param {string} name  @param {new () => T} kind */
  const find = (name, kind) => found(element.querySelector(`[data-part="${name}"]`), kind);
  /** @param {string} name */
  const part = (name) => find(name, HTMLElement);
  const root = part("root");
  const labels = { ...LABELS, ...settings.labels };
  const media = settings.modality.split("-");
  const sends = settings.mode !== "receive";
  const receives = settings.mode !== "send";
  /** @type {Record<DeviceKind, boolean>} */
  const uses = {
    audio: sends && media.includes("audio"),
    video: sends && media.includes("video"),
    speaker: receives && media.includes("audio"),
  };

  // --- offers go out as events, answers come back as the value --------------------------------

  /** @type {Map<number, (answer: any) => void>} */
  const waiting = new Map();
  let requests = Date.now(); // so that the answers to another page's requests are never taken
  /** @param {OfferBody} body */
  const offer = (body) =>
    new Promise((resolve) => {
      waiting.set(++requests, resolve);
      // The inputs go another way.
      trigger("offer", { request: requests, ...body, args: undefined, params: undefined });
    });
  watch("value", () => {
    const { request, answer, notice } = JSON.parse(props.value || "{}");
    if (notice) toast("error", notice);
    waiting.get(request)?.(answer);
    waiting.delete(request);
  });
  const rtcConfiguration = settings.hasIceServers ? () => server.rtc_configuration() : undefined;
  const connection = new client.Connection({ ...settings, offer, rtcConfiguration });
  const conversation = new client.Conversation(connection);
  Object.assign(root, { connection, conversation });

  // --- what can be seen -----------------------------------------------------------------------

  dress(root, labels, settings);
  const hasVideo = media.includes("video");
  root.toggleAttribute("data-video", hasVideo);
  /** @type {NodeListOf<SVGElement | HTMLElement>} */
  const icons = element.querySelectorAll("[data-icon]");
  const icon = settings.icon ? "own" : hasVideo ? "video" : "audio";
  for (const one of icons) one.style.display = one.dataset.icon === icon ? "" : "none";
  part("local-meter").hidden = !uses.audio;
  part("remote-meter").hidden = !uses.speaker;

  const stage = new Stage(
    {
      stage: part("stage"),
      local: find("local-video", HTMLVideoElement),
      remote: find("remote-video", HTMLVideoElement),
      button: part("full-screen"),
    },
    receives,
  );
  const waves = new Waves(find("waves", HTMLCanvasElement), [
    uses.audio ? "local" : "remote",
    uses.speaker ? "remote" : "local",
  ]);
  const transcript = new Transcript(part("transcript"), { user: labels.you, assistant: labels.agent });
  const answers = new Answers(part("answers"));

  let since = 0;
  const tick = () => {
    const seconds = Math.floor((Date.now() - since) / 1000);
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    part("clock").textContent = connection.state === "connected" ? clock : "";
  };
  /** @param {Details["state"]} detail */
  const setState = ({ state, reason }) => {
    root.dataset.state = state;
    part("status").textContent = reason || labels[STATES[state]];
    const runs = connection.running;
    part("toggle-text").textContent = runs ? labels.stop : labels.start;
    part("text").hidden = !settings.textBox || state !== "connected";
    if (state === "connecting") {
      since = 0;
      transcript.clear();
      answers.clear();
    }
    if (state === "connected") since ||= Date.now();
    tick();
    if (runs) return;
    showLevels({ local: 0, remote: 0 });
    waves.clear();
    stage.clear();
  };

  /** @param {Levels} levels  loudness (RMS), as it is to be seen then */
  const showLevels = (levels) => {
    for (const side of /** @type {Side[]} */ (["local", "remote"])) {
      levels[side] = Math.max(0, 1 - (20 * Math.log10(Math.max(levels[side], 1e-6))) / FLOOR);
      root.style.setProperty(`--level-${side}`, levels[side].toFixed(3));
      const meter = part(`${side}-meter`).querySelector("[role=meter]");
      meter?.setAttribute("aria-valuenow", String(Math.round(levels[side] * 100)));
    }
    return levels;
  };

  /** @param {Activity} activity  @param {string} text  of the handler */
  const showActivity = (activity, text) => {
    root.dataset.activity = activity;
    const words = part("activity");
    words.textContent = text || (activity && labels[activity]);
    words.hidden = !words.textContent;
    // What an agent does one hears; what a handler says of it is to be read out as well.
    words.setAttribute("aria-live", text ? "polite" : "off");
  };

  // --- wiring ---------------------------------------------------------------------------------

  part("toggle").onclick = () => {
    if (connection.running) connection.close();
    else connection.connect();
  };
  /** @type {NodeListOf<HTMLButtonElement>} */
  const buttons = element.querySelectorAll("button[data-mute]");
  for (const button of buttons) {
    const kind = /** @type {DeviceKind} */ (button.dataset.mute);
    button.hidden = !uses[kind] || (kind === "audio" && settings.pushToTalk);
    button.onclick = () => {
      const muted = !connection.muted[kind];
      connection.mute(kind, muted);
      button.setAttribute("aria-pressed", String(muted));
      button.title = MUTE[kind][Number(muted)];
    };
  }
  const preview = new client.Preview(settings, (local) => showLevels({ local, remote: 0 }));
  const panel = devicePanel(
    {
      box: part("devices"),
      button: part("devices-toggle"),
      selects: element.querySelectorAll("select[data-device]"),
      volume: find("volume", HTMLInputElement),
    },
    connection,
    client.Connection.devices,
    preview,
    uses,
    {
      picture: (stream) => {
        root.toggleAttribute("data-preview", Boolean(stream));
        stage.clear();
        for (const track of stream?.getVideoTracks() ?? []) stage.show(track, false);
      },
      failure: ({ message }) => toast("error", message),
    },
  );
  if (settings.pushToTalk && uses.audio) holdToTalk(part("talk"), connection);
  find("text", HTMLFormElement).onsubmit = (event) => {
    event.preventDefault();
    const input = find("text-input", HTMLInputElement);
    const text = input.value.trim();
    if (!text || !connection.send({ command: "text", text })) return;
    input.value = "";
    conversation.write(text);
  };
  watchLine(connection, client.Line, part("figures"), part("weak"));

  connection.addEventListener("state", ({ detail }) => setState(detail));
  connection.addEventListener("level", ({ detail }) => {
    const seen = showLevels({ ...detail });
    if (!hasVideo) waves.push(seen);
  });
  connection.addEventListener("track", ({ detail: { track, remote } }) => {
    if (track.kind === "video") stage.show(track, remote);
  });
  connection.addEventListener("error", ({ detail }) => toast("error", detail.message, detail.repeats));
  connection.addEventListener("warning", ({ detail }) => toast("warning", String(detail)));
  connection.addEventListener("fetch_output", () => trigger("fetch_output"));
  connection.addEventListener("send_input", (event) => {
    event.preventDefault(); // Python knows the values as the handler wants them
    trigger("send_input");
  });
  conversation.addEventListener("activity", ({ detail }) => showActivity(detail.activity, detail.text));
  conversation.addEventListener("answer", ({ detail }) => answers.push(detail.delay));
  connection.addEventListener("turn_record", ({ detail }) => answers.explain(detail?.stages ?? {}));
  if (settings.transcript) conversation.addEventListener("line", ({ detail }) => transcript.show(detail));

  keepStyle(element);
  find("toggle", HTMLButtonElement).disabled = false; // a press before would have been lost
  const alive = setInterval(() => {
    tick();
    if (root.isConnected) return;
    clearInterval(alive); // the page has dropped the widget
    panel.endPreview();
    connection.close();
  }, 1000);
}

/**
 * Give the widget its words, colours and icon.
 *
 * @param {HTMLElement} root  @param {typeof LABELS} labels  @param {Settings} settings
 */
function dress(root, labels, { icon, style }) {
  const accent = getComputedStyle(root).getPropertyValue("--primary-500").trim();
  if (accent === GRADIO_ACCENT) root.dataset.palette = "own";
  for (const [name, value] of Object.entries(style)) root.style.setProperty(name, value);
  /** @type {NodeListOf<HTMLElement>} */
  const worded = root.querySelectorAll("[data-label]");
  for (const one of worded) {
    const text = labels[/** @type {keyof typeof labels} */ (one.dataset.label)];
    if (one instanceof HTMLInputElement) one.placeholder = one.ariaLabel = text;
    else one.textContent = text;
  }
  const picture = root.querySelector("img");
  if (icon && picture) picture.src = icon;
}

/**
 * An element that widget.html has.
 *
 * @template {Element} T
 * @param {Element | null} element
 * @param {new () => T} kind
 * @returns {T}
 */
function found(element, kind) {
  if (element instanceof kind) return element;
  throw new TypeError(`The widget lacks a ${kind.name}.`);
}
