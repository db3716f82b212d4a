/**
 * Hooks for React over the browser client. They are part of the npm package alone: no server serves them.
 *
 *     import { useConnection, useConnectionEvent, useStream } from "fastrtc-core-client/react";
 *
 *     function Voice() {
 *       const { connection, state, connect, close, running } = useConnection({ server: "/voice", modality: "audio" });
 *       useConnectionEvent(connection, "message", (data) => console.log(data));
 *       return <button onClick={running ? close : connect}>{state}</button>;
 *     }
 *
 * @import { RefObject } from "react"
 * @import { ChannelDetails, ChannelOptions, ChatMessage, User } from "../channel.js"
 * @import { Details, Failure, Options, State } from "../connection.js"
 */

/**
 * What the `detail` of each event is.
 *
 * @template {Connection | Channel} Source
 * @typedef {Source extends Channel ? ChannelDetails : Details} DetailsOf
 */

import { useCallback, useEffect, useRef, useState } from "react";

import { Channel } from "../channel.js";
import { Connection } from "../connection.js";

/**
 * A connection that lives as long as its component.
 *
 * It is made after the first render, and so on no server that renders pages. `options` are read at each
 * `connect()`; other `args` are sent at once while connected.
 *
 * @param {Options} [options]
 */
export function useConnection(options = {}) {
  const latest = useLatest(options);
  const [connection, setConnection] = useState(/** @type {Connection | null} */ (null));
  const [error, setError] = useState(/** @type {Failure | null} */ (null));
  const [, refresh] = useState(0);

  useEffect(() => {
    const made = new Connection(latest.current);
    const show = () => refresh((count) => count + 1);
    made.addEventListener("state", ({ detail }) => {
      if (detail.state === "connecting") setError(null);
      show();
    });
    made.addEventListener("error", ({ detail }) => setError(detail));
    made.addEventListener("track", show);
    made.addEventListener("mute", show);
    setConnection(made);
    return () => made.close();
  }, [latest]);

  const connect = useCallback(async () => {
    if (!connection) return false;
    if (!connection.running) {
      connection.options = { ...connection.options, ...given(latest.current) };
      connection.args = latest.current.args;
    }
    return connection.connect();
  }, [connection, latest]);
  const close = useCallback(() => connection?.close(), [connection]);

  const { args } = options;
  const said = JSON.stringify(args);
  useEffect(() => {
    if (args && connection?.state === "connected") connection.sendInput(args);
    // Another array with the same values is no change
  }, [connection, said]);

  return {
    /** For its methods and further events; null during the first render. */
    connection,
    state: connection?.state ?? /** @type {State} */ ("idle"),
    running: connection?.running ?? false,
    /** What went wrong last, until the next `connect()`. */
    error,
    muted: connection?.muted ?? { audio: false, video: false, speaker: false },
    localStream: connection?.localStream ?? null,
    remoteStream: connection?.remoteStream ?? null,
    connect,
    close,
  };
}

/**
 * A member of a channel that lives as long as its component. `options` are read at the first render.
 *
 * @param {ChannelOptions & Options} options
 */
export function useChannel(options) {
  const latest = useLatest(options);
  const [channel, setChannel] = useState(/** @type {Channel | null} */ (null));
  const [error, setError] = useState(/** @type {Failure | null} */ (null));
  const [speaker, setSpeaker] = useState(/** @type {number | null} */ (null));
  const [, refresh] = useState(0);

  useEffect(() => {
    const made = new Channel(latest.current);
    const show = () => refresh((count) => count + 1);
    made.addEventListener("connection_state_changed", ({ detail }) => {
      if (detail.state === "connecting") setError(null);
      show();
    });
    made.addEventListener("joined", show);
    made.addEventListener("user_joined", show);
    made.addEventListener("user_left", show);
    made.addEventListener("track_published", show);
    made.addEventListener("track_unpublished", show);
    made.addEventListener("track_muted", show);
    made.addEventListener("track_unmuted", show);
    made.addEventListener("chat_message", show);
    made.addEventListener("active_speaker", ({ detail }) => setSpeaker(detail.uid));
    made.addEventListener("error", ({ detail }) => setError(detail));
    setChannel(made);
    return () => made.disconnect();
  }, [latest]);

  const connect = useCallback(async () => channel?.connect() ?? false, [channel]);
  const disconnect = useCallback(() => channel?.disconnect(), [channel]);

  return {
    /** For its methods and further events; null during the first render. */
    channel,
    state: channel?.state ?? /** @type {State} */ ("idle"),
    running: channel?.connection.running ?? false,
    error,
    uid: channel?.uid ?? 0,
    /** Everybody else, by uid. */
    users: /** @type {[number, User][]} */ ([...(channel?.users ?? [])]),
    chat: /** @type {ChatMessage[]} */ ([...(channel?.chat ?? [])]),
    /** The uid of whoever speaks. */
    speaker,
    connect,
    disconnect,
  };
}

/**
 * Call a function with the `detail` of each event of a connection or a channel.
 *
 * @template {Connection | Channel} Source
 * @template {keyof DetailsOf<Source> & string} Name
 * @param {Source | null} source
 * @param {Name} type
 * @param {(detail: DetailsOf<Source>[Name]) => unknown} listener  may be another one with each render
 */
export function useConnectionEvent(source, type, listener) {
  const latest = useLatest(listener);
  useEffect(() => {
    if (!source) return undefined;
    /** @param {any} event */
    const tell = ({ detail }) => latest.current(detail);
    EventTarget.prototype.addEventListener.call(source, type, tell);
    return () => EventTarget.prototype.removeEventListener.call(source, type, tell);
  }, [source, type, latest]);
}

/**
 * The `ref` of a `<video>` or `<audio>` that shows a stream.
 *
 * @param {MediaStream | null} stream
 * @returns {RefObject<any>}
 */
export function useStream(stream) {
  const ref = useRef(/** @type {HTMLMediaElement | null} */ (null));
  useEffect(() => {
    if (ref.current && ref.current.srcObject !== stream) ref.current.srcObject = stream;
  });
  return ref;
}

/**
 * What a value is now, for functions that outlive a render.
 *
 * @template Value
 * @param {Value} value
 */
function useLatest(value) {
  const ref = useRef(value);
  useEffect(() => {
    ref.current = value;
  });
  return ref;
}

/**
 * Options without those that are undefined, which would undo defaults.
 *
 * @param {Options} options
 */
function given(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
