/**
 * The browser client of fastrtc-core: ES modules, no dependencies, no build step.
 *
 * This is all that pages import, from `{path}/webrtc/client.js` of `Stream.mount`. The client finds
 * its server by its own address:
 *
 *     import { Connection } from "/webrtc/client.js";
 *
 *     const connection = new Connection({ modality: "audio" });
 *     connection.addEventListener("state", ({ detail }) => console.log(detail.state));
 *     connection.addEventListener("error", ({ detail }) => alert(detail.message));
 *     startButton.onclick = () => connection.connect();
 */

export { Channel } from "./channel.js";
export { Connection } from "./connection.js";
export { Conversation } from "./conversation.js";
export { ConnectionError } from "./errors.js";
export { Line } from "./line.js";
export { Preview } from "./preview.js";
export { RpcError, RpcErrorCode } from "./rpc.js";
export { StreamReader } from "./stream_reader.js";
export { StreamError } from "./stream_rules.js";
export { StreamWriter } from "./stream_writer.js";
