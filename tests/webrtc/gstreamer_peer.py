"""A client that is GStreamer's `webrtcbin`, in a process of its own.

Usage: python gstreamer_peer.py URL SETUP FOLDER

Offers a tone and a picture of one colour to the server at `URL`, with `a=setup:SETUP`, and writes
what comes back into the folder until it has enough: `audio` (16-bit samples, mono, 48 kHz) and
`video` (RGB pictures, 160×120).
"""

from __future__ import annotations

import json
import sys
import threading
import urllib.request
from pathlib import Path
from typing import IO, Any

import gi  # type: ignore[import-not-found, import-untyped, unused-ignore]

for name in ("Gst", "GstSdp", "GstWebRTC"):
    gi.require_version(name, "1.0")
from gi.repository import (  # type: ignore[import-not-found, import-untyped, unused-ignore] # noqa: E402
    Gst,
    GstSdp,
    GstWebRTC,
)

PIPELINE = """
    webrtcbin name=peer bundle-policy=max-bundle
    audiotestsrc is-live=true freq=440 volume=0.3 ! audio/x-raw,rate=48000,channels=1
    ! opusenc ! rtpopuspay pt=96 ! queue ! peer.
    videotestsrc is-live=true pattern=solid-color foreground-color=0xff20c040
    ! video/x-raw,width=160,height=120,framerate=15/1
    ! vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay pt=97 ! queue ! peer.
"""
RECEIVERS = {
    "audio": "queue ! rtpopusdepay ! opusdec ! audioconvert ! audioresample "
    "! audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved ! appsink name=sink",
    "video": "queue ! rtpvp8depay ! vp8dec ! videoconvert ! videoscale "
    "! video/x-raw,format=RGB,width=160,height=120 ! appsink name=sink",
}
ENOUGH = {"audio": 2 * 48000 * 2, "video": 20 * 160 * 120 * 3}
"""Bytes of each: 2 s, and 20 pictures."""

PATIENCE = 30.0  # s, for any step


class Peer:
    def __init__(self, url: str, setup: str, folder: Path) -> None:
        self.url = url
        self.setup = setup
        self.missing = dict(ENOUGH)
        self.files: dict[str, IO[bytes]] = {kind: (folder / kind).open("wb") for kind in ENOUGH}
        self.negotiate = threading.Event()
        self.gathered = threading.Event()
        self.done = threading.Event()
        self.pipeline = Gst.parse_launch(PIPELINE)
        self.webrtc = self.pipeline.get_by_name("peer")
        self.webrtc.connect("on-negotiation-needed", lambda _: self.negotiate.set())
        self.webrtc.connect("notify::ice-gathering-state", self.note_gathering)
        self.webrtc.connect("pad-added", self.receive)

    def run(self) -> None:
        self.pipeline.set_state(Gst.State.PLAYING)
        try:
            self.wait(self.negotiate, "the start of the pipeline")
            self.offer()
            self.wait(self.gathered, "the end of gathering")
            offer = self.webrtc.get_property("local-description").sdp.as_text()
            assert "a=setup:actpass" in offer
            answer = self.post(offer.replace("a=setup:actpass", f"a=setup:{self.setup}"))
            _, sdp = GstSdp.SDPMessage.new_from_text(answer)
            kind = GstWebRTC.WebRTCSDPType.ANSWER
            answered = GstWebRTC.WebRTCSessionDescription.new(kind, sdp)
            self.tell("set-remote-description", answered)
            self.wait(self.done, f"what comes back ({self.missing} bytes are missing)")
        finally:
            self.pipeline.set_state(Gst.State.NULL)
            for file in self.files.values():
                file.close()

    def wait(self, event: threading.Event, what: str) -> None:
        if event.wait(PATIENCE):
            return
        states = [
            f"{name}: {self.webrtc.get_property(name).value_nick}"
            for name in ("ice-connection-state", "connection-state", "signaling-state")
        ]
        bus = self.pipeline.get_bus()
        while message := bus.pop_filtered(Gst.MessageType.ERROR):
            states.append(message.parse_error().gerror.message)
        sys.exit(f"waited in vain for {what}; {', '.join(states)}")

    def note_gathering(self, *_: Any) -> None:
        state = self.webrtc.get_property("ice-gathering-state")
        if state == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            self.gathered.set()

    def offer(self) -> None:
        promise = Gst.Promise.new()
        self.webrtc.emit("create-offer", None, promise)
        promise.wait()
        reply = promise.get_reply()  # which owns the offer
        self.tell("set-local-description", reply.get_value("offer"))

    def tell(self, signal: str, description: Any) -> None:
        promise = Gst.Promise.new()
        self.webrtc.emit(signal, description, promise)
        promise.wait()
        reply = promise.get_reply()
        if reply is not None and reply.has_field("error"):
            sys.exit(f"{signal}: {reply.get_value('error').message}")

    def post(self, offer: str) -> str:
        body = {"sdp": offer, "type": "offer", "webrtc_id": "gstreamer"}
        request = urllib.request.Request(
            f"{self.url}/webrtc/offer",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            answer = json.load(response)
        if "sdp" not in answer:
            sys.exit(f"refused: {answer}")
        return str(answer["sdp"])

    def receive(self, _: Any, pad: Any) -> None:
        """Decode a track of the other side."""
        if pad.direction != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        receiver = Gst.parse_bin_from_description(RECEIVERS[kind], True)
        sink = receiver.get_by_name("sink")
        sink.set_property("emit-signals", True)
        sink.set_property("sync", False)
        sink.connect("new-sample", self.keep, kind)
        self.pipeline.add(receiver)
        receiver.sync_state_with_parent()
        pad.link(receiver.get_static_pad("sink"))

    def keep(self, sink: Any, kind: str) -> Any:
        buffer = sink.emit("pull-sample").get_buffer()
        data = buffer.extract_dup(0, buffer.get_size())
        if self.missing[kind] > 0:
            self.files[kind].write(data)
            self.missing[kind] -= len(data)
            if max(self.missing.values()) <= 0:
                self.done.set()
        return Gst.FlowReturn.OK


if __name__ == "__main__":
    Gst.init(None)
    Peer(sys.argv[1], sys.argv[2], Path(sys.argv[3])).run()
