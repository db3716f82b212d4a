"""What the browser tests talk to: `python server.py (ui | page | channel | …) PORT`; see `APPS`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import HTMLResponse, PlainTextResponse
from numpy.typing import NDArray

from fastrtc_core import (
    AdditionalOutputs,
    AudioFrame,
    AudioSource,
    CloseStream,
    HandlerError,
    LocalAudioTrack,
    RpcError,
    Stream,
    StreamHandler,
    VideoStream,
    coturn_credentials,
    get_current_context,
    send_warning,
)
from fastrtc_core.channel import (
    ByteStreamReader,
    Channel,
    RpcInvocation,
    RtcEngine,
    RtcOptions,
    TextStreamReader,
    Transcript,
)
from fastrtc_core.session import reports
from fastrtc_core.testing import tone
from fastrtc_handlers import AudioVideoEcho, Echo

RAW_MICROPHONE = {
    "audio": {"echoCancellation": False, "noiseSuppression": False, "autoGainControl": False},
    "video": {"width": 320, "height": 240},
}

PAGE = """<!doctype html><meta charset="utf-8"><title>Client</title><link rel="icon" href="data:,">
<script type="module">
  import { Connection } from "/echo/webrtc/client.js";
  window.Connection = Connection;
</script>"""


CHANNEL_PAGE = """<!doctype html><meta charset="utf-8"><title>Channel</title>
<link rel="icon" href="data:,">
<script type="module">
  import * as client from "/rtc/webrtc/client.js";
  Object.assign(window, client);
</script>"""


ACCESS_SECRET = "a secret of thirty-two characters"


class ReportingEcho(AudioVideoEcho):
    """Echoes, and puts out a line for each change of its input and a count of its frames."""

    def __init__(self, sample_rate: int = 48000, stereo: bool = False) -> None:
        super().__init__(sample_rate, stereo)
        self.count = 0
        self.seen: tuple[Any, ...] = ()
        self.lines: list[str] = []

    async def start_up(self) -> None:
        self.lines.append(f"started with {self.args[0]:g} and {self.args[1]}")
        self.seen = self.args

    async def emit(self) -> Any:
        frame = await super().emit()
        self.count += 1
        if self.args[0] == 2:
            raise HandlerError("Two is too few.")
        if self.args != self.seen:
            self.seen = self.args
            self.lines.append(f"changed to {self.args[0]:g} and {self.args[1]}")
            if self.args[0] == 9:
                send_warning("Nine is a lot.")
            if self.args[0] == 10:
                raise HandlerError("Ten is too much.")
        if self.lines or self.count % 10 == 0:
            return frame, AdditionalOutputs(self.count, self.lines.pop(0) if self.lines else "")
        return frame


class Answering(Echo):
    """Echoes audio and answers messages; some words make it do something."""

    async def start_up(self) -> None:
        await self.send_message({"args": list(self.args)})

    async def on_message(self, message: Any) -> None:
        if message == "fail":
            raise HandlerError("This failed on purpose.")
        if isinstance(message, bytes):
            await self.send_message(message[::-1])
        elif message == "ask":
            self.reset()
            await self.wait_for_args()
            await self.send_message({"args": list(self.args)})
        else:
            await self.send_message({"heard": message})


class Gallery(Echo):
    """Tells of the brightness of what its client shares, and shares a tone when it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.music: LocalAudioTrack | None = None

    async def on_track(self, source: Any, track: Any) -> None:
        await self.send_message({"shares": source, "name": track.name})
        async for event in VideoStream(track):
            brightness = float(event.frame.to_ndarray(format="gray").mean())
            await self.send_message({"brightness": brightness})
        await self.send_message({"ended": source})

    async def on_message(self, message: Any) -> None:
        if message == "stop" and self.music is not None:
            await self.unpublish_track(self.music)
        if message == "music":
            source = AudioSource(48000)
            self.music = LocalAudioTrack.create_audio_track("music", source)
            await self.publish_track(self.music, "screen_share_audio")
            self.create_task(self.play(source))

    async def play(self, source: AudioSource) -> None:
        while True:
            await source.capture_frame(tone(1000, 0.5, 48000))

    def copy(self) -> Gallery:
        return Gallery()


class Counting(AudioVideoEcho):
    """Echoes, and tells on request how much has come, and which tracks there are."""

    def __init__(self) -> None:
        super().__init__()
        self.came = {"audio": 0, "video": 0}
        self.told: list[str] = []

    async def start_up(self) -> None:
        await self.send_message("ready")

    async def receive(self, frame: AudioFrame) -> None:
        self.came["audio"] += 1
        await super().receive(frame)

    async def video_receive(self, frame: Any) -> None:
        self.came["video"] += 1
        await super().video_receive(frame)

    async def on_track(self, source: Any, track: Any) -> None:
        self.told.append(source)

    async def on_message(self, message: Any) -> None:
        there = sorted(self.participant.tracks)
        await self.send_message({**self.came, "tracks": there, "told": self.told, "asked": message})

    def copy(self) -> Counting:
        return Counting()


class Remembering(Echo):
    """Echoes, counts messages, and says what it has gone through."""

    def __init__(self) -> None:
        super().__init__(48000)
        self.count = 0
        self.calls: list[str] = []

    def copy(self) -> Remembering:
        return Remembering()

    async def on_message(self, message: Any) -> None:
        self.count += 1
        await self.send_message({"count": self.count, "calls": self.calls})

    async def on_pause(self) -> None:
        self.calls.append("pause")

    async def on_resume(self) -> None:
        self.calls.append("resume")


class TwoTones(StreamHandler):
    """Plays 500 Hz on the left and 2000 Hz on the right, or ends at once."""

    def __init__(self) -> None:
        super().__init__(expected_layout="stereo", output_sample_rate=48000)
        self.position = 0

    def receive(self, frame: AudioFrame) -> None:
        pass

    def emit(self) -> Any:
        time = (np.arange(4800) + self.position) / 48000
        self.position += 4800
        tones = [0.5 * np.sin(2 * np.pi * frequency * time) for frequency in (500, 2000)]
        return 48000, np.array(tones, dtype=np.float32)

    def copy(self) -> TwoTones:
        return TwoTones()


def signed_in(authorization: str = Header("")) -> str:
    """A guard that a browser passes with a token alone."""
    if authorization != "Bearer good":
        raise HTTPException(401, "Sign in first.")
    return "Ada"


class Greeter(Echo):
    """Tells the client who it is."""

    async def start_up(self) -> None:
        await self.send_message({"user": get_current_context().user})

    def copy(self) -> Greeter:
        return Greeter()


def farewell() -> Iterator[Any]:
    yield 48000, np.zeros(4800, dtype=np.int16)
    yield CloseStream("That was all.")


def negative(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A filter of pictures."""
    return 255 - picture


def mirror(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Hands back what it gets."""
    return picture


def show(_: float, log: str, count: int, line: str) -> tuple[int, str]:
    """Adds the line to what is shown; one it cannot take."""
    if "changed to 8" in line:
        raise ValueError(line)
    return count, log + (line and f"{line}\n")


def serve_ui(port: int) -> None:
    """The Gradio UI: audio and video, inputs, outputs."""
    import gradio as gr

    reports.INTERVAL = 1.0  # no test waits for ten seconds
    stream = Stream(
        ReportingEcho(),
        modality="audio-video",
        mode="send-receive",
        track_constraints=RAW_MICROPHONE,
        additional_inputs=[
            gr.Slider(0, 10, value=3, step=1, label="Amount"),
            gr.Dropdown(["red", "green"], value="green", type="index", label="Colour"),
        ],
        additional_outputs=[gr.Number(label="Frames"), gr.Textbox(label="Log", lines=4)],
        additional_outputs_handler=show,
        concurrency_limit=1,
        ui_args={"title": "Browser test", "subtitle": "Everything at once."},
    )
    stream.ui.launch(server_name="127.0.0.1", server_port=port)


def serve_page(port: int) -> None:
    """A page that has the client, and streams of every kind under their own paths."""
    app = FastAPI()
    streams = {
        "/echo": Stream(Answering()),
        "/shared": Stream(Answering(), udp_port=0),
        "/resumable": Stream(Remembering(), resume_timeout=20),
        "/gallery": Stream(Gallery()),
        "/negative": Stream(negative, modality="video"),
        "/mirror": Stream(mirror, modality="video"),
        "/both": Stream(AudioVideoEcho(48000), modality="audio-video"),
        "/counting": Stream(Counting(), modality="audio-video"),
        "/limited": Stream(Echo(), concurrency_limit=1),
        "/send": Stream(Echo(), mode="send"),
        "/tones": Stream(TwoTones(), mode="receive"),
        "/farewell": Stream(farewell, mode="receive"),
        "/brief": Stream(Echo(), time_limit=1),
        "/ice": Stream(Echo(), rtc_configuration=[{"urls": "stun:127.0.0.1:3478"}]),
    }
    for path, stream in streams.items():
        stream.mount(app, path)
    RtcEngine("test").mount(app, "/rtc")
    guard: Any = {"dependencies": [Depends(signed_in)]}
    Stream(Greeter()).mount(app, "/guarded", user=signed_in, transports=["webrtc"], **guard)
    RtcEngine("guarded").mount(app, "/guarded/rtc", **guard)

    behind = FastAPI()  # what a proxy leads to that takes off a prefix
    Stream(Answering()).mount(behind, "/echo", origins=["*"])
    app.mount("/prefix", behind)

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    @app.get("/plain")
    async def plain() -> HTMLResponse:
        return HTMLResponse(Path(__file__).with_name("plain.html").read_text())

    @app.post("/broken/offer")
    async def broken() -> PlainTextResponse:
        return PlainTextResponse("no JSON here", status_code=502)

    @app.post("/close{path:path}")
    async def close(path: str) -> None:
        for id in streams[path].snapshot().sessions:
            streams[path].close(id)

    @app.get("/sessions{path:path}")
    async def sessions(path: str) -> int:
        return streams[path].sessions

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def serve_channel(port: int) -> None:
    """A page that has the client, and a channel with a bot (uid 9) that answers in kind."""
    engine = RtcEngine("test")
    bots: list[Channel] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        bot = engine.create_channel(RtcOptions(channel_name="room", uid=9, name="Bot"))
        bots.append(bot)

        async def take_text(reader: TextStreamReader, uid: int) -> None:
            text = await reader.read_all()
            await bot.send_text(text.upper(), to=uid, topic=reader.info.topic)

        async def take_slowly(reader: ByteStreamReader, uid: int) -> None:
            async for _ in reader:
                await asyncio.sleep(0.05)

        async def ask(call: RpcInvocation) -> str:
            """Call back who calls."""
            answer = await bot.perform_rpc(call.caller, "name", call.payload)
            return f"{answer} called"

        def refuse(call: RpcInvocation) -> str:
            raise RpcError(77, "not today", call.payload)

        async def crowd(call: RpcInvocation) -> str:
            """Call back a hundred times at once; says how many calls were refused."""
            calls = (bot.perform_rpc(call.caller, "never", response_timeout=2) for _ in range(100))
            errors = await asyncio.gather(*calls, return_exceptions=True)
            return str(sum("too many" in str(error) for error in errors))

        async def say(call: RpcInvocation) -> str:
            """Tell all that who calls said so."""
            room = bot._check("publish_messages")
            room.transcribe(bot, call.caller, Transcript(call.payload, final=False, start=1.5))
            return ""

        bot.register_rpc_method("say", say)
        bot.register_rpc_method("crowd", crowd)
        bot.register_text_stream_handler("echo", take_text)
        bot.register_byte_stream_handler("slow", take_slowly)
        bot.register_rpc_method("ask", ask)
        bot.register_rpc_method("refuse", refuse)
        await bot.connect()
        yield

    app = FastAPI(lifespan=lifespan)
    engine.mount(app, "/rtc")
    RtcEngine("shared", udp_port=0).mount(app, "/shared")

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(CHANNEL_PAGE)

    @app.get("/statistics")
    async def statistics() -> list[int]:
        return list(bots[0].stream_statistics())

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def serve_access(port: int) -> None:
    """A page that has the client, channels for two with tokens, and what a backend does to them."""
    engine = RtcEngine("test", ACCESS_SECRET, max_users=2)
    app = FastAPI()
    engine.mount(app, "/rtc")
    Stream(Answering(), concurrency_limit=1).mount(app, "/one")

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(CHANNEL_PAGE)

    @app.post("/orders/{order}/{channel}/{uid}")
    async def order(order: str, channel: str, uid: int) -> str:
        if order == "remove":
            await engine.remove_user(channel, uid)
        elif order == "end":
            await engine.end_channel(channel)
        return ""

    @app.post("/revoke")
    async def revoke(token: str) -> str:
        await engine.revoke_token(token)
        return ""

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def serve_relay(port: int) -> None:
    """Streams that relay, on the side that their path says, with credentials that expire soon.

    The TURN server is named by the environment.
    """

    def relaying() -> dict[str, Any]:
        server = coturn_credentials(os.environ["TURN_SECRET"], os.environ["TURN_URL"], ttl=2)
        return {"iceServers": [server], "iceTransportPolicy": "relay"}

    app = FastAPI()
    streams = {
        "/client": Stream(Answering(), udp_port=0, rtc_configuration=relaying),
        "/server": Stream(Answering(), server_rtc_configuration=relaying),
        "/both": Stream(Answering(), rtc_configuration=relaying, server_rtc_configuration=relaying),
    }
    for path, stream in streams.items():
        stream.mount(app, path)

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE.replace("/echo/", "/client/"))

    @app.get("/sessions{path:path}")
    async def sessions(path: str) -> int:
        return streams[path].sessions

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


APPS = {
    "ui": serve_ui,
    "page": serve_page,
    "channel": serve_channel,
    "access": serve_access,
    "relay": serve_relay,
}

if __name__ == "__main__":
    APPS[sys.argv[1]](int(sys.argv[2]))
