"""When LiveKit's voice activity detector says that speech has ended, in sound files.

Takes 16 kHz WAV files; prints, as JSON, where speech began and when its end was told, in samples.
"""

from __future__ import annotations

import asyncio
import json
import sys
import wave

from livekit import rtc
from livekit.agents.vad import VADEventType
from livekit.plugins import silero

FRAME = 320


async def listen(vad: silero.VAD, path: str) -> list[tuple[int, int]]:
    with wave.open(path, "rb") as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    stream = vad.stream()
    for start in range(0, len(data) - 2 * FRAME + 1, 2 * FRAME):
        stream.push_frame(rtc.AudioFrame(data[start : start + 2 * FRAME], rate, 1, FRAME))
    stream.end_input()
    found, begun = [], 0
    async for event in stream:
        if event.type == VADEventType.START_OF_SPEECH:
            said = sum(frame.duration for frame in event.frames)
            begun = round((event.timestamp - said) * rate)
        elif event.type == VADEventType.END_OF_SPEECH:
            found.append((begun, round(event.timestamp * rate)))
    return found


async def main() -> None:
    vad = silero.VAD.load()
    print(json.dumps([await listen(vad, path) for path in sys.argv[1:]]))


asyncio.run(main())
