"""What is measured of a server, and how."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .connection import Connection
from .load import Load
from .network import GilbertElliott, Loss, NoLoss, OneLoss, RandomLoss
from .process import Process
from .statistics import finite, percentile

STEP = 8
"""Connections from one step of the search to the next."""

MOST = 256
"""Connections at which the search ends."""

CPU_AT = 16
"""Connections at which CPU time and memory are compared."""

DELIVERED = 0.99
DELAYED = 0.1
"""What is asked of every connection: the share of its packets, and how many s the p95 of the
latency may lie above the p50 of a single connection."""

LATE = 0.02
"""Lateness in s of the load itself above which a measurement says nothing of the server."""

LOSSES: dict[str, Callable[[], Loss]] = {
    "1 %": lambda: RandomLoss(0.01),
    "5 %": lambda: RandomLoss(0.05),
    "10 %": lambda: RandomLoss(0.10),
    "bursts": lambda: GilbertElliott(0.05, 4),
}


@dataclass(frozen=True)
class Server:
    """A server under test.

    Attributes:
        url: Where it is.
        process: Its process.
        tells_network: Whether `GET /network/{id}` tells what became of the packets of a session.
    """

    url: str
    process: Process
    tells_network: bool = False


@dataclass(frozen=True)
class Times:
    """How long measurements take, in s.

    Attributes:
        settle: Before anything counts.
        listen: Of one measurement.
        after_loss: From the one lost packet to the measurement after it.
        passes: How often what varies most is measured, for the median; a number, not s.
    """

    settle: float = 3.0
    listen: float = 10.0
    after_loss: float = 30.0
    passes: int = 3


QUICK = Times(settle=2.0, listen=4.0, after_loss=5.0, passes=1)


async def alone(server: Server, times: Times) -> dict[str, Any]:
    """Latency of one connection, and how soon it is heard."""
    firsts = []
    for _ in range(5):
        async with Load(server.url) as load:
            (connection,) = await load.connect(1)
            await asyncio.sleep(1.0)
            if connection.received:
                firsts.append(connection.received[0] - connection.offered)
    async with Load(server.url) as load:
        (connection,) = await load.connect(1)
        start = await _pause(times.settle)
        end = await _pause(times.listen)
        return {
            **_latency([connection], start, end),
            "first_media": finite(1000 * percentile(firsts, 50)),
        }


async def freeze(server: Server, times: Times) -> dict[str, Any]:
    """Latency before, and from two seconds after, the server stood still for one."""
    async with Load(server.url) as load:
        (connection,) = await load.connect(1)
        start = await _pause(times.settle)
        before = _latency([connection], start, await _pause(2.0))
        with server.process.frozen():
            await asyncio.sleep(1.0)
        start = await _pause(2.0)
        after = _latency([connection], start, await _pause(3.0))
    return {"before": before["p50"], "after": after["p50"]}


async def one_lost_packet(server: Server, times: Times) -> dict[str, Any]:
    """Latency before a single lost packet, and half a minute after it."""
    async with Load(server.url) as load:
        (connection,) = await load.connect(1)
        start = await _pause(times.settle)
        before = _latency([connection], start, await _pause(2.0))
        connection.loss = OneLoss()
        start = await _pause(times.after_loss)
        after = _latency([connection], start, await _pause(2.0))
    return {"before": before["p50"], "after": after["p50"], "seconds": times.after_loss}


async def loss(server: Server, times: Times) -> dict[str, Any]:
    """What comes back when packets are lost on their way to the server, for each kind of loss.

    `rhythm` is how many packets came back for each frame that the client recorded; `concealed` the
    share of frames that the server made up.
    """
    results: dict[str, Any] = {}
    for name, make in LOSSES.items():
        async with Load(server.url) as load:
            (connection,) = await load.connect(1)
            await _pause(times.settle)
            connection.loss = make()
            start = await _pause(0.5)
            first = await _network(server, connection)
            end = await _pause(2 * times.listen)
            last = await _network(server, connection)
            connection.loss = NoLoss()
            await _pause(1.0)
            results[name] = {
                **_latency([connection], start, end),
                "rhythm": round(connection.delivered(start, end), 4),
            }
            if last is not None and first is not None:
                made_up = last["concealed"] - first["concealed"]
                frames = last["received"] - first["received"] + made_up
                results[name]["concealed"] = round(made_up / frames, 4)
    return results


async def cost(server: Server, times: Times, *, talk: bool) -> float:
    """CPU time of one session, in % of a core."""
    async with Load(server.url) as load:
        await load.connect(1, talk=talk)
        await _pause(times.settle)
        before = server.process.cpu()
        await _pause(times.listen)
        return round(100 * (server.process.cpu() - before) / times.listen, 3)


async def footprint(server: Server, times: Times) -> dict[str, Any]:
    """CPU time and memory of one connection among sixteen."""
    async with Load(server.url) as load:
        await load.connect(4)
        await _pause(times.settle)
        few = server.process.memory()
        await load.connect(CPU_AT - 4)
        await _pause(times.settle)
        before = server.process.cpu()
        await _pause(times.listen)
        return {
            "cpu": round(1000 * (server.process.cpu() - before) / times.listen / CPU_AT, 3),
            "memory": round((server.process.memory() - few) / (CPU_AT - 4), 3),
        }


async def sample(server: Server, count: int, times: Times) -> dict[str, Any]:
    """So many connections at once."""
    async with Load(server.url) as load:
        try:
            connections = await load.connect(count)
        except ConnectionError as error:
            return {"connections": count, "refused": str(error), "delivered": 0.0, "p95": None}
        start = await _pause(times.settle)
        before, load.late = server.process.cpu(), 0.0
        end = await _pause(times.listen)
        cpu, late = server.process.cpu() - before, load.late
        await asyncio.sleep(0.5)
        return {
            "connections": count,
            **_latency(connections, start, end),
            "delivered": round(min(c.delivered(start, end) for c in connections), 4),
            "cpu": round(1000 * cpu / (end - start) / count, 3),
            "load_late": round(1000 * late, 1),
        }


def is_good(result: dict[str, Any], p50_alone: float) -> bool:
    """Whether every connection got what is asked for."""
    p95 = result["p95"]
    return (
        result["delivered"] >= DELIVERED and p95 is not None and p95 <= p50_alone + 1000 * DELAYED
    )


async def capacity(server: Server, times: Times, p50_alone: float) -> dict[str, Any]:
    """The most connections at which all is well."""
    samples: list[dict[str, Any]] = []

    async def all_is_well(count: int) -> bool:
        result = await sample(server, count, times)
        samples.append(result)
        return is_good(result, p50_alone)

    most = await search(all_is_well)
    samples.sort(key=lambda one: one["connections"])
    return {"connections": most, "samples": samples}


async def search(good: Callable[[int], Awaitable[bool]], step: int = STEP, most: int = MOST) -> int:
    """The largest multiple of a step that is good, where more is never better; 0 if none is.

    Doubles until it is too many, then halves the interval.
    """
    low, high = 0, step
    while high <= most and await good(high):
        low, high = high, 2 * high
    high = min(high, most + step)
    while high - low > step:
        middle = (low + high) // 2 // step * step
        if await good(middle):
            low = middle
        else:
            high = middle
    return low


async def _pause(seconds: float) -> float:
    """Wait; returns the time then, by the clock of the connections."""
    await asyncio.sleep(seconds)
    return time.perf_counter()


def _latency(connections: list[Connection], start: float, end: float) -> dict[str, Any]:
    """Percentiles in ms over all markers; one that did not come back counts as infinite."""
    latencies: list[float] = []
    for connection in connections:
        heard, missing = connection.latencies(start, end)
        latencies += heard + [float("inf")] * missing
    return {
        "p50": finite(1000 * percentile(latencies, 50)),
        "p95": finite(1000 * percentile(latencies, 95)),
        "heard": round(statistics.mean(x != float("inf") for x in latencies), 4)
        if latencies
        else 0.0,
    }


async def _network(server: Server, connection: Connection) -> Any:
    if not server.tells_network:
        return None

    def get() -> Any:
        with urllib.request.urlopen(f"{server.url}/network/{connection.id}", timeout=10) as reply:
            return json.load(reply)

    return await asyncio.to_thread(get)
