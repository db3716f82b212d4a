/**
 * One connection to a server, in a page:
 *
 *     import { Connection } from "/webrtc/client.js";
 *
 *     const connection = new Connection({ modality: "audio" });
 *     connection.addEventListener("state", ({ detail }) => console.log(detail.state));
 *     connection.addEventListener("error", ({ detail }) => alert(detail.message));
 *     startButton.onclick = () => connection.connect();
 *
 * One HTTP request opens a session: all candidates are gathered, one offer is posted, and everything
 * after that goes over the data channel as JSON messages `{type, data}`, or as bytes.
 *
 * @import { DeviceKind, Medium } from "./devices.js"
 * @import { Levels } from "./meters.js"
 * @import { Described, Offered, TrackSource } from "./publishing.js"
 *
 * @typedef {"audio" | "video" | "audio-video" | "text"} Modality
 * @typedef {"send-receive" | "send" | "receive"} Mode  as this client sees it
 * @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "closed" | "failed"} State
 *     `reconnecting`: nothing comes through for now; what can be done for it is done
 * @typedef {{sdp: string, type: "offer", args?: any[], params?: object} & (Again | Resuming | {})} OfferBody
 * @typedef {{webrtc_id: string, secret: string} & Offered} Again  of a session that stands: restart ICE
 * @typedef {{webrtc_id?: string, resume: true | string}} Resuming  whether this client can come back to its
 *     session, or the token with which it does
 * @typedef {(body: OfferBody, signal: AbortSignal) => Promise<any>} AskServer
 *
 * @typedef {object} Options
 * @property {string | URL} [server]  where the stream is mounted, its path included; by default where this
 *     module came from, or, if it was bundled with the page, the page's own server
 * @property {string | URL | AskServer} [offer]  where to post the offer, or a function that answers it
 * @property {Modality} [modality]  default `audio`; `text` opens the data channel alone
 * @property {Mode} [mode]  default `send-receive`
 * @property {MediaStreamConstraints | MediaTrackConstraints} [trackConstraints]  for `getUserMedia`:
 *     `{audio, video}`, or those of the one medium; a medium that is `false` is received and not sent
 * @property {RTCConfiguration | "server" | (() => Promise<RTCConfiguration>)} [rtcConfiguration]
 *     ICE servers; `"server"` asks the server for them. None are used by default.
 * @property {HeadersInit | (() => HeadersInit | Promise<HeadersInit>)} [headers]  for every request, such as
 *     `{Authorization: "Bearer …"}`, or a function that is asked for them each time
 * @property {RequestCredentials} [credentials]  whether cookies go with requests: `include` for a server of
 *     another origin; by default those of the page's own origin do
 * @property {any[]} [args]  the additional inputs that go with the offer
 * @property {object} [params]  whatever else the handler is to know from the start
 * @property {boolean} [stereo]  send two audio channels, too; what comes in stereo is played so
 * @property {boolean | number} [simulcast]  send the camera in three sizes at once, or in two, for a channel whose
 *     viewers have lines of different rates: each sees the largest that its line takes. It costs this page a third
 *     more to send and to encode. Of a session and of other servers the largest size alone is sent.
 * @property {boolean | string} [resume]  come back to the session when its connection is lost, or the page is
 *     reloaded, to a server with `resume_timeout`. What it takes is kept in the `sessionStorage` of the page,
 *     under the address of the server, and this text where a page has several connections to it.
 * @property {HTMLMediaElement} [audio]  the element that plays the remote audio; one is made if none is given
 *
 * @typedef {object} Details  of the events, each a `CustomEvent`
 * @property {{state: State, reason: string, resumed?: boolean}} state  the connection went from one state to
 *     another; of a client that can come back, `resumed` tells whether it is `connected` to the session that there
 *     was before, and not to a new one
 * @property {Failure} error  what went wrong
 * @property {{track: MediaStreamTrack, remote: boolean, stream?: MediaStream} & Partial<Described>} track
 *     a local or remote track is there to be shown. What the server publishes beside its voice and picture has
 *     `sid`, `source` and `name`, all else has its `stream`.
 * @property {Described} untrack  the server publishes it no longer
 * @property {Levels} level  20 times a second
 * @property {{kind: DeviceKind, muted: boolean}} mute
 * @property {any} message  of the server: a JSON value, or bytes, an `ArrayBuffer`
 * @property {any} send_input  the server asks for the inputs. The last `args` are sent, if there are any and the
 *     event is not cancelled by `preventDefault()`.
 * @property {any} warning  this and all below is the `data` of a message of the server
 * @property {any} log
 * @property {Turn} turn  the same event of `log`, with where it was
 * @property {any} status
 * @property {any} turn_record  where the silence before an answer went; it comes when the answer is over
 * @property {any} transcript
 * @property {any} fetch_output
 * @property {any} stopword
 * @property {any} interrupted
 * @property {any} update_connection
 * @property {any} end_stream
 * @property {any} closing
 * @property {any} draining
 *
 * @typedef {object} Turn  how the turns of an agent go
 * @property {string} event  such as `pause_detected`
 * @property {number} silence  in s, how long the user had been silent by then
 *
 * @typedef {object} Failure
 * @property {string} code
 * @property {string} message  in words for people
 * @property {boolean} fatal  whether it ends the session
 * @property {number} [count]  of an error that came again and again: how often
 * @property {string} [repeats]  and which it was
 */

import { keepSize, sizes, whole } from "./camera.js";
import { DEVICES, capture, devices } from "./devices.js";
import { ConnectionError } from "./errors.js";
import { Emitter } from "./events.js";
import { Meters } from "./meters.js";
import { Publisher } from "./publishing.js";
import { reconnect } from "./reconnecting.js";
import { fetchJson, refusal, serverUrl } from "./requests.js";
import { Wallet, insist, isPassing, isVoid } from "./resuming.js";
import { withStereo } from "./sdp.js";
import { utf8Size } from "./text.js";
import { within } from "./waiting.js";

const GATHER_TIMEOUT = 1500; // ms; then the offer goes out with the candidates that are there
const ANSWER_TIMEOUT = 10_000; // ms
const CONNECT_TIMEOUT = 10_000; // ms
const PAUSE = 500; // ms between two attempts to come back to a session
const TAIL = 400; // ms that the browser needs to play what is still in its buffer
const MAX_SENT = 65_536; // bytes of the largest message that the server takes
const MAX_WAITING = 4 << 20; // bytes that may wait to be sent; browsers give up at 16 MiB

/** @type {Set<keyof Details>} */
const SERVER_MESSAGES = new Set([
  "warning", "log", "message", "fetch_output", "stopword", "interrupted", "update_connection",
  "end_stream", "closing", "draining", "send_input", "transcript", "status", "turn_record",
]);

/** @type {Set<State>} */
const RUNNING = new Set(["connecting", "connected", "reconnecting"]);

/** Messages of the server that are about tracks which come and go. */
const NEGOTIATION = new Set(["negotiate", "answer", "unpublished"]);

/**
 * What is said of a session that the server closes, by the data of its `closing` message.
 *
 * @type {Record<string, string>}
 */
const CLOSINGS = {
  time_limit: "The session has reached its time limit.",
  drain: "The server is shutting down.",
  refused: "The server has refused the session.",
  removed: "You have been removed from the channel.",
  ended: "The channel has been ended.",
  resumed: "The session goes on in another page.",
  expired: "Your access to the channel has expired.",
  revoked: "Your access to the channel has been withdrawn.",
  error: "The session has ended: the server failed.",
};

/**
 * One connection to a server. May be closed and connected again as often as wanted.
 *
 * @extends {Emitter<Details>}
 */
export class Connection extends Emitter {
  /** @type {State} */ #state = "idle";
  /** @type {AbortController} */ #attempt = new AbortController();
  /** @type {Promise<boolean>} */ #connecting = Promise.resolve(false);
  /** @type {RTCPeerConnection | null} */ #pc = null;
  /** @type {RTCDataChannel | null} */ #channel = null;
  /** @type {Publisher | null} */ #publisher = null;
  #muted = { audio: false, video: false, speaker: false };
  #devices = { audio: "", video: "", speaker: "" };
  #meters = new Meters((detail) => this.#emit("level", detail));
  #farewell = "";
  /** Whether the server has said that it closes the session. */ #closing = false;
  #resumed = false;
  /** The connection will not come back. */ #lose = () => {};
  /** What it takes to come back to the session, if that is wanted. @type {Wallet | null} */ #wallet = null;
  /** With it, the server takes further offers for this session; empty if it takes none. */
  #secret = "";
  #onPageHide = () => (this.#wallet?.ticket ? this.#leave("") : this.close());

  /** @param {Options} [options] */
  constructor(options = {}) {
    super();
    /** @type {Options & {modality: Modality, mode: Mode}} */
    this.options = { modality: "audio", mode: "send-receive", ...options };
    /** The additional inputs that the server gets. @type {any[] | undefined} */
    this.args = options.args;
    /** The id that the server gave to this session. @type {string | null} */
    this.id = null;
    /** What is sent, while connected. @type {MediaStream | null} */
    this.localStream = null;
    /** What is received, while connected. @type {MediaStream | null} */
    this.remoteStream = null;
    /** Plays the remote audio. @type {HTMLMediaElement} */
    this.audio = options.audio ?? new Audio();
    if (options.resume) this.#wallet = new Wallet(walletName(options));
  }

  get state() {
    return this.#state;
  }

  /** Whether it is wanted: it connects, is connected, or tries to be so again. */
  get running() {
    return RUNNING.has(this.#state);
  }

  /** Whether `connect()` leads to the session that there was before, as far as is known. */
  get resumable() {
    return Boolean(this.#wallet?.ticket);
  }

  /** Whether this is the session that there was before the connection was lost, or the page reloaded. */
  get resumed() {
    return this.#resumed;
  }

  /** What is muted now: `{audio, video}` are not sent, `speaker` is not heard. */
  get muted() {
    return { ...this.#muted };
  }

  /** The microphones, cameras and speakers that can be chosen. Browsers name them once permitted. */
  static devices() {
    return devices();
  }

  /**
   * Open the session. Call it from a click, so that the browser lets audio play.
   *
   * @returns {Promise<boolean>} true once connected, false if it failed (see the `error` event) or
   *     was closed meanwhile. A second call while connecting or connected changes nothing.
   */
  connect() {
    if (this.running) return this.#connecting;
    this.#attempt = new AbortController();
    const { signal } = this.#attempt;
    this.#farewell = "The server closed the connection.";
    this.#closing = this.#resumed = false;
    this.#setState("connecting");
    this.#connecting = within(signal, this.#open(signal)).then(
      () => true,
      (error) => {
        if (!signal.aborted) this.#fail(error);
        return false;
      },
    );
    return this.#connecting;
  }

  /** End the session and release microphone, camera and speaker. @param {string} [reason] */
  close(reason = "") {
    if (!this.running) return;
    if (this.#wallet?.ticket) {
      this.#post("close", null); // or the server would wait for this client
      this.#wallet.ticket = null;
    }
    this.#leave(reason);
  }

  /** Lose the connection, as a bad network does, to see what follows: nobody is told. */
  drop() {
    if (this.#state !== "connected") return;
    this.#pc?.close();
    this.#lose();
  }

  /**
   * Send any JSON value, or bytes, to the handler's `on_message`.
   *
   * @param {any} data  an `ArrayBuffer`, a typed array or a `DataView` goes out as it is, as a binary message
   * @returns {boolean} false if it was not sent: there is no connection, or the `error` event says why not
   */
  send(data) {
    if (data instanceof ArrayBuffer || isView(data)) return this.#transmit(data, data.byteLength);
    if (data instanceof Blob) throw new TypeError("Send `await blob.arrayBuffer()`: a Blob has to be read first.");
    return this.#post("message", data);
  }

  /** What the browser counts of this connection; null if not connected. */
  async getStats() {
    return (await this.#pc?.getStats()) ?? null;
  }

  /** Bytes of messages that wait to be sent, 0 if not connected. Send no more while there are many. */
  get bufferedAmount() {
    return this.#channel?.bufferedAmount ?? 0;
  }

  /** Replace the additional inputs, at once if connected. @param {any[]} [args] */
  sendInput(args) {
    this.args = args;
    return this.#post("send_input", args);
  }

  /**
   * Send a further track, beside microphone and camera.
   *
   * @param {MediaStreamTrack} track  it stays the caller's to stop
   * @param {{source?: TrackSource, name?: string}} [options]
   * @returns {Promise<void>} rejects with a `ConnectionError` if the server does not take it
   */
  async publish(track, { source = "screen_share", name = track.label } = {}) {
    if (!this.#publisher) throw new ConnectionError("closed", "There is no connection.");
    await this.#publisher.publish(track, source, name);
  }

  /** Send it no longer. @param {MediaStreamTrack} track */
  async unpublish(track) {
    await this.#publisher?.unpublish(track);
  }

  /** Stop or go on sending `audio` or `video`, or hearing the `speaker`. @param {DeviceKind} kind */
  mute(kind, muted = true) {
    this.#muted[kind] = muted;
    this.#applyMute();
    this.#emit("mute", { kind, muted });
  }

  /**
   * Use another device, now if connected, else from the next `connect()` on.
   *
   * @param {DeviceKind} kind
   * @param {string} deviceId  one from `devices()`, or `""` for the browser's choice
   */
  async setDevice(kind, deviceId) {
    this.#devices[kind] = deviceId;
    if (kind === "speaker") return this.audio.setSinkId?.(deviceId);
    const { signal } = this.#attempt;
    const sender = this.#pc?.getSenders().find(({ track }) => track?.kind === kind);
    const old = sender?.track;
    if (!this.running || !sender || !old) return undefined;
    try {
      if (kind === "video") old.stop(); // phones open only one camera at a time
      const stream = await this.#capture([kind], signal);
      const [track] = stream.getTracks();
      await sender.replaceTrack(track);
      if (signal.aborted) track.stop();
      signal.throwIfAborted();
      old.stop();
      this.localStream?.removeTrack(old);
      this.#addLocal(track);
    } catch (error) {
      if (!signal.aborted) this.#tell(error, false);
    }
    return undefined;
  }

  // --- opening ---------------------------------------------------------------------------------

  /** @param {AbortSignal} signal */
  async #open(signal) {
    addEventListener("pagehide", this.#onPageHide);
    if (this.#kinds.includes("audio")) this.#meters.start();
    const configuration = await this.#rtcConfiguration(signal);
    const sent = this.#kinds.filter((kind) => this.#sends(kind));
    const captured = sent.length > 0 ? await this.#capture(sent, signal) : new MediaStream();
    if (signal.aborted) captured.getTracks().forEach((track) => track.stop());
    signal.throwIfAborted();
    this.localStream = captured;
    for (const track of captured.getTracks()) this.#addLocal(track);
    await this.#join(configuration, signal);
  }

  /**
   * Connect what is captured to a session: to the one that there was before, if it is still there.
   *
   * @param {RTCConfiguration | undefined} configuration  @param {AbortSignal} signal
   * @param {number} [deadline]  by `performance.now()`: until then the offer is made again and again
   */
  async #join(configuration, signal, deadline = 0) {
    const { mode, stereo = false } = this.options;
    const captured = this.localStream ?? new MediaStream();
    this.remoteStream = new MediaStream();
    const pc = new RTCPeerConnection(configuration);
    this.#pc = pc;
    const publisher = new Publisher(
      pc,
      (type, data) => this.#post(type, data),
      (track, described) => this.#emit("track", { track, remote: true, ...described }),
      (described) => this.#emit("untrack", described),
    );
    this.#publisher = publisher;
    pc.ontrack = ({ track, transceiver }) => {
      if (!publisher.welcome(transceiver)) this.#addRemote(track);
    };
    const channel = pc.createDataChannel("text");
    this.#channel = channel;
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => this.#receive(data);
    /** @type {Record<Mode, RTCRtpTransceiverDirection>} */
    const directions = { "send-receive": "sendrecv", send: "sendonly", receive: "recvonly" };
    /** @type {RTCRtpSender | null} */
    let layered = null;
    for (const kind of this.#kinds) {
      const direction = this.#sends(kind) ? directions[mode] : "recvonly";
      const track = captured.getTracks().find((one) => one.kind === kind);
      const camera = track?.kind === "video";
      const sendEncodings = camera ? sizes(this.options.simulcast) : [];
      const { sender } = pc.addTransceiver(track ?? kind, { direction, streams: [captured], sendEncodings });
      if (camera) keepSize(pc, sender);
      if (sendEncodings.length > 0) layered = sender;
    }

    const offer = await pc.createOffer();
    offer.sdp = withStereo(offer.sdp ?? "", stereo);
    await pc.setLocalDescription(offer);
    await gathered(pc, signal);
    const { answer, resumed } = await this.#request(pc.localDescription?.sdp ?? "", signal, deadline);
    this.id = answer.webrtc_id ?? null;
    // Only a server on a shared port, whose agent says so (RFC 8445 section 10), can restart ICE.
    this.#secret = /^a=ice-options:.*\bice2\b/m.test(answer.sdp) ? (answer.secret ?? "") : "";
    const connected = this.#whenConnected(pc, channel, signal);
    connected.catch(() => {}); // awaited below
    try {
      const sdp = stereo ? withStereo(answer.sdp, true) : answer.sdp;
      await within(signal, pc.setRemoteDescription({ type: "answer", sdp }));
      if (layered && !answer.sdp.includes("a=simulcast:")) await whole(layered);
    } catch (error) {
      const unread = new ConnectionError("bad-answer", "The server's answer cannot be read.");
      throw signal.aborted ? error : unread;
    }
    await connected;
    signal.throwIfAborted();
    if (this.#wallet) {
      const { webrtc_id: id, resume: token, resume_timeout: timeout } = answer;
      this.#wallet.ticket = token ? { id, token, timeout } : null;
    }
    this.#watch(pc, channel, configuration, signal);
    this.#resumed = resumed;
    this.#setState("connected");
  }

  /** @returns {Medium[]} */
  get #kinds() {
    /** @type {Medium[]} */
    const media = ["audio", "video"];
    return media.filter((kind) => this.options.modality.split("-").includes(kind));
  }

  /** @param {Medium} kind */
  #sends(kind) {
    const asked = Object(this.options.trackConstraints);
    return this.options.mode !== "receive" && asked[kind] !== false;
  }

  /** @param {Medium[]} kinds  @param {AbortSignal} signal */
  #capture(kinds, signal) {
    return capture(kinds, this.options.trackConstraints, this.#devices, signal);
  }

  /** @param {AbortSignal} signal  @returns {Promise<RTCConfiguration | undefined>} */
  async #rtcConfiguration(signal) {
    const { rtcConfiguration } = this.options;
    if (typeof rtcConfiguration === "function") return within(signal, rtcConfiguration());
    if (rtcConfiguration !== "server") return rtcConfiguration;
    return this.#fetch(serverUrl("config", this.options.server), { signal });
  }

  /**
   * Ask for the session that there was before, and for a new one if it has ended.
   *
   * @param {string} sdp  @param {AbortSignal} signal  @param {number} deadline
   * @returns {Promise<{answer: any, resumed: boolean}>}
   */
  async #request(sdp, signal, deadline) {
    /** @type {(more: Resuming | {}) => Promise<any>} */
    const ask = (more) => {
      /** @type {(each: AbortSignal) => Promise<any>} */
      const once = (each) => this.#ask(sdp, each, more);
      return deadline ? insist(once, signal, deadline) : once(signal);
    };
    const ticket = this.#wallet?.ticket;
    if (this.#wallet && ticket) {
      try {
        return { answer: await ask({ webrtc_id: ticket.id, resume: ticket.token }), resumed: true };
      } catch (error) {
        if (!isVoid(error)) throw error;
        this.#wallet.ticket = null;
      }
    }
    return { answer: await ask(this.#wallet ? { resume: true } : {}), resumed: false };
  }

  /**
   * Send the offer, take the answer; a refusal becomes an error with the server's words.
   *
   * @param {string} sdp  @param {AbortSignal} signal  @param {Again | Resuming | {}} [again]
   */
  async #ask(sdp, signal, again = {}) {
    const { server, offer = serverUrl("offer", server), params } = this.options;
    /** @type {OfferBody} */
    const body = { ...again, sdp, type: "offer", args: this.args, params };
    const timeout = new ConnectionError(
      "server-silent",
      `The server did not answer within ${ANSWER_TIMEOUT / 1000} seconds.`,
    );
    const asked =
      typeof offer === "function"
        ? offer(body, signal)
        : this.#fetch(offer, { method: "POST", body: JSON.stringify(body), signal });
    const answer = await within(signal, asked, ANSWER_TIMEOUT, timeout);
    if (answer?.sdp) return answer;
    throw refusal(answer);
  }

  /**
   * The JSON of a response to a request with the headers of the options.
   *
   * @param {string | URL} url  @param {RequestInit} init
   */
  async #fetch(url, init) {
    const { headers: given, credentials } = this.options;
    const headers = new Headers((typeof given === "function" ? await given() : given) || {});
    if (init.body) headers.set("Content-Type", "application/json");
    return fetchJson(url, { ...init, headers, ...(credentials && { credentials }) });
  }

  /** @param {RTCPeerConnection} pc  @param {RTCDataChannel} channel  @param {AbortSignal} signal */
  #whenConnected(pc, channel, signal) {
    const unreachable = new ConnectionError(
      "ice-failed",
      "The server answered, but no media path to it was found. A firewall may be in the way; " +
        "a TURN server helps.",
    );
    const opened = new Promise((resolve, reject) => {
      const check = () => {
        if (pc.connectionState === "failed") reject(unreachable);
        if (pc.connectionState === "connected" && channel.readyState === "open") resolve(undefined);
      };
      pc.onconnectionstatechange = check;
      channel.onopen = check;
    });
    return within(signal, opened, CONNECT_TIMEOUT, unreachable);
  }

  // --- while connected -------------------------------------------------------------------------

  /**
   * Notice that the server closed the session or went away.
   *
   * @param {RTCPeerConnection} pc  @param {RTCDataChannel} channel
   * @param {RTCConfiguration | undefined} configuration  for the next one
   * @param {AbortSignal} signal
   */
  #watch(pc, channel, configuration, signal) {
    const over = new AbortController(); // this connection is
    signal.addEventListener("abort", () => over.abort(), { signal: over.signal });
    const restart = this.#secret ? this.#restarting(pc, signal) : null;
    const again = async () => {
      if (this.#state !== "connected") return;
      this.#resumed = true;
      this.#setState("reconnecting");
      const stands = await reconnect(pc, restart, over.signal, this.resumable);
      if (signal.aborted) return;
      const text = "The connection to the server was lost.";
      if (stands && !over.signal.aborted) this.#setState("connected");
      else if (!this.resumable) this.#fail(new ConnectionError("connection-lost", text));
      else {
        over.abort();
        await this.#comeBack(configuration, signal);
      }
    };
    pc.onconnectionstatechange = () => {
      if (["disconnected", "failed"].includes(pc.connectionState)) again();
    };
    // Another network, of which the browser's ICE agent knows nothing yet.
    if (restart) addEventListener("online", again, { signal: over.signal });
    this.#lose = () => {
      over.abort();
      again();
    };
    channel.onclose = () => {
      if (this.#closing || !this.resumable) this.#closeLater(signal, this.#farewell);
      else this.#lose();
    };
  }

  /**
   * Come back to the session over another connection, or begin a new one where it has ended.
   *
   * @param {RTCConfiguration | undefined} configuration  @param {AbortSignal} signal
   */
  async #comeBack(configuration, signal) {
    const deadline = performance.now() + 1000 * (this.#wallet?.ticket?.timeout ?? 0);
    const published = this.#publisher?.published ?? [];
    for (;;) {
      this.#drop();
      try {
        await this.#join(configuration, signal, deadline);
        break;
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error) || performance.now() >= deadline) {
          this.#fail(/** @type {Error} */ (error));
          return;
        }
      }
      await new Promise((next) => setTimeout(next, PAUSE));
      if (signal.aborted) return;
    }
    for (const [track, { source, name }] of published) {
      this.publish(track, { source, name }).catch((error) => this.#tell(error, false));
    }
  }

  /**
   * How ICE is restarted.
   *
   * @param {RTCPeerConnection} pc  @param {AbortSignal} session
   * @returns {(signal: AbortSignal) => Promise<unknown>}
   */
  #restarting(pc, session) {
    const again = { webrtc_id: this.id ?? "", secret: this.#secret };
    return async (signal) => {
      await this.#renewServers(pc, signal);
      session.throwIfAborted();
      await this.#publisher?.restart((offered) => this.#ask(offered.sdp, signal, { ...offered, ...again }));
      session.throwIfAborted();
    };
  }

  /**
   * Ask for the ICE servers again, where there is somebody to ask: a TURN server takes credentials that
   * have expired for no new relay.
   *
   * @param {RTCPeerConnection} pc  @param {AbortSignal} signal
   */
  async #renewServers(pc, signal) {
    const { rtcConfiguration } = this.options;
    if (typeof rtcConfiguration !== "function" && rtcConfiguration !== "server") return;
    try {
      /** @type {RTCConfiguration} */
      const { iceServers, iceTransportPolicy } = (await this.#rtcConfiguration(signal)) ?? {};
      // All else must stay as it was (W3C WebRTC section 4.4.1.6).
      pc.setConfiguration({ ...pc.getConfiguration(), iceServers, iceTransportPolicy });
    } catch (error) {
      if (signal.aborted) throw error; // else those that there are may do
    }
  }

  /**
   * Close, but let the sound play that is still in the browser's buffer.
   *
   * @param {AbortSignal} signal  @param {string} reason
   */
  #closeLater(signal, reason) {
    const timer = setTimeout(() => this.close(reason), TAIL);
    signal.addEventListener("abort", () => clearTimeout(timer));
  }

  /** @param {string | ArrayBuffer} text */
  #receive(text) {
    if (typeof text !== "string") {
      this.#emit("message", text);
      return;
    }
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const { type, data } = message ?? {};
    if (type === "error") {
      const words = String(message.message ?? data);
      // Of an error that came again and again.
      const more = message.count ? { count: message.count, repeats: message.repeats } : {};
      this.#emit("error", { code: "handler", message: words, fatal: false, ...more });
    } else if (NEGOTIATION.has(type)) {
      this.#publisher?.take(type, data);
    } else if (SERVER_MESSAGES.has(type)) {
      const goOn = this.#emit(type, data);
      if (type === "log") this.#emit("turn", { event: String(data), silence: Number(message.silence) || 0 });
      if (type === "send_input" && goOn && this.args) this.sendInput(this.args);
      if (type === "closing") this.#farewell = CLOSINGS[data] ?? this.#farewell;
      if (type === "closing" || type === "end_stream") this.#closing = true;
      if (type === "end_stream") this.#closeLater(this.#attempt.signal, data ? String(data) : "");
    }
  }

  /** @param {string} type  @param {any} data */
  #post(type, data) {
    const text = JSON.stringify({ type, data });
    // A unit of UTF-16 is up to three bytes of UTF-8.
    return this.#transmit(text, text.length * 3 <= MAX_SENT ? text.length : utf8Size(text));
  }

  /** @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} message  @param {number} size  in bytes */
  #transmit(message, size) {
    if (this.#channel?.readyState !== "open") return false;
    /** @type {(code: string, text: string) => boolean} */
    const refuse = (code, text) => {
      this.#tell(new ConnectionError(code, text), false);
      return false;
    };
    if (size > MAX_SENT) {
      const text = `A message of ${size} bytes was not sent: the server takes up to ${MAX_SENT}.`;
      return refuse("message-too-large", text);
    }
    const waiting = this.#channel.bufferedAmount;
    if (waiting + size > MAX_WAITING) {
      return refuse("too-many-messages", `A message was not sent: ${waiting} bytes wait to be sent already.`);
    }
    this.#channel.send(/** @type {any} */ (message)); // its declaration has an overload for each
    return true;
  }

  /** @param {MediaStreamTrack} track */
  #addLocal(track) {
    this.localStream?.addTrack(track);
    track.onended = () => {
      const text = `The ${DEVICES[mediumOf(track)]} was disconnected. Choose another one.`;
      this.#tell(new ConnectionError("device-lost", text), false);
    };
    this.#applyMute();
    if (track.kind === "audio") this.#meters.watch("local", track);
    this.#emit("track", { track, stream: this.localStream ?? undefined, remote: false });
  }

  /** @param {MediaStreamTrack} track */
  #addRemote(track) {
    this.remoteStream?.addTrack(track);
    if (track.kind === "audio") {
      this.audio.srcObject = new MediaStream([track]);
      if (this.#devices.speaker) this.audio.setSinkId?.(this.#devices.speaker).catch(() => {});
      this.audio.play().catch((error) => {
        if (error.name !== "NotAllowedError") return;
        const text = "The browser does not play sound before you click on the page.";
        this.#tell(new ConnectionError("autoplay-blocked", text), false);
      });
      this.#meters.watch("remote", track);
    }
    this.#applyMute();
    this.#emit("track", { track, stream: this.remoteStream ?? undefined, remote: true });
  }

  #applyMute() {
    for (const track of this.localStream?.getTracks() ?? []) track.enabled = !this.#muted[mediumOf(track)];
    this.audio.muted = this.#muted.speaker;
  }

  // --- ending ----------------------------------------------------------------------------------

  /** @param {Error} error */
  #fail(error) {
    this.#release();
    this.#tell(error, true);
    this.#setState("failed", error.message);
  }

  /** Stop everything that runs. Nothing of the session is left behind. */
  #release() {
    this.#attempt.abort();
    removeEventListener("pagehide", this.#onPageHide);
    for (const track of this.localStream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.#meters.stop();
    this.#drop();
    this.audio.srcObject = null;
    this.localStream = this.remoteStream = this.id = null;
  }

  /** Close the connection, and nothing else. */
  #drop() {
    if (this.#channel) this.#channel.onmessage = this.#channel.onclose = null;
    if (this.#pc) this.#pc.onconnectionstatechange = null;
    this.#pc?.close();
    this.#pc = this.#channel = this.#publisher = null;
  }

  /** @param {string} reason */
  #leave(reason) {
    this.#release();
    this.#setState("closed", reason);
  }

  /** @param {any} error  @param {boolean} fatal */
  #tell(error, fatal) {
    const known = error instanceof ConnectionError;
    const message = known ? error.message : `Something went wrong: ${error?.message ?? error}`;
    this.#emit("error", { code: known ? error.code : "unexpected", message, fatal });
  }

  /** @param {State} state  @param {string} [reason] */
  #setState(state, reason = "") {
    this.#state = state;
    const which = this.#wallet && state === "connected" ? { resumed: this.#resumed } : {};
    this.#emit("state", { state, reason, ...which });
  }

  /** @template {keyof Details} Name  @param {Name} type  @param {Details[Name]} detail */
  #emit(type, detail) {
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable: true }));
  }
}

/**
 * Resolves when all candidates are gathered, or enough time was given to it.
 *
 * @param {RTCPeerConnection} pc  @param {AbortSignal} signal
 */
function gathered(pc, signal) {
  if (pc.iceGatheringState === "complete") return undefined;
  const complete = new Promise((resolve) => {
    setTimeout(resolve, GATHER_TIMEOUT);
    pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve(undefined);
  });
  return within(signal, complete);
}

/**
 * Under which name the page keeps what it takes to come back.
 *
 * @param {Options} options
 */
function walletName({ server, offer = serverUrl("offer", server), resume }) {
  const address = typeof offer === "function" ? location.pathname : String(new URL(offer, location.href));
  return typeof resume === "string" ? `${address} ${resume}` : address;
}

/** @param {MediaStreamTrack} track */
function mediumOf(track) {
  return /** @type {Medium} */ (track.kind);
}

/** @param {any} data  @returns {data is ArrayBufferView<ArrayBuffer>} */
function isView(data) {
  return ArrayBuffer.isView(data);
}
