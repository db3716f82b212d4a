"""How long a flash takes through a filter of pictures, and what each connection costs the server.

The filter turns pictures of 640 × 480 upside down, 30 times a second. What is measured is the time
from the moment at which the first packet of a picture with another shade is sent until the last
packet of the first picture is there that shows it; a browser adds what it holds pictures back for.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

import uvloop

from .flashes import loop
from .measures import Server, Times
from .peers import Peer, UnavailableError, environment, running, version_of
from .statistics import finite, percentile
from .watcher import Watcher

CONNECTIONS = (1, 3)

PEERS = {
    "ours": Peer("fastrtc-core", "fastrtc-core", "video_ours.py"),
    "aiortc": Peer("aiortc", "aiortc", "video_aiortc.py"),
}


def run(environments: Path, core: int, times: Times) -> dict[str, Any]:
    """All peers, in turn, some times over, and the medians."""
    loop()  # made beforehand: nothing may hold up the first connection
    found: dict[str, dict[str, Any]] = {}
    samples: dict[str, list[list[dict[str, Any]]]] = {}
    for _ in range(times.passes):
        for name, peer in PEERS.items():
            if "skipped" in found.get(name, {}):
                continue
            try:
                python = environment(f"video-{name}", peer.requirements, environments)
                with (
                    running(peer, python, core) as server,
                    asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
                ):
                    measured = runner.run(measure(server, times))
            except (UnavailableError, ConnectionError) as error:
                found[name] = {"skipped": str(error)}
                continue
            found[name] = {"version": version_of(peer.package, python)}
            samples.setdefault(name, []).append(measured)
    for name, passes in samples.items():
        if "skipped" not in found[name]:
            found[name]["samples"] = [_middle(list(alike)) for alike in zip(*passes, strict=True)]
    return found


async def measure(server: Server, times: Times) -> list[dict[str, Any]]:
    """One server, with each number of connections."""
    return [await sample(server, count, times) for count in CONNECTIONS]


async def sample(server: Server, count: int, times: Times) -> dict[str, Any]:
    """So many connections: the time that a flash takes in ms, the pictures, the cost in ms of CPU.

    Raises:
        ConnectionError: If the server refuses one.
    """
    watchers = [Watcher(server.url) for _ in range(count)]
    try:
        for watcher in watchers:
            await watcher.open()
            await asyncio.sleep(0.011)  # so that their pictures do not come at once
        await asyncio.sleep(3 * times.settle)
        start, before = time.perf_counter(), server.process.cpu()
        await asyncio.sleep(times.listen)
        end, cpu = time.perf_counter(), server.process.cpu() - before
        await asyncio.sleep(0.5)
    finally:
        await asyncio.gather(*(watcher.close() for watcher in watchers))
    latencies: list[float] = []
    for watcher in watchers:
        latencies += watcher.latencies(start, end)
    seconds = end - start
    came = sum(watcher.pictures(start, end) for watcher in watchers)
    return {
        "connections": count,
        "p50": finite(1000 * percentile(latencies, 50)),
        "p95": finite(1000 * percentile(latencies, 95)),
        "fps": round(min(watcher.pictures(start, end) for watcher in watchers) / seconds, 1),
        "kbps": round(
            sum(watcher.bits(start, end) for watcher in watchers) / count / seconds / 1e3
        ),
        "cpu": round(1000 * cpu / (count * seconds), 1),
        "per_picture": finite(1000 * cpu / came) if came else None,
    }


def _middle(alike: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure; what was never seen is worse than all that was."""
    return {
        key: finite(statistics.median(_number(sample[key]) for sample in alike)) for key in alike[0]
    }


def _number(value: float | None) -> float:
    return float("inf") if value is None else value
