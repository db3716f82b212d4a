"""Meeting agent: it writes down who says what, and answers who calls it "computer".

It knows commands such as "computer, what time is it"; for free speech see STT_MODEL in
live_transcript.py.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from _cli import serve
from _commands import GRAMMAR, SENTENCES, answer
from fastapi import FastAPI
from fastapi.responses import FileResponse

from fastrtc_core import AudioFrame, get_current_context
from fastrtc_core.channel import RtcEngine, RtcOptions
from fastrtc_handlers import ReplyOnPause
from fastrtc_handlers.stt import PocketSphinxSTT
from fastrtc_handlers.tts import EspeakTTS

PAGE = Path(__file__).with_name("meeting.html")
CALL = "computer"

stt = PocketSphinxSTT(GRAMMAR.format(sentences=f"[{CALL}] ({SENTENCES})"))
tts = EspeakTTS("en-gb")
engine = RtcEngine("meeting")


@asynccontextmanager
async def with_agent(app: FastAPI) -> AsyncIterator[None]:
    """The agent is in the lobby for as long as the server runs."""
    agent = engine.create_channel(
        RtcOptions(channel_name="lobby", name="Computer", auto_subscribe_audio=False)
    )

    def reply(audio: AudioFrame) -> Iterator[Any]:
        """What somebody said: into the chat, and answered if it was meant for the agent."""
        uid = get_current_context().params["uid"]
        user = agent.remote_users.get(uid)
        text = stt.stt(audio)
        if not text or user is None:
            return
        write(f"{user.name}: {text}")
        if text.startswith(CALL):
            said = answer(text.removeprefix(CALL).strip())
            write(said)
            yield said

    def write(text: str) -> None:
        writing = agent.send_chat_message(text)
        asyncio.run_coroutine_threadsafe(writing, engine.loop).result()

    await agent.connect()
    await agent.attach(ReplyOnPause(reply, tts=tts, input_sample_rate=16000), per_user=True)
    yield


app = FastAPI(lifespan=with_agent)
engine.mount(app, "/rtc")


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


if __name__ == "__main__":
    serve(app)
