"""A client in a process of its own, which a test freezes or kills.

Usage: python vanishing_client.py URL MODALITY ID
"""

from __future__ import annotations

import asyncio
import sys

from fastrtc_core.client import Client
from fastrtc_core.testing import tone


async def main(url: str, modality: str, id: str) -> None:
    media = "audio" if modality == "audio" else None
    async with Client(url, modality=media, webrtc_id=id) as client:  # type: ignore[arg-type]
        print("connected", flush=True)
        frame = tone(duration=0.02)
        while True:
            if client.audio_source is not None:
                await client.audio_source.capture_frame(frame)
            else:
                await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
