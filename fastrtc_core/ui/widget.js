/**
 * The widget of the Gradio UI: gives the controls of widget.html their life through `Connection`.
 *
 * Its way to Python are Gradio's events: `trigger("offer" | "fetch_output" | "send_input")`. The
 * answer to an offer, and what else Python has to say, comes back as the widget's value.
 *
 * @import { Details, Mode, Modality, OfferBody, Options, State } from "../browser/connection.js"
 * @import { DeviceKind } from "../browser/devices.js"
 * @import { Side } from "../browser/meters.js"
 *
 * @typedef {object} Gradio  what gr.HTML gives
 * @property {(event: "offer" | "fetch_output" | "send_input", data?: object) => void} trigger
 * @property {(name: "value", callback: () => void) => void} watch
 * @property {{value: string | null}} props
 * @property {{rtc_configuration: () => Promise<RTCConfiguration>}} server
 *
 * @typedef {Options & {modality: Modality, mode: Mode, hasIceServers: boolean}} Settings
 */

/** @type {Record<State, string>} */
const WORDS = {
  idle: "Ready",
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  closed: "Ended",
  failed: "Failed",
};
/** What a press of each button does next. @type {Record<DeviceKind, string[]>} */
const MUTE = {
  audio: ["Mute microphone", "Unmute microphone"],
  video: ["Turn camera off", "Turn camera on"],
  speaker: ["Mute speaker", "Unmute speaker"],
};
// ms; longer than the ten seconds in which the server counts what repeats, so that its count takes
// the place of the first.
const TOAST_TIME = 12000;
const GRADIO_ACCENT = "#f97316"; // of Gradio's own theme
const FLOOR = -60; // dB; what is quieter shows as nothing

/**
 * @param {HTMLElement} element  holds widget.html
 * @param {Gradio} gradio
 * @param {typeof import("../browser/connection.js").Connection} Connection
 * @param {Settings} settings  options of the connection, and whether the server has ICE servers
 */
export function mount(element, { trigger, watch, props, server }, Connection, settings) {
  /** @param {string} name */
  const part = (name) => found(element.querySelector(`[data-part="${name}"]`), HTMLElement);
  /** @param {string} name */
  const video = (name) => found(part(name), HTMLVideoElement);
  const root = part("root");
  const media = settings.modality.split("-");
  const sends = settings.mode !== "receive";
  const receives = settings.mode !== "send";
  const videos = [video("local-video"), video("remote-video")];
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
  const connection = new Connection({ ...settings, offer, rtcConfiguration });
  Object.assign(root, { connection });

  // --- what can be seen -----------------------------------------------------------------------

  /** @type {number | undefined} */
  let clock;
  let since = 0;
  /** @param {Details["state"]} detail */
  const setState = ({ state, reason }) => {
    root.dataset.state = state;
    part("status").textContent = reason || WORDS[state];
    const runs = connection.running;
    part("toggle-text").textContent = runs ? "Stop" : "Start";
    clearInterval(clock);
    part("clock").textContent = "";
    if (state === "connecting") since = 0;
    if (state === "connected") {
      since ||= Date.now();
      const tick = () => {
        if (!root.isConnected) connection.close(); // the page has dropped the widget
        const seconds = Math.floor((Date.now() - since) / 1000);
        part("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
      };
      tick();
      clock = setInterval(tick, 1000);
      listDevices();
    }
    if (!runs) {
      showLevel("local", 0);
      showLevel("remote", 0);
      for (const video of videos) {
        video.srcObject = null;
        video.classList.remove("frtc-on");
      }
    }
  };

  /** @param {Side} side  @param {number} rms */
  const showLevel = (side, rms) => {
    const level = Math.max(0, 1 - (20 * Math.log10(Math.max(rms, 1e-6))) / FLOOR);
    root.style.setProperty(`--level-${side}`, level.toFixed(3));
    const meter = part(`${side}-meter`).querySelector("[role=meter]");
    meter?.setAttribute("aria-valuenow", String(Math.round(level * 100)));
  };

  /**
   * One that is still there is not shown a second time: it gets a count.
   *
   * @param {"error" | "warning"} kind  @param {string} text  @param {string} [repeats]  what it is about
   */
  const toast = (kind, text, repeats = text) => {
    const same = [...part("toasts").querySelectorAll("div")].find(
      (other) => other.dataset.kind === kind && other.dataset.about === repeats,
    );
    const count = Number(same?.dataset.count ?? 0) + 1;
    same?.remove();
    const box = document.createElement("div");
    box.className = "frtc-toast";
    box.dataset.kind = kind;
    box.dataset.about = repeats;
    box.dataset.count = String(count);
    box.setAttribute("role", kind === "error" ? "alert" : "status");
    const words = document.createElement("p");
    words.textContent = count > 1 && repeats === text ? `${text} (${count} times)` : text;
    const dismiss = document.createElement("button");
    dismiss.type = "button";
    dismiss.textContent = "×";
    dismiss.setAttribute("aria-label", "Dismiss");
    dismiss.onclick = () => box.remove();
    box.append(words, dismiss);
    while (part("toasts").childElementCount >= 4) part("toasts").firstChild?.remove();
    part("toasts").append(box);
    setTimeout(() => box.remove(), TOAST_TIME);
  };

  // --- devices --------------------------------------------------------------------------------

  /** @type {NodeListOf<HTMLSelectElement>} */
  const selects = element.querySelectorAll("select[data-device]");
  /** @param {HTMLSelectElement} select */
  const kindOf = (select) => /** @type {DeviceKind} */ (select.dataset.device);
  const listDevices = async () => {
    const devices = await Connection.devices();
    for (const select of selects) {
      const chosen = select.value;
      const options = devices[kindOf(select)].map(({ deviceId, label }) => new Option(label, deviceId));
      const hasDefault = options.some(({ value }) => value === "default");
      select.replaceChildren(...(hasDefault ? [] : [new Option("Automatic", "")]), ...options);
      select.value = [...select.options].some(({ value }) => value === chosen) ? chosen : select.options[0].value;
    }
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
    button.hidden = !uses[kind];
    button.onclick = () => {
      const muted = !connection.muted[kind];
      connection.mute(kind, muted);
      button.setAttribute("aria-pressed", String(muted));
      button.title = MUTE[kind][Number(muted)];
    };
  }
  for (const select of selects) {
    found(select.closest("label"), HTMLElement).hidden = !uses[kindOf(select)];
    select.onchange = () => connection.setDevice(kindOf(select), select.value);
  }
  part("devices-toggle").hidden = !Object.values(uses).some(Boolean);
  part("devices-toggle").onclick = () => {
    const open = part("devices").hidden;
    part("devices").hidden = !open;
    part("devices-toggle").setAttribute("aria-expanded", String(open));
    if (open) listDevices();
  };
  navigator.mediaDevices?.addEventListener("devicechange", () => {
    if (element.isConnected && !part("devices").hidden) listDevices();
  });

  const accent = getComputedStyle(root).getPropertyValue("--primary-500").trim();
  if (accent === GRADIO_ACCENT) root.dataset.palette = "own";
  part("local-meter").hidden = !uses.audio;
  part("remote-meter").hidden = !uses.speaker;
  if (media.includes("video")) root.dataset.video = "";
  /** @type {NodeListOf<SVGElement>} */
  const icons = element.querySelectorAll("[data-icon]");
  for (const icon of icons) {
    icon.style.display = media.includes("video") === (icon.dataset.icon === "video") ? "" : "none";
  }
  video("local-video").classList.add(receives ? "frtc-small" : "frtc-big");
  video("remote-video").classList.add("frtc-big");
  for (const video of videos) {
    // The stage takes the shape of its picture, also when that changes: a phone that is turned.
    video.addEventListener("resize", () => {
      if (!video.videoWidth) return;
      const framed = video.classList.contains("frtc-big") ? part("stage") : video;
      framed.style.setProperty("--shape", (video.videoWidth / video.videoHeight).toFixed(4));
    });
  }

  connection.addEventListener("state", ({ detail }) => setState(detail));
  connection.addEventListener("level", ({ detail }) => {
    showLevel("local", detail.local);
    showLevel("remote", detail.remote);
  });
  connection.addEventListener("track", ({ detail: { track, remote } }) => {
    if (track.kind !== "video") return;
    const picture = video(remote ? "remote-video" : "local-video");
    picture.srcObject = new MediaStream([track]);
    picture.classList.add("frtc-on");
    // Front cameras are shown like a mirror, the one at the back of a phone is not.
    picture.classList.toggle("frtc-rear", track.getSettings().facingMode === "environment");
  });
  connection.addEventListener("error", ({ detail }) => toast("error", detail.message, detail.repeats));
  connection.addEventListener("warning", ({ detail }) => toast("warning", String(detail)));
  connection.addEventListener("fetch_output", () => trigger("fetch_output"));
  connection.addEventListener("send_input", (event) => {
    event.preventDefault(); // Python knows the values as the handler wants them
    trigger("send_input");
  });
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
