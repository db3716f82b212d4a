"""Turn monitor: see while you speak how loud it is, what counts as you, and why a turn ended.

    python demo/turn_monitor.py [--smart-turn]

With --smart-turn a model also says how likely a sentence is complete; for that, install
onnxruntime, and the package that carries the model: pip install --no-deps pipecat-ai.
"""

from pathlib import Path

from _cli import arguments, serve
from fastapi import FastAPI
from fastapi.responses import FileResponse

from fastrtc_core import AudioFrame, Stream
from fastrtc_handlers import Ear, ReplyOnPause
from fastrtc_handlers.tts import EspeakTTS
from fastrtc_handlers.turns import SmartTurnDetector, TurnDetector

PAGE = Path(__file__).with_suffix(".html")


class Monitored(ReplyOnPause):
    """Says how long you spoke, and how long it waited. The page asks for the rest by itself."""

    def __init__(self, turn_detector: TurnDetector | None = None) -> None:
        tts = EspeakTTS("en-us")
        super().__init__(self.reply, tts=tts, ear=Ear(), turn_detector=turn_detector)

    def reply(self, audio: AudioFrame) -> str:
        """What is said after a turn."""
        end = self.observe().ended
        if end is None:
            return "I am listening."
        return f"You spoke for {end.speech:.1f} seconds, and I waited for {end.silence:.1f}."


def create_app(handler: Monitored) -> FastAPI:
    """The page, and what it connects to."""
    stream = Stream(handler, modality="audio", mode="send-receive", time_limit=600)
    app = FastAPI()
    stream.mount(app)

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGE)

    return app


if __name__ == "__main__":
    parser = arguments()
    parser.add_argument("--smart-turn", action="store_true", help="have a model judge each pause")
    options = parser.parse_args()
    serve(create_app(Monitored(SmartTurnDetector() if options.smart_turn else None)), options)
