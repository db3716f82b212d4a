/**
 * The panel of devices: which microphone, camera and speaker, and how loud. Before Start it shows whether they
 * work.
 *
 * @import { Connection } from "../browser/connection.js"
 * @import { DeviceKind } from "../browser/devices.js"
 * @import { Preview } from "../browser/preview.js"
 *
 * @typedef {object} Parts
 * @property {HTMLElement} box
 * @property {HTMLElement} button  opens and closes it
 * @property {NodeListOf<HTMLSelectElement>} selects
 * @property {HTMLInputElement} volume
 *
 * @typedef {object} Shown  what a preview shows
 * @property {(stream: MediaStream | null) => void} picture  null when it is over
 * @property {(error: any) => void} failure
 */

/**
 * @param {Parts} parts
 * @param {Connection} connection
 * @param {() => Promise<Record<DeviceKind, {deviceId: string, label: string}[]>>} devices
 * @param {Preview} preview
 * @param {Record<DeviceKind, boolean>} uses
 * @param {Shown} shown
 */
export function devicePanel({ box, button, selects, volume }, connection, devices, preview, uses, shown) {
  /** @param {HTMLSelectElement} select */
  const kindOf = (select) => /** @type {DeviceKind} */ (select.dataset.device);
  const list = async () => {
    const found = await devices();
    for (const select of selects) {
      const chosen = select.value;
      const options = found[kindOf(select)].map(({ deviceId, label }) => new Option(label, deviceId));
      const hasDefault = options.some(({ value }) => value === "default");
      select.replaceChildren(...(hasDefault ? [] : [new Option("Automatic", "")]), ...options);
      select.value = [...select.options].some(({ value }) => value === chosen) ? chosen : select.options[0].value;
    }
  };
  const endPreview = () => {
    if (preview.stream) shown.picture(null);
    preview.close();
  };
  const look = async () => {
    if (box.hidden || connection.running || !(uses.audio || uses.video)) return;
    const chosen = Object.fromEntries([...selects].map((select) => [kindOf(select), select.value]));
    try {
      shown.picture(await preview.open(chosen));
      await list(); // browsers name devices once they are permitted
    } catch (/** @type {any} */ error) {
      if (error?.code !== "closed") shown.failure(error);
    }
  };
  for (const select of selects) {
    select.closest("label")?.toggleAttribute("hidden", !uses[kindOf(select)]);
    select.onchange = () => {
      connection.setDevice(kindOf(select), select.value);
      if (kindOf(select) !== "speaker") look();
    };
  }
  volume.closest("label")?.toggleAttribute("hidden", !uses.speaker);
  volume.oninput = () => {
    connection.audio.volume = Number(volume.value) / 100;
    volume.setAttribute("aria-valuetext", `${volume.value} %`);
  };
  button.hidden = !Object.values(uses).some(Boolean);
  button.onclick = async () => {
    const open = box.hidden;
    box.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (!open) return endPreview();
    await list();
    return look();
  };
  connection.addEventListener("state", ({ detail: { state } }) => {
    if (state === "connecting") endPreview();
    if (state === "connected") list();
  });
  navigator.mediaDevices?.addEventListener("devicechange", () => {
    if (box.isConnected && !box.hidden) list();
  });
  return { endPreview };
}
