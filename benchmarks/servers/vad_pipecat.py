"""When Pipecat's voice activity detector says that speech has ended, in sound files.

Takes 16 kHz WAV files; prints, as JSON, where speech began and when its end was told, in samples.
"""

from __future__ import annotations

import asyncio
import json
import sys
import wave

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams, VADState

FRAME = 320
SILENCE = 0.6


async def listen(path: str) -> list[tuple[int, int]]:
    with wave.open(path, "rb") as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    vad = SileroVADAnalyzer(sample_rate=rate, params=VADParams(stop_secs=SILENCE))
    vad.set_sample_rate(rate)
    found, begun, speaking = [], 0, False
    for start in range(0, len(data) - 2 * FRAME + 1, 2 * FRAME):
        now = start // 2 + FRAME
        state = await vad.analyze_audio(data[start : start + 2 * FRAME])
        if state == VADState.STARTING and not speaking:
            begun = now
        elif state == VADState.SPEAKING:
            speaking = True
        elif state == VADState.QUIET and speaking:
            speaking = False
            found.append((begun, now))
    return found


async def main() -> None:
    # What it logs goes to standard error.
    print(json.dumps([await listen(path) for path in sys.argv[1:]]))


asyncio.run(main())
