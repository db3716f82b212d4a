/**
 * Tracks that come and go while a connection stands.
 *
 * Offers come from this side alone. The server asks for one with `negotiate` when it has something to
 * publish; the answer comes as a message too. A section that nobody needs any longer stays as it is, carries
 * nothing, and serves the next track of its kind: a connection never gets rid of one.
 *
 * @typedef {"microphone" | "camera" | "screen_share" | "screen_share_audio"} TrackSource
 * @typedef {{sid: string, kind: "audio" | "video", source: TrackSource, name: string}} Described
 * @typedef {Record<string, RTCRtpTransceiver>} Receives  through what the server shall send, by `sid`
 * @typedef {{sdp: string, tracks: Record<string, {source: TrackSource, name: string}>,
 *     receives: Record<string, string>}} Offered  the data of an `offer`
 * @typedef {(offered: Offered) => Promise<{sdp?: string, error?: string}>} Carry  takes it to the server
 */

import { ConnectionError } from "./errors.js";
import { withStereo } from "./sdp.js";

const MAX_SECTIONS = 8; // of a connection, its data channel included
const ANSWER_TIMEOUT = 10_000; // ms

/** What is published and received on one connection. */
export class Publisher {
  #pc;
  #post;
  #arrived;
  #left;
  /** What is published, by transceiver. @type {Map<RTCRtpTransceiver, {source: TrackSource, name: string}>} */
  #published = new Map();
  /** What is received, by transceiver. @type {Map<RTCRtpTransceiver, Described>} */
  #received = new Map();
  /** Sections that this side sends through. @type {Set<RTCRtpTransceiver>} */ #outlets = new Set();
  /** Sections that the server sends through. @type {Set<RTCRtpTransceiver>} */ #inlets = new Set();
  /** One negotiation at a time. @type {Promise<unknown>} */ #turn = Promise.resolve();
  /** Who waits for an answer. @type {((answer: {sdp?: string, error?: string}) => void) | null} */
  #answer = null;

  /**
   * @param {RTCPeerConnection} pc
   * @param {(type: string, data: any) => boolean} post  sends a message
   * @param {(track: MediaStreamTrack, described: Described) => void} arrived
   * @param {(described: Described) => void} left
   */
  constructor(pc, post, arrived, left) {
    this.#pc = pc;
    this.#post = post;
    this.#arrived = arrived;
    this.#left = left;
  }

  /** @param {MediaStreamTrack} track  @param {TrackSource} source  @param {string} name */
  publish(track, source, name) {
    /** @type {RTCRtpTransceiver | undefined} */ let transceiver;
    return this.#negotiate(
      async () => {
        if ([...this.#published.values()].some((one) => one.source === source)) {
          throw new ConnectionError("published", `A track is published as ${source} already.`);
        }
        /** @type {(one: RTCRtpTransceiver) => boolean} */
        const free = ({ receiver, sender }) => receiver.track.kind === track.kind && !sender.track;
        transceiver = [...this.#outlets].find(free) ?? this.#add(track.kind, "sendonly", this.#outlets);
        await transceiver.sender.replaceTrack(track);
        this.#published.set(transceiver, { source, name });
        return {};
      },
      async () => {
        if (!transceiver) return;
        this.#published.delete(transceiver);
        await transceiver.sender.replaceTrack(null);
      },
    );
  }

  /**
   * What is published, and as what.
   *
   * @returns {[MediaStreamTrack, {source: TrackSource, name: string}][]}
   */
  get published() {
    /** @type {[MediaStreamTrack, {source: TrackSource, name: string}][]} */ const tracks = [];
    for (const [{ sender }, described] of this.#published) {
      if (sender.track) tracks.push([sender.track, described]);
    }
    return tracks;
  }

  /** Does nothing for a track that is not published. @param {MediaStreamTrack} track */
  async unpublish(track) {
    const found = [...this.#published.keys()].find(({ sender }) => sender.track === track);
    if (!found) return;
    try {
      await this.#negotiate(async () => {
        this.#published.delete(found);
        return {};
      });
    } finally {
      await found.sender.replaceTrack(null);
    }
  }

  /**
   * Whether a track of this transceiver is one that the server publishes, of which `#receive` tells.
   *
   * @param {RTCRtpTransceiver} transceiver
   */
  welcome(transceiver) {
    return this.#inlets.has(transceiver);
  }

  /**
   * Restart ICE, by an offer that goes another way than the data channel.
   *
   * @param {Carry} carry  @returns {Promise<void>} rejects if the server does not take it
   */
  restart(carry) {
    // Whoever waits for an answer there would wait in vain, and this in its turn.
    this.#answer?.({ error: "the connection is interrupted" });
    return this.#negotiate(async () => ({}), undefined, carry);
  }

  /** Take a message of the server. @param {string} type  @param {any} data */
  take(type, data) {
    if (type === "answer") this.#answer?.(data ?? {});
    if (type === "negotiate") this.#receive(data?.tracks ?? []).catch(() => {}); // it gives up itself
    if (type === "unpublished") this.#forget(data?.sid);
  }

  /** @param {Described[]} tracks */
  async #receive(tracks) {
    /** @type {Receives} */ const receives = {};
    const undo = () => {
      for (const transceiver of Object.values(receives)) this.#received.delete(transceiver);
    };
    await this.#negotiate(async () => {
      for (const described of tracks) {
        const { kind } = described;
        /** @type {(one: RTCRtpTransceiver) => boolean} */
        const free = (one) => one.receiver.track.kind === kind && !this.#received.has(one);
        const transceiver = [...this.#inlets].find(free) ?? this.#add(kind, "recvonly", this.#inlets);
        this.#received.set(transceiver, described);
        receives[described.sid] = transceiver;
      }
      return receives;
    }, undo);
    for (const transceiver of Object.values(receives)) {
      const described = this.#received.get(transceiver);
      if (described) this.#arrived(transceiver.receiver.track, described);
    }
  }

  /**
   * @param {string} kind  @param {RTCRtpTransceiverDirection} direction
   * @param {Set<RTCRtpTransceiver>} sections  to which it is added
   */
  #add(kind, direction, sections) {
    const count = this.#pc.getTransceivers().length + 1;
    if (count >= MAX_SECTIONS) {
      const text = `A connection has at most ${MAX_SECTIONS} sections. Unpublish a track first.`;
      throw new ConnectionError("published", text);
    }
    const transceiver = this.#pc.addTransceiver(kind, { direction });
    sections.add(transceiver);
    return transceiver;
  }

  /** @param {string | undefined} sid */
  #forget(sid) {
    for (const [transceiver, described] of this.#received) {
      if (described.sid !== sid) continue;
      this.#received.delete(transceiver);
      this.#left(described);
    }
  }

  /**
   * @param {() => Promise<Receives>} change  returns those to receive through, by `sid`
   * @param {() => unknown} [undo]  called if it fails
   * @param {Carry} [carry]  for a restart of ICE; else the offer goes over the data channel
   */
  #negotiate(change, undo = () => {}, carry = undefined) {
    const turn = this.#turn.then(async () => {
      const receives = await change();
      try {
        await this.#exchange(receives, carry);
      } catch (error) {
        await this.#pc.setLocalDescription({ type: "rollback" }).catch(() => {});
        await undo();
        throw error;
      }
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** @param {Receives} receives  @param {Carry} [carry] */
  async #exchange(receives, carry) {
    // Not by `restartIce()`: that would stay, also for the next offer over the data channel.
    const offer = await this.#pc.createOffer({ iceRestart: Boolean(carry) });
    offer.sdp = withStereo(offer.sdp ?? "", false);
    await this.#pc.setLocalDescription(offer);
    const offered = {
      sdp: this.#pc.localDescription?.sdp ?? "",
      tracks: Object.fromEntries([...this.#published].map(([{ mid }, said]) => [mid, said])),
      receives: Object.fromEntries(Object.entries(receives).map(([sid, { mid }]) => [mid, sid])),
    };
    const { sdp, error } = await (carry ?? ((one) => this.#carry(one)))(offered);
    if (!sdp) throw new ConnectionError("refused", `The server refused the track: ${error}`);
    await this.#pc.setRemoteDescription({ type: "answer", sdp });
  }

  /** Over the data channel. @type {Carry} */
  async #carry(offered) {
    /** @type {number | undefined} */ let timer;
    /** @type {Promise<{sdp?: string, error?: string}>} */
    const answered = new Promise((resolve, reject) => {
      const silent = new ConnectionError("server-silent", "The server did not answer the offer.");
      timer = setTimeout(reject, ANSWER_TIMEOUT, silent);
      this.#answer = resolve;
    });
    try {
      this.#post("offer", offered);
      return await answered;
    } finally {
      clearTimeout(timer);
      this.#answer = null;
    }
  }
}
