"""Audio echo on Pipecat: a pipeline of input, a processor that answers in kind, and output."""

import asyncio
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from loguru import logger
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport

LISTENS_ONLY = "--listen" in sys.argv
RATE = 48000

logger.remove()
app = FastAPI()
running: set[asyncio.Task[None]] = set()


class Echo(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)
        elif not LISTENS_ONLY:
            await self.push_frame(
                OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
            )


async def run(connection: SmallWebRTCConnection) -> None:
    transport = SmallWebRTCTransport(
        connection, TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    )
    task = PipelineTask(
        Pipeline([transport.input(), Echo(), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
        idle_timeout_secs=None,
    )

    @transport.event_handler("on_client_disconnected")
    async def end(_transport: Any, _client: Any) -> None:
        await task.cancel()

    await PipelineRunner(handle_sigint=False).run(task)


@app.post("/webrtc/offer")
async def offer(body: dict[str, Any]) -> dict[str, Any]:
    connection = SmallWebRTCConnection(ice_servers=[])
    await connection.initialize(body["sdp"], body["type"])
    pipeline = asyncio.create_task(run(connection))
    running.add(pipeline)
    pipeline.add_done_callback(running.discard)
    answer = connection.get_answer()
    return {"sdp": answer["sdp"], "type": answer["type"]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
