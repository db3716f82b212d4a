"""What is measured of a server, and how."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import psutil

from .load import Connection, encoded_packets

WARM_UP = 3.0
"""Time in s before anything counts."""


@dataclass
class Sample:
    """One stretch of load.

    Attributes:
        connections: How many at once.
        p50, p95: Latency of the echo in ms, over all connections.
        delivered: Smallest share of packets that came back on any connection.
        cpu: CPU time of the server in ms per connection and second.
        memory: Resident memory of the server in MB.
        first_media: Median time in ms from the offer to the first packet.
    """

    connections: int
    p50: float
    p95: float
    delivered: float
    cpu: float
    memory: float
    first_media: float


@asynccontextmanager
async def connected(url: str, count: int, *, talk: bool = True) -> AsyncIterator[list[Connection]]:
    """So many open connections."""
    packets = encoded_packets()
    connections = [Connection(url, number, packets) for number in range(count)]
    try:
        for connection in connections:
            await connection.open()
        if talk:
            await asyncio.sleep(WARM_UP)
        yield connections
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))


async def load(url: str, pid: int, count: int, seconds: float) -> Sample:
    """Measure a server under so many connections."""
    server = psutil.Process(pid)
    async with connected(url, count) as connections:
        sent = [c.talker.sent for c in connections]
        received = [c.listener.received for c in connections]
        for c in connections:
            c.listener.latencies.clear()
        before = _cpu(server)
        await asyncio.sleep(seconds)
        cpu = _cpu(server) - before
        delivered = [
            (c.listener.received - r) / max(1, c.talker.sent - s)
            for c, r, s in zip(connections, received, sent, strict=True)
        ]
        latencies = [x for c in connections for x in c.listener.latencies] or [float("inf")]
        first = [c.listener.first - c.offered for c in connections if c.listener.first]
        return Sample(
            connections=count,
            p50=1000 * float(np.percentile(latencies, 50)),
            p95=1000 * float(np.percentile(latencies, 95)),
            delivered=min(delivered),
            cpu=1000 * cpu / seconds / count,
            memory=server.memory_info().rss / 1e6,
            first_media=1000 * float(np.median(first or [float("inf")])),
        )


async def capacity(url: str, pid: int, alone: Sample, seconds: float, most: int) -> list[Sample]:
    """Load with more and more connections, until it is too many.

    Too many is: under 99 % of the packets on any connection, or a p95 of more than the p50 of a
    single connection and 100 ms.
    """
    samples: list[Sample] = []
    count = 8
    while count <= most:
        sample = await load(url, pid, count, seconds)
        samples.append(sample)
        if sample.delivered < 0.99 or sample.p95 > alone.p50 + 100:
            break
        count += 8
    return samples


async def freeze(url: str, pid: int) -> dict[str, float]:
    """Latency in ms before, and from two seconds after, the server stood still for one."""
    async with connected(url, 1) as (connection,):
        await asyncio.sleep(3)
        before = float(np.median(connection.listener.latencies))
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(1)
        finally:
            os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(2)
        connection.listener.latencies.clear()
        await asyncio.sleep(3)
        after = float(np.median(connection.listener.latencies or [float("inf")]))
    return {"before": 1000 * before, "after": 1000 * after}


def as_json(value: Any) -> Any:
    """A sample, or several, as plain dictionaries."""
    return [asdict(v) for v in value] if isinstance(value, list) else asdict(value)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
