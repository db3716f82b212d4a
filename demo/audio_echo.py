"""Audio echo: what you say comes back."""

from _cli import launch

from fastrtc_core import Stream
from fastrtc_handlers import Echo

stream = Stream(
    Echo(),
    modality="audio",
    mode="send-receive",
    ui_args={"title": "Audio echo", "subtitle": "Press Start and say something. It comes back."},
)

if __name__ == "__main__":
    launch(stream)
