"""Pages of one's own with widgets: `python widgets_server.py PORT`.

At `/` stand several of them: an agent with all that the widget can have, in a tab a second one that
echoes, in another a camera, and one that a button hides. `/looks/` has one with colours of its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import uvicorn
from fastapi import FastAPI

from fastrtc_core import (
    AdditionalOutputs,
    AudioFrame,
    HandlerError,
    Stream,
    UIArgs,
    send_status,
    send_transcript,
)
from fastrtc_core.testing import tone
from fastrtc_core.ui import StreamWidget
from fastrtc_handlers import AudioVideoEcho, Echo, ReplyOnPause
from fastrtc_handlers.vad import EnergyVAD

ANSWER = (
    "This is the first sentence of the answer. And this is the second one, which nobody hears to "
    "its end."
)
ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"
LOOKS: UIArgs = {
    "title": "Looks",
    "icon": ICON,
    "color": "#fde047",  # as bright as colours come
    "answer_color": "#f0abfc",
    "labels": {"start": "Call Ada", "you": "Me", "server": "Ada", "ready": "Ada is in"},
}


class Voice:
    """Two seconds of a tone for each sentence."""

    def tts(self, text: str) -> AudioFrame:
        return tone(440, 2.0, 24000)


def answer(audio: AudioFrame, name: str, turns: int, *, text: str) -> Iterator[Any]:
    """Say at length what was said; a typed "fail" fails."""
    if text == "fail":
        raise HandlerError("This failed on purpose.")
    send_transcript(text or f"About {audio.duration:.0f} s of speech.")
    send_status("Looking it up…")
    time.sleep(0.6)
    yield AdditionalOutputs((turns or 0) + 1, f"{name}, turn {(turns or 0) + 1}")
    yield ANSWER


def make_agent() -> ReplyOnPause:
    return ReplyOnPause(answer, tts=Voice(), model=EnergyVAD())


def mirror(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return picture[:, ::-1]


def make_page() -> gr.Blocks:
    with gr.Blocks(title="Several") as page:
        name = gr.Textbox("Ada", label="Name")
        turns = gr.State(0)
        log = gr.Textbox(label="Log")
        agent = StreamWidget(
            elem_id="agent",
            ui_args={"text_box": True, "push_to_talk": True, "transcript": True},
        )
        with gr.Tab("Echo"):
            echo = StreamWidget(elem_id="echo")
        with gr.Tab("Camera"):
            camera = StreamWidget(elem_id="camera")
        visible = gr.Radio(["shown", "hidden", "gone"], value="shown", label="The last one")
        last = StreamWidget(elem_id="last")
        visible.change(
            lambda how: gr.update(visible="hidden" if how == "hidden" else how == "shown"),
            visible,
            last,
            api_visibility="private",
        )
        agent.connect(Stream(make_agent()), [name, turns])
        agent.show_outputs(lambda new, line: (new, line), [], [turns, log])
        raw = {"echoCancellation": False, "noiseSuppression": False, "autoGainControl": False}
        echo.connect(Stream(Echo(), track_constraints=raw, time_limit=60, concurrency_limit=1))
        camera.connect(
            Stream(
                AudioVideoEcho(48000),
                modality="audio-video",
                track_constraints={"video": {"width": 640, "height": 360}},
            )
        )
        last.connect(Stream(mirror, modality="video"))
    blocks: gr.Blocks = page
    return blocks


def main(port: int) -> None:
    app = FastAPI()
    gr.mount_gradio_app(app, Stream(Echo(), ui_args=LOOKS).ui, path="/looks")
    gr.mount_gradio_app(app, make_page(), path="/own")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
