/**
 * How good the line to the server is, by what the browser counts (`RTCPeerConnection.getStats`).
 *
 * @typedef {object} Figures
 * @property {number | null} roundTrip  in s; null while it is not known
 * @property {number | null} lost  the part of the packets that was lost since the last reading, 0 to 1, of the
 *     way that loses more; null while nothing was sent
 */

/** Reads the line again and again. */
export class Line {
  #received = 0;
  #lost = 0;

  /** @param {RTCStatsReport} report  @returns {Figures} */
  read(report) {
    /** @type {any[]} */
    const all = [...report.values()];
    /** @type {(type: string) => any[]} */
    const of = (type) => all.filter((one) => one.type === type);
    const chosen = of("transport").map((one) => report.get(one.selectedCandidatePairId));
    // Firefox has no `transport`, and marks the pair itself.
    const pair = chosen[0] ?? of("candidate-pair").find((one) => one.selected);
    const theirs = of("remote-inbound-rtp"); // what the server says of what it gets
    const roundTrip = pair?.currentRoundTripTime ?? theirs[0]?.roundTripTime ?? null;

    const received = total(of("inbound-rtp"), "packetsReceived");
    const lost = total(of("inbound-rtp"), "packetsLost");
    const [came, missing] = [received - this.#received, Math.max(0, lost - this.#lost)];
    [this.#received, this.#lost] = [received, lost];
    const ways = theirs.map((one) => one.fractionLost ?? 0);
    if (came + missing > 0) ways.push(missing / (came + missing));
    return { roundTrip, lost: ways.length ? Math.max(...ways) : null };
  }
}

/** @param {any[]} stats  @param {string} name */
function total(stats, name) {
  return stats.reduce((sum, one) => sum + (one[name] ?? 0), 0);
}
