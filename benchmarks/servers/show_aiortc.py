"""Sends pictures and sound on aiortc as it comes. Usage: python show_aiortc.py PORT"""

import asyncio
import fractions
import itertools
import sys
import time
from typing import Any

import uvicorn
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import AudioFrame, VideoFrame
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from show import PAGE, pictures, sound

PICTURES = pictures()
SOUND = sound(48_000)
app = FastAPI()
connections = set()


class Pictures(VideoStreamTrack):
    def __init__(self) -> None:
        super().__init__()
        self.next = itertools.cycle(PICTURES)

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame.from_ndarray(next(self.next), format="bgr24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Sound(AudioStreamTrack):
    def __init__(self) -> None:
        super().__init__()
        self.begun = time.time()
        self.count = 0

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(max(0.0, self.begun + self.count * 0.02 - time.time()))
        at = self.count * 960 % SOUND.shape[1]
        frame = AudioFrame.from_ndarray(SOUND[:, at : at + 960], layout="mono")
        frame.sample_rate, frame.time_base = 48_000, fractions.Fraction(1, 48_000)
        frame.pts = self.count * 960
        self.count += 1
        return frame


@app.get("/")
def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.post("/webrtc/offer")
async def offer(body: dict[str, Any]) -> dict[str, Any]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connections.add(pc)
    await pc.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
    pc.addTrack(Sound())
    pc.addTrack(Pictures())
    await pc.setLocalDescription()
    return {"sdp": pc.localDescription.sdp, "type": pc.localDescription.type}


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=int(sys.argv[1]), log_level="error")
