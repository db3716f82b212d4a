"""A client in a process of its own: says so many seconds of noise, and tells what came back.

Usage: python client.py URL SECONDS

It prints `connected`, and in the end one line of JSON.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import urllib.request
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrtc_core.client import Client
from fastrtc_core.testing import delay_of, noise

RATE = 48000
PIECE = RATE // 4
"""Samples that are looked for in the echo at once."""


async def main(url: str, seconds: float) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    signal = noise(seconds, level=0.2)
    arrivals: list[float] = []
    heard: list[NDArray[np.int16]] = []

    async with Client(url) as client:
        print("connected", flush=True)
        assert client.audio_source is not None
        assert client.remote_audio is not None

        async def listen() -> None:
            assert client.audio_stream is not None
            async for event in client.audio_stream:
                arrivals.append(loop.time())
                heard.append(event.frame.data[0])

        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listen())
            started = loop.time()
            await client.audio_source.capture_frame(signal)
            await client.audio_source.wait_for_playout()
            await asyncio.sleep(1)
            listening.cancel()
        server = await asyncio.to_thread(_get, f"{url}/network/{client.webrtc_id}")
        assert client.remote_audio.network is not None
        own = dataclasses.asdict(client.remote_audio.network)

    echo = np.concatenate(heard)
    round_trips = []
    for start in range(RATE, signal.data.shape[1] - PIECE, PIECE):
        position, _ = delay_of(echo, signal.data[:, start : start + PIECE], RATE)
        arrival = arrivals[int(position / 0.02)] + position % 0.02
        round_trips.append(arrival - started - start / RATE)
    steady = [time for time in arrivals if started + 1 <= time < started + seconds]
    return {
        "round_trips": round_trips,
        "frames_per_second": (len(steady) - 1) / (steady[-1] - steady[0]),
        "client": own,
        "server": server,
    }


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], float(sys.argv[2])))), flush=True)
