/** The words of the widget. Each can be replaced; see `LABELS` in `look.py`. */
export const LABELS = {
  start: "Start",
  stop: "Stop",
  ready: "Ready",
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  ended: "Ended",
  failed: "Failed",
  listening: "Listening",
  thinking: "Thinking…",
  speaking: "Speaking",
  you: "You",
  server: "Server",
  agent: "Agent",
  talk: "Hold to talk",
  message: "Type a message",
};
