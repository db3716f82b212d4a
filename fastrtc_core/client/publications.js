/**
 * Tracks that come and go while a connection stands; served as a part of `browser.js`.
 *
 * Offers come from this side alone. The server asks for one with `negotiate` when it has something to
 * publish; the answer comes as a message too.
 *
 * @typedef {"microphone" | "camera" | "screen_share" | "screen_share_audio"} TrackSource
 * @typedef {{sid: string, kind: "audio" | "video", source: TrackSource, name: string}} Described
 */
class Publications {
  #pc;
  #post;
  #arrived;
  #left;
  /** What is published, by transceiver. @type {Map<RTCRtpTransceiver, {source: TrackSource, name: string}>} */
  #published = new Map();
  /** What is received, by transceiver. @type {Map<RTCRtpTransceiver, Described>} */
  #received = new Map();
  /** One negotiation at a time. @type {Promise<unknown>} */ #turn = Promise.resolve();
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
    return this.#negotiate(() => {
      if ([...this.#published.values()].some((one) => one.source === source)) {
        throw new ConnectionError("published", `A track is published as ${source} already.`);
      }
      const transceiver = this.#pc.addTransceiver(track, { direction: "sendonly" });
      this.#published.set(transceiver, { source, name });
      return {};
    });
  }

  /** Does nothing for a track that is not published. @param {MediaStreamTrack} track */
  async unpublish(track) {
    const found = [...this.#published.keys()].find(({ sender }) => sender.track === track);
    if (!found) return;
    await this.#negotiate(() => {
      this.#published.delete(found);
      found.direction = "inactive";
      return {};
    });
    await found.sender.replaceTrack(null);
  }

  /** Whether a track of this transceiver is one that the server has published; tells of it. */
  welcome(track, transceiver) {
    const described = this.#received.get(transceiver);
    if (described) this.#arrived(track, described);
    return Boolean(described);
  }

  /** Take a message of the server. @param {string} type */
  take(type, data) {
    if (type === "answer") this.#answer?.(data ?? {});
    if (type === "negotiate") this.#receive(data?.tracks ?? []).catch(() => {}); // it gives up itself
    if (type === "unpublished") this.#forget(data?.sid);
  }

  #receive(tracks) {
    return this.#negotiate(() => {
      const receives = {};
      for (const described of tracks) {
        const transceiver = this.#pc.addTransceiver(described.kind, { direction: "recvonly" });
        this.#received.set(transceiver, described);
        receives[described.sid] = transceiver;
      }
      return receives;
    });
  }

  #forget(sid) {
    for (const [transceiver, described] of this.#received) {
      if (described.sid !== sid) continue;
      this.#received.delete(transceiver);
      this.#left(described);
    }
  }

  /** @param {() => Object<string, RTCRtpTransceiver>} change  returns the new ones, by their `sid` */
  #negotiate(change) {
    const turn = this.#turn.then(async () => {
      const receives = change();
      const offer = await this.#pc.createOffer();
      offer.sdp = withStereo(offer.sdp, false);
      await this.#pc.setLocalDescription(offer);
      const byMid = ([transceiver, described]) => [transceiver.mid, described];
      const answered = new Promise((resolve, reject) => {
        const silent = new ConnectionError("server-silent", "The server did not answer the offer.");
        setTimeout(reject, ANSWER_TIMEOUT, silent);
        this.#answer = resolve;
      });
      this.#post("offer", {
        sdp: this.#pc.localDescription.sdp,
        tracks: Object.fromEntries([...this.#published].map(byMid)),
        receives: Object.fromEntries(Object.entries(receives).map(([sid, { mid }]) => [mid, sid])),
      });
      const { sdp, error } = await answered;
      if (!sdp) throw new ConnectionError("refused", `The server refused the track: ${error}`);
      await this.#pc.setRemoteDescription({ type: "answer", sdp });
    });
    this.#turn = turn.catch(() => this.#pc.setLocalDescription({ type: "rollback" }).catch(() => {}));
    return turn;
  }
}
