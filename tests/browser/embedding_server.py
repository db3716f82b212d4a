"""UIs as applications show them: `python embedding_server.py (mount | both | launch) PORT`.

`mount` serves the UI of a stream for each modality at its path, and one inside other Blocks at
`/own/`; `both` has the routes of the streams as well; `launch` is the UI alone. Their logs tell how
sessions begin and end.
"""

from __future__ import annotations

import sys
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI

from fastrtc_core import Modality, Stream
from fastrtc_handlers import AudioVideoEcho, Echo

SIZES: dict[str, dict[str, Any]] = {
    "audio": {},
    "video": {"width": 640, "height": 360},
    "audio-video": {"video": {"width": 640, "height": 360}},
}


class TellingEcho(Echo):
    async def shutdown(self) -> None:
        print("shutdown", flush=True)

    def copy(self) -> TellingEcho:
        return TellingEcho()


class TellingAudioVideoEcho(AudioVideoEcho):
    async def shutdown(self) -> None:
        print("shutdown", flush=True)

    def copy(self) -> TellingAudioVideoEcho:
        return TellingAudioVideoEcho()


def stream_of(modality: Modality, **options: Any) -> Stream:
    return Stream(
        TellingEcho() if modality == "audio" else TellingAudioVideoEcho(),
        modality=modality,
        track_constraints=SIZES[modality],
        on_connect=lambda context: print("on_connect", flush=True),
        on_disconnect=lambda reason, context: print("on_disconnect", flush=True),
        ui_args={"title": "Embedded", "subtitle": "In an app."},
        **options,
    )


def serve_mounted(port: int, routes: bool) -> None:
    app = FastAPI()
    modalities: tuple[Modality, ...] = ("audio", "video", "audio-video")
    for modality in modalities:
        stream = stream_of(modality)
        if routes:
            stream.mount(app, f"/api/{modality}")
        gr.mount_gradio_app(app, stream.ui, path=f"/{modality}")

    gain = gr.Slider(0, 1, value=0.5, label="Placed by the stream", render=False)
    unseen = stream_of("audio")
    with gr.Blocks(title="Own page") as own:
        gr.Markdown("# A page of one's own")
        gr.State("a page with state keeps a request open for as long as it is")
        own_gain = gr.Slider(0, 1, value=0.5, label="Placed by the page")
        assert unseen.ui is not None  # whoever only asks for it shows nothing
        inside = stream_of("audio", additional_inputs=[gain, own_gain])
        inside.ui.render()  # type: ignore[no-untyped-call]
    gr.mount_gradio_app(app, own, path="/own")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def main(kind: str, port: int) -> None:
    if kind == "launch":
        stream_of("audio").ui.launch(server_name="127.0.0.1", server_port=port)
    else:
        serve_mounted(port, routes=kind == "both")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
