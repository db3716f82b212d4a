"""Audio and video echo: see and hear yourself after a trip to the server."""

from _cli import launch

from fastrtc_core import Stream
from fastrtc_handlers import AudioVideoEcho

stream = Stream(
    AudioVideoEcho(),
    modality="audio-video",
    mode="send-receive",
    ui_args={
        "title": "Audio and video echo",
        "subtitle": "The large picture has been to the server and back; the small one has not.",
    },
)

if __name__ == "__main__":
    launch(stream)
