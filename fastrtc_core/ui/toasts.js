/**
 * Notices that go away by themselves. All widgets of a page share one place for them, so that none covers
 * another; it is at the bottom, since those of Gradio are at the top.
 *
 * @typedef {"error" | "warning"} Kind
 */

// ms; longer than the ten seconds in which the server counts what repeats, so that its count takes
// the place of the first.
const SHOWN = 12000;
const MOST = 4; // at once
const STYLE = "frtc-style";

/**
 * Show one. One that is still there is not shown a second time: it gets a count.
 *
 * @param {Kind} kind  @param {string} text  @param {string} [repeats]  what it is about
 */
export function toast(kind, text, repeats = text) {
  const place = placeForToasts();
  const same = [...place.querySelectorAll("div")].find(
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
  while (place.childElementCount >= MOST) place.firstChild?.remove();
  place.append(box);
  setTimeout(() => box.remove(), SHOWN);
}

/** Keep the style of the widgets, also for when one of them is taken out of the page. @param {Element} widget */
export function keepStyle(widget) {
  const style = widget.querySelector("style");
  if (!style || document.getElementById(STYLE)) return;
  document.head.append(Object.assign(document.createElement("style"), { id: STYLE, textContent: style.textContent }));
}

/** @returns {HTMLElement} */
function placeForToasts() {
  /** @type {HTMLElement | null} */
  let place = document.querySelector(".frtc-toasts");
  if (!place) {
    place = document.createElement("div");
    place.className = "frtc frtc-toasts";
    place.setAttribute("role", "region");
    place.setAttribute("aria-label", "Notices");
    document.addEventListener("fullscreenchange", () => move(placeForToasts()));
  }
  if (!place.isConnected) move(place);
  return place;
}

/** Of a page in full screen, nothing else can be seen. @param {HTMLElement} place */
function move(place) {
  (document.fullscreenElement ?? document.body).append(place);
}
