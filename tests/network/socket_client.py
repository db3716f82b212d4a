"""A WebSocket client in a process of its own, which talks or is silent until it is killed.

Usage: python socket_client.py URL talk|silent

It prints `connected`.
"""

from __future__ import annotations

import asyncio
import json
import sys

from websockets.asyncio.client import connect


async def main(url: str, manner: str) -> None:
    address = url.replace("http", "ws", 1) + "/websocket/offer"
    start = {"event": "start", "encoding": "pcm16", "sample_rate": 16000, "binary": True}
    async with connect(address, ping_interval=None) as socket:
        await socket.send(json.dumps(start))
        await socket.recv()
        print("connected", flush=True)
        while True:
            if manner == "talk":
                await socket.send(b"\x10\x00" * 320)
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
