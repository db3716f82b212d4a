"""Audio echo on aiortc as it comes; with `--listen`, what is received is discarded."""

import sys
from typing import Any

import uvicorn
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from fastapi import FastAPI

app = FastAPI()
connections = set()


@app.post("/webrtc/offer")
async def offer(body: dict[str, Any]) -> dict[str, Any]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connections.add(pc)
    sink = MediaBlackhole()
    pc.on("track", sink.addTrack if "--listen" in sys.argv else pc.addTrack)
    await pc.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
    await pc.setLocalDescription()
    await sink.start()
    return {"sdp": pc.localDescription.sdp, "type": pc.localDescription.type}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
