"""Source → track → stream in one process: the same code over fastrtc-core and LiveKit's SDK.

Usage: python local_tracks.py ours|livekit PAIRS SECONDS

A pair is duplex: two sources, two tracks, two streams. Frames of 10 ms are pushed as fast as their
source takes them, which plays in real time. With 0 pairs, a single track delivers frames of 20 ms
that are made in real time, to see how long each takes. It prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

import numpy as np

RATE = 48000
SETTLE = 1.0
"""Time in s before anything counts."""


class Ours:
    """fastrtc-core."""

    def __init__(self) -> None:
        import fastrtc_core

        self.rtc = fastrtc_core

    def frame(self, data: np.ndarray[Any, Any]) -> Any:
        """A frame of these samples."""
        return self.rtc.AudioFrame(RATE, data[np.newaxis])

    def stream(self, track: Any, milliseconds: int) -> Any:
        """A stream of frames of so many ms."""
        return self.rtc.AudioStream(track, sample_rate=RATE, frame_size_ms=milliseconds)

    def first(self, frame: Any) -> int:
        """The first sample of a frame."""
        return int(frame.data[0, 0])


class LiveKit(Ours):
    """LiveKit's SDK; no server is needed for local tracks."""

    def __init__(self) -> None:
        from livekit import rtc

        self.rtc = rtc

    def frame(self, data: np.ndarray[Any, Any]) -> Any:
        """A frame of these samples."""
        return self.rtc.AudioFrame(data.tobytes(), RATE, 1, len(data))

    def stream(self, track: Any, milliseconds: int) -> Any:
        """Its streams have frames of 10 ms."""
        return self.rtc.AudioStream(track, sample_rate=RATE, num_channels=1)

    def first(self, frame: Any) -> int:
        """The first sample of a frame."""
        return int(np.frombuffer(frame.data, np.int16)[0])


async def capacity(sdk: Any, pairs: int, seconds: float) -> dict[str, float]:
    """The least share of its samples that a stream delivers, and the CPU time that each costs."""
    frame = sdk.frame(np.zeros(RATE // 100, np.int16))
    heard = [0] * (2 * pairs)
    sources = [sdk.rtc.AudioSource(RATE, 1, queue_size_ms=100) for _ in heard]
    tracks = [sdk.rtc.LocalAudioTrack.create_audio_track("track", source) for source in sources]
    streams = [sdk.stream(track, 10) for track in tracks]

    async def produce(source: Any) -> None:
        while True:
            await source.capture_frame(frame)

    async def consume(number: int) -> None:
        async for event in streams[number]:
            heard[number] += event.frame.samples_per_channel

    tasks = [asyncio.ensure_future(produce(source)) for source in sources]
    tasks += [asyncio.ensure_future(consume(number)) for number in range(len(heard))]
    await asyncio.sleep(SETTLE)
    heard[:] = [0] * len(heard)
    cpu, begin = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - begin
    delivered = min(heard) / (RATE * wall)
    return {
        "delivered": round(delivered, 4),
        "cpu": round(cpu / wall, 4),
        "us_per_frame": round(1e6 * cpu / (len(heard) * wall * 100), 1),
    }


async def delivery(sdk: Any, seconds: float) -> dict[str, float]:
    """How long in ms a frame takes from `capture_frame` to the reader, made in real time."""
    source = sdk.rtc.AudioSource(RATE, 1, queue_size_ms=100)
    track = sdk.rtc.LocalAudioTrack.create_audio_track("track", source)
    stream = sdk.stream(track, 20)
    sent: dict[int, float] = {}
    took: list[float] = []

    async def consume() -> None:
        async for event in stream:
            begun = sent.pop(sdk.first(event.frame), None)
            if begun is not None:
                took.append(time.perf_counter() - begun)

    consuming = asyncio.ensure_future(consume())
    start = time.perf_counter()
    for number in range(round(seconds / 0.02)):
        await asyncio.sleep(max(0.0, start + number * 0.02 - time.perf_counter()))
        sent[number + 1] = time.perf_counter()
        await source.capture_frame(sdk.frame(np.full(RATE // 50, number + 1, np.int16)))
    await asyncio.sleep(0.3)
    consuming.cancel()
    steady = 1000 * np.array(took[round(SETTLE / 0.02) :])
    return {f"p{p}": round(float(np.percentile(steady, p)), 3) for p in (50, 99)}


async def main(name: str, pairs: int, seconds: float) -> dict[str, float]:
    """What the arguments ask for."""
    sdk = {"ours": Ours, "livekit": LiveKit}[name]()
    return await (capacity(sdk, pairs, seconds) if pairs else delivery(sdk, seconds))


async def report() -> None:
    """Print it, and end at once: LiveKit's threads outlive the event loop."""
    print(json.dumps(await main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(report())
