"""What a user names on the command line."""

from __future__ import annotations

from fastapi import FastAPI

from fastrtc_core import Stream
from tests.webrtc.support import Silent


class Speechless(Silent):
    """Hears, and says nothing, as an agent that waits for speech."""

    def copy(self) -> Speechless:
        return Speechless()


speechless = Stream(Speechless(), mode="send")
pictures = Stream(lambda picture: picture, modality="video")
app = FastAPI()
