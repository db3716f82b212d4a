/** Pictures on the stage, which takes their shape and can fill the screen. */

/** @typedef {{stage: HTMLElement, local: HTMLVideoElement, remote: HTMLVideoElement, button: HTMLElement}} Parts */

/** The two pictures. */
export class Stage {
  #parts;

  /** @param {Parts} parts  @param {boolean} receives  whether the server sends a picture */
  constructor(parts, receives) {
    this.#parts = parts;
    const { stage, local, remote, button } = parts;
    local.classList.add(receives ? "frtc-small" : "frtc-big");
    remote.classList.add("frtc-big");
    for (const video of [local, remote]) {
      // The stage takes the shape of its picture, also when that changes: a phone that is turned.
      video.addEventListener("resize", () => {
        if (!video.videoWidth) return;
        const fills = getComputedStyle(video).width === getComputedStyle(stage).width;
        const framed = video.classList.contains("frtc-big") || fills ? stage : video;
        framed.style.setProperty("--shape", (video.videoWidth / video.videoHeight).toFixed(4));
      });
    }
    button.onclick = () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else stage.requestFullscreen().catch(() => {}); // a frame that is not allowed to
    };
    stage.addEventListener("fullscreenchange", () => {
      button.setAttribute("aria-pressed", String(document.fullscreenElement === stage));
    });
  }

  /** @param {MediaStreamTrack} track  a picture  @param {boolean} remote */
  show(track, remote) {
    const picture = remote ? this.#parts.remote : this.#parts.local;
    picture.srcObject = new MediaStream([track]);
    picture.classList.add("frtc-on");
    // Front cameras are shown like a mirror, the one at the back of a phone is not.
    picture.classList.toggle("frtc-rear", track.getSettings().facingMode === "environment");
    this.#parts.button.hidden = !document.fullscreenEnabled;
  }

  clear() {
    for (const video of [this.#parts.local, this.#parts.remote]) {
      video.srcObject = null;
      video.classList.remove("frtc-on");
    }
    this.#parts.button.hidden = true;
    if (document.fullscreenElement === this.#parts.stage) document.exitFullscreen();
  }
}
