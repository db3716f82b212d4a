"""A filter of pictures on aiortc as it comes, as its own example of a server writes it."""

import sys
from typing import Any

import uvicorn
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import VideoFrame
from fastapi import FastAPI

app = FastAPI()
connections = set()


class Flip(MediaStreamTrack):
    kind = "video"

    def __init__(self, track: MediaStreamTrack) -> None:
        super().__init__()
        self.track = track

    async def recv(self) -> VideoFrame:
        frame = await self.track.recv()
        picture = frame.to_ndarray(format="bgr24")
        flipped = VideoFrame.from_ndarray(picture[::-1].copy(), format="bgr24")
        flipped.pts, flipped.time_base = frame.pts, frame.time_base
        return flipped


@app.post("/webrtc/offer")
async def offer(body: dict[str, Any]) -> dict[str, Any]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connections.add(pc)
    pc.on("track", lambda track: pc.addTrack(Flip(track)))
    await pc.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
    await pc.setLocalDescription()
    return {"sdp": pc.localDescription.sdp, "type": pc.localDescription.type}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
