/**
 * A member of a channel, in a page:
 *
 *     import { Channel } from "/rtc/webrtc/client.js";
 *
 *     const channel = new Channel({ channel: "lobby", name: "Ada" });
 *     channel.addEventListener("user_joined", ({ detail }) => console.log(detail.user.name));
 *     channel.addEventListener("chat_message", ({ detail }) => console.log(detail.text));
 *     joinButton.onclick = () => channel.connect();
 *
 * @import { Details, Options, State } from "./connection.js"
 * @import { DeviceKind } from "./devices.js"
 * @import { TrackSource } from "./publishing.js"
 * @import { Method } from "./rpc.js"
 * @import { OnProgress, StreamInfo } from "./stream_rules.js"
 * @import { StreamWriter, WriterOptions } from "./stream_writer.js"
 * @import { Announced, StreamHandler } from "./streams.js"
 *
 * @typedef {{name: string, tracks: string[], muted: string[]}} User
 * @typedef {{id: string, uid: number, text: string, time: number, final: boolean}} ChatMessage
 * @typedef {number | number[] | null} Receivers  a uid, several, or everybody who is there
 *
 * @typedef {object} ChannelOptions  who joins, and what
 * @property {string} channel
 * @property {string} [name]
 * @property {number} [uid]
 * @property {string} [token]
 *
 * @typedef {object} Sending
 * @property {Receivers} [to]
 * @property {string} [topic]
 * @property {Record<string, string>} [attributes]
 * @property {OnProgress} [onProgress]  called with the bytes that all of them have read
 * @property {number} [timeout]  how long, in s, a receiver may read nothing
 *
 * @typedef {object} Own  what the `detail` of each event is; see also `Details`
 * @property {{state: State, reason: string}} connection_state_changed  see `state`
 * @property {{uid: number, channel: string, users: object[], chat: ChatMessage[]}} joined  this page is in the channel
 * @property {{uid: number, user: User}} user_joined
 * @property {{uid: number, user: User | undefined, reason: string}} user_left
 * @property {{uid: number, source: TrackSource}} track_published
 * @property {{uid: number, source: TrackSource}} track_unpublished
 * @property {{uid: number, source: TrackSource}} track_muted  nobody hears the "microphone", or sees the "camera",
 *     of `uid`, which may be this page itself: the server mutes, too; also told of those who are muted already
 *     when it joins
 * @property {{uid: number, source: TrackSource}} track_unmuted
 * @property {{uid: number, muted: boolean}} user_mute_audio  the same of the others, in Agora's words
 * @property {{uid: number, muted: boolean}} user_mute_video
 * @property {{seconds: number}} token_privilege_will_expire  call `renewToken` with a new token, or the page must
 *     leave then
 * @property {object} token_renewed  it counts
 * @property {object} token_privilege_did_expire  the page leaves
 * @property {{uid: number, data: string, msg_id: string}} stream_message  a text that somebody sent
 * @property {ChatMessage} chat_message  one with an id that its writer has used before replaces it
 * @property {{uid: number | null}} active_speaker  who speaks
 * @property {Transcribed} transcript
 * @property {{uid: number | null}} video_source  whose camera is shown by `connection.remoteStream`
 *
 * @typedef {object} Transcribed
 * @property {number | null} uid  who said it
 * @property {number} by  whose handler wrote it down
 * @property {string} text
 * @property {boolean} final  one that is not is replaced by the next of the same user
 * @property {number} start
 * @property {number | null} end
 * @property {string} role
 *
 * @typedef {Own & Pick<Details, "error" | "warning" | "closing" | "track" | "untrack" | "level">} ChannelDetails
 */

import { Connection } from "./connection.js";
import { Emitter } from "./events.js";
import { Parts, splitMessage } from "./parts.js";
import { Calls } from "./rpc.js";
import { StreamError, WINDOW } from "./stream_rules.js";
import { Streams } from "./streams.js";
import { PACKET_BYTES, newId, sizeInside, utf8Size, wellFormed } from "./text.js";

const CHAT_HISTORY = 200;
/** @type {("error" | "warning" | "closing" | "track" | "untrack" | "level")[]} */
const PASSED_ON = ["error", "warning", "closing", "track", "untrack", "level"];

/**
 * What a page is in a channel.
 *
 * @extends {Emitter<ChannelDetails>}
 */
export class Channel extends Emitter {
  #calls = new Calls((to, data) => this.connection.send({ event: "rpc", to, data }));
  #streams = new Streams((to, data) => this.connection.send({ event: "data_stream", to, data }));
  #parts = new Parts();
  /** @type {Promise<boolean>} */ #joining = Promise.resolve(false);
  /** @type {(joined: boolean) => void} */ #entered = () => {};
  /** Whether members on other servers are reached. @type {"connected" | "reconnecting"} */
  #reach = "connected";

  /**
   * @param {ChannelOptions & Options} options
   */
  constructor({ channel, name = "", uid, token, ...options }) {
    super();
    /** Microphone, devices, further tracks: all of what a `Connection` does. */
    this.connection = new Connection({
      modality: "audio",
      ...options,
      params: { ...options.params, channel, name, uid, token },
    });
    /** Who this page is, while it is in the channel; else 0. */
    this.uid = 0;
    /** Everybody else. @type {Map<number, User>} */
    this.users = new Map();
    /** What was written, the latest last. @type {ChatMessage[]} */
    this.chat = [];
    for (const type of PASSED_ON) {
      this.connection.addEventListener(type, ({ detail }) => this.#emit(type, detail));
    }
    this.connection.addEventListener("state", ({ detail }) => this.#changed(detail));
    this.connection.addEventListener("mute", ({ detail }) => this.#tellMute(detail.kind, detail.muted));
    this.connection.addEventListener("message", ({ detail }) => this.#take(detail));
  }

  /**
   * That of the `Connection`; "reconnecting" also while only those on the same server are reached.
   *
   * @returns {State}
   */
  get state() {
    const { state } = this.connection;
    return state === "connected" ? this.#reach : state;
  }

  /**
   * Enter the channel. Call it from a click, so that the browser lets audio play.
   *
   * @returns {Promise<boolean>} true once it is in, false if that failed: see the `error` event
   */
  connect() {
    if (this.connection.running) return this.#joining;
    /** @type {Promise<boolean>} */
    const entered = new Promise((resolve) => {
      this.#entered = resolve;
    });
    this.#joining = this.connection.connect().then((connected) => connected && entered);
    return this.#joining;
  }

  /** Leave it. */
  disconnect() {
    this.connection.close();
  }

  // --- messages --------------------------------------------------------------------------------

  /**
   * Send a text of up to 256 KiB to everybody else, or to one.
   *
   * @param {string} text  @param {{to?: number | null, msgId?: string}} [options]
   * @returns {boolean} false if not connected
   */
  sendStreamMessage(text, { to = null, msgId = "" } = {}) {
    if (typeof text !== "string") throw new TypeError("A message is a text: send bytes with sendFile or streamBytes.");
    const whole = wellFormed(text);
    const message = { event: "stream_message", data: whole, to, msg_id: msgId };
    if (sizeInside(whole) <= PACKET_BYTES) return this.connection.send(message);
    const parts = splitMessage(whole, msgId || newId());
    return parts.every((data) => this.connection.send({ event: "stream_message_part", data, to }));
  }

  /**
   * Write to the chat. @param {string} text
   * @param {{id?: string}} [options]  that of an earlier message, to replace it
   * @returns {boolean} false if not connected
   */
  sendChatMessage(text, { id } = {}) {
    return this.connection.send({ event: "chat_message", data: wellFormed(text), id });
  }

  /**
   * Stop or go on sending the `audio` or the `video`; the others are told.
   *
   * @param {"audio" | "video"} [kind]  @param {boolean} [muted]
   */
  mute(kind = "audio", muted = true) {
    this.connection.mute(kind, muted);
  }

  /**
   * Stay until another token ends, for the same channel, uid, name and permissions: `token_renewed` follows, or `error`.
   *
   * @param {string} token  @returns {boolean} false if not connected
   */
  renewToken(token) {
    return this.connection.send({ event: "renew_token", data: token });
  }

  // --- video -----------------------------------------------------------------------------------

  /**
   * See the camera of one user, where it has one; by default that of whoever speaks.
   *
   * @param {number | null} uid
   * @returns {boolean} false if not connected
   */
  chooseVideo(uid = null) {
    return this.connection.send({ event: "choose_video", data: uid === null ? "" : String(uid) });
  }

  // --- calls -----------------------------------------------------------------------------------

  /**
   * Call a function of another user, and wait for what it returns.
   *
   * @param {number} uid  @param {string} method  @param {string} [payload]
   * @param {{responseTimeout?: number}} [options]  how long to wait, in s
   * @returns {Promise<string>} rejects with an `RpcError`
   */
  performRpc(uid, method, payload = "", { responseTimeout = 10 } = {}) {
    return this.#calls.call(uid, method, payload, responseTimeout);
  }

  /**
   * Let others call a function.
   *
   * @param {string} method
   * @param {Method} handler  what it throws as `RpcError` reaches the caller
   */
  registerRpcMethod(method, handler) {
    this.#calls.register(method, handler);
  }

  /** @param {string} method */
  unregisterRpcMethod(method) {
    this.#calls.unregister(method);
  }

  // --- streams ---------------------------------------------------------------------------------

  /**
   * Send a text of any length, and wait until it was read.
   *
   * @param {string} text
   * @param {Sending} [options]
   * @returns {Promise<StreamInfo>} rejects with a `StreamError` if nobody has read it to its end
   */
  async sendText(text, options = {}) {
    const whole = wellFormed(text);
    const writer = await this.streamText({ ...options, totalSize: utf8Size(whole) });
    if (whole) await writer.write(whole);
    await writer.close();
    return writer.info;
  }

  /**
   * Send a file, and wait until it was read.
   *
   * @param {Blob} blob
   * @param {Sending & {name?: string, mimeType?: string}} [options]
   * @returns {Promise<StreamInfo>} rejects with a `StreamError` if nobody has read it to its end
   */
  async sendFile(blob, { name = nameOf(blob), mimeType = blob.type, ...options } = {}) {
    const writer = await this.streamBytes(name, { mimeType, ...options, totalSize: blob.size });
    try {
      for (let start = 0; start < blob.size; start += WINDOW) {
        await writer.write(await blob.slice(start, start + WINDOW).arrayBuffer());
      }
    } catch (error) {
      writer.abort("the sender has failed");
      throw error;
    }
    await writer.close();
    return writer.info;
  }

  /**
   * Begin to send a text bit by bit; `close` the writer at its end.
   *
   * @param {Sending & {totalSize?: number | null}} [options]  the size in bytes of UTF-8
   * @returns {Promise<StreamWriter>}
   */
  streamText({ topic = "", attributes = {}, totalSize = null, to = null, ...options } = {}) {
    /** @type {Announced} */
    const info = { kind: "text", topic, attributes, totalSize, mimeType: "text/plain", name: "" };
    return this.#begin(info, to, options);
  }

  /**
   * Begin to send bytes bit by bit; `close` the writer at their end.
   *
   * @param {string} name  of a file
   * @param {Sending & {totalSize?: number | null, mimeType?: string}} [options]
   * @returns {Promise<StreamWriter>}
   */
  streamBytes(name, { topic = "", attributes = {}, totalSize = null, mimeType = "", to = null, ...options } = {}) {
    const type = mimeType || "application/octet-stream";
    /** @type {Announced} */
    const info = { kind: "bytes", topic, attributes, totalSize, mimeType: type, name: wellFormed(name) };
    return this.#begin(info, to, options);
  }

  /**
   * Take streams of text of a topic. One that was not read when the handler is done is refused.
   *
   * @param {string} topic  @param {StreamHandler} handler
   */
  registerTextStreamHandler(topic, handler) {
    this.#streams.register("text", topic, handler);
  }

  /** @param {string} topic */
  unregisterTextStreamHandler(topic) {
    this.#streams.unregister("text", topic);
  }

  /** Take streams of bytes of a topic. @param {string} topic  @param {StreamHandler} handler */
  registerByteStreamHandler(topic, handler) {
    this.#streams.register("bytes", topic, handler);
  }

  /** @param {string} topic */
  unregisterByteStreamHandler(topic) {
    this.#streams.unregister("bytes", topic);
  }

  /** @param {Announced} info  @param {Receivers} to  @param {WriterOptions} options */
  async #begin(info, to, options) {
    if (!this.uid) throw new StreamError("the channel is not connected");
    const uids = to === null ? [...this.users.keys()] : [...new Set([to].flat())];
    const unknown = uids.find((uid) => !this.users.has(uid));
    if (unknown !== undefined) throw new StreamError(`there is no other user ${unknown}`);
    const texts = [info.topic, info.name, info.mimeType, ...Object.values(info.attributes)];
    if (!texts.every((one) => typeof one === "string")) throw new TypeError("Topic, name and attributes are texts.");
    const said = JSON.parse(JSON.stringify(info), (_, one) => (typeof one === "string" ? wellFormed(one) : one));
    if (sizeInside(JSON.stringify(said)) > PACKET_BYTES - 256) {
      throw new StreamError("topic, name and attributes of a stream have up to 14 KiB");
    }
    return this.#streams.begin(said, uids, options);
  }

  // --- what the server says --------------------------------------------------------------------

  /** @param {Details["state"]} detail */
  #changed({ state, reason }) {
    if (state === "closed" || state === "failed") {
      this.#streams.close();
      this.#calls.close();
      this.#parts.clear();
      this.uid = 0;
      this.users.clear();
      this.#entered(false);
      this.#reach = "connected";
    }
    this.#emit("connection_state_changed", { state, reason });
  }

  /** @param {any} message  of the server */
  #take(message) {
    if (typeof message?.event !== "string") return;
    const { event, ...detail } = message;
    const { uid, data } = detail;
    if (event === "rpc") this.#calls.take(uid, data);
    else if (event === "data_stream") this.#streams.take(uid, data);
    else if (event === "stream_message_part") {
      const whole = this.#parts.take(uid, data);
      if (whole) this.#emit("stream_message", { uid, ...whole });
    } else {
      this.#follow(event, detail);
      this.#emit(event, detail);
      if (event === "track_muted" || event === "track_unmuted") this.#emitMute(uid, detail.source, event === "track_muted");
      if (event === "joined") this.#greet();
    }
  }

  /** This page is in the channel: say what is muted, and tell who is. */
  #greet() {
    for (const [kind, muted] of Object.entries(this.connection.muted)) {
      if (muted) this.#tellMute(/** @type {DeviceKind} */ (kind), muted);
    }
    for (const [uid, { muted }] of this.users) {
      for (const source of muted) {
        this.#emit("track_muted", { uid, source: /** @type {TrackSource} */ (source) });
        this.#emitMute(uid, source, true);
      }
    }
    this.#entered(true);
  }

  /** @param {DeviceKind} kind  @param {boolean} muted */
  #tellMute(kind, muted) {
    const source = { audio: "microphone", video: "camera", speaker: "" }[kind];
    if (source && this.uid) this.connection.send({ event: muted ? "mute" : "unmute", data: source });
  }

  /** @param {number} uid  @param {string} source  @param {boolean} muted */
  #emitMute(uid, source, muted) {
    if (uid !== this.uid) this.#emit(source === "microphone" ? "user_mute_audio" : "user_mute_video", { uid, muted });
  }

  /** Keep `uid`, `users` and `chat` as they are. @param {string} event  @param {any} detail */
  #follow(event, detail) {
    const { uid, source } = detail;
    const user = this.users.get(uid);
    if (event === "joined") {
      this.uid = uid;
      this.#reach = detail.state;
      /** @type {(User & {uid: number})[]} */
      const users = detail.users;
      this.users = new Map(users.map(({ uid: one, ...user }) => [one, asUser(user)]));
      this.chat = detail.chat;
    } else if (event === "connection_state_changed") {
      this.#reach = detail.state;
    } else if (event === "user_joined") {
      this.users.set(uid, asUser(detail.user));
    } else if (event === "user_left") {
      detail.user = user;
      this.users.delete(uid);
      this.#calls.forget(uid);
      this.#streams.forget(uid);
      this.#parts.forget(uid);
    } else if (event === "track_published" && user) {
      user.tracks = [...new Set([...user.tracks, source])].sort();
    } else if (event === "track_unpublished" && user) {
      user.tracks = user.tracks.filter((one) => one !== source);
    } else if ((event === "track_muted" || event === "track_unmuted") && user) {
      const others = user.muted.filter((one) => one !== source);
      user.muted = event === "track_muted" ? [...others, source].sort() : others;
    } else if (event === "chat_message") {
      const index = this.chat.findIndex((one) => one.id === detail.id && one.uid === uid);
      if (index >= 0) this.chat[index] = detail;
      else this.chat = [...this.chat, detail].slice(-CHAT_HISTORY);
    }
  }

  /** @template {keyof ChannelDetails} Name  @param {Name} type  @param {ChannelDetails[Name]} detail */
  #emit(type, detail) {
    return this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {{name: string, tracks: string[], muted?: string[]}} user  @returns {User} */
function asUser({ name, tracks, muted = [] }) {
  return { name, tracks, muted };
}

/** @param {Blob} blob  a `File` has a name */
function nameOf(blob) {
  return "name" in blob ? String(blob.name) : "";
}
