"""An echo over WebSockets: how many sessions hold real time on one core.

Frames carry their number in their first samples, so that each is known again when it comes back:
an echo that neither resamples nor cuts anew returns µ-law and PCM as they are.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from .measures import Server, Times, search
from .statistics import finite, percentile

FRAME = 0.02
RATE = 48000
SAMPLES = round(FRAME * RATE)

DELIVERED = 0.99
DELAYED = 0.1
"""What is asked of every session: the share of its frames, and how many s the p95 of the latency
may lie above the p50 of a single session."""

GROWTH = 5.0
"""By how many ms a second latency may grow where real time is held: half a percent."""

STEP = 8
MOST = 256
_DIGITS = 8
"""Samples that carry the number of a frame, one hexadecimal digit each."""


class Session:
    """One client that speaks and listens.

    Args:
        socket: An open WebSocket.
        encoding: `mulaw`, in JSON as FastRTC's clients send it, or `pcm16`, in binary frames.
    """

    def __init__(self, socket: ClientConnection, encoding: str) -> None:
        self.sent: list[float] = []
        self.latencies: dict[int, float] = {}
        self._socket = socket
        self._encoding = encoding
        self._noise = np.random.default_rng(1).integers(0x20, 0x60, SAMPLES, np.uint8)

    async def speak(self, start: float, count: int) -> None:
        """Send so many frames, the first at a time."""
        for number in range(count):
            await asyncio.sleep(max(0.0, start + number * FRAME - time.perf_counter()))
            self.sent.append(time.perf_counter())
            await self._socket.send(self._write(number))

    async def listen(self) -> None:
        """Note when each frame comes back, until the server closes."""
        async for data in self._socket:
            now = time.perf_counter()
            number = self._read(data)
            if number is not None and number < len(self.sent):
                self.latencies.setdefault(number, now - self.sent[number])

    def _write(self, number: int) -> str | bytes:
        digits = [0x10 | (number >> 4 * place & 15) for place in range(_DIGITS)]
        if self._encoding == "pcm16":
            return np.concatenate([digits, self._noise[_DIGITS:]]).astype("<i2").tobytes()
        data = bytes(digits) + self._noise[_DIGITS:].tobytes()
        return json.dumps({"event": "media", "media": {"payload": base64.b64encode(data).decode()}})

    def _read(self, data: str | bytes) -> int | None:
        if isinstance(data, str):
            message = json.loads(data)
            if message.get("event") != "media":
                return None
            digits = list(base64.b64decode(message["media"]["payload"])[:_DIGITS])
        else:
            digits = np.frombuffer(data, "<i2")[:_DIGITS].tolist()
        if len(digits) < _DIGITS or any(digit & ~15 != 0x10 for digit in digits):
            return None
        return sum((digit & 15) << 4 * place for place, digit in enumerate(digits))


async def sample(server: Server, count: int, encoding: str, times: Times) -> dict[str, Any]:
    """So many sessions at once."""
    address = server.url.replace("http", "ws", 1) + "/websocket/offer"
    start: dict[str, Any] = {"event": "start"}
    if encoding == "pcm16":
        start |= {"encoding": "pcm16", "sample_rate": RATE, "binary": True}
    sessions, tasks = [], []
    try:
        for number in range(count):
            socket = await connect(address, compression=None, ping_interval=None)
            await socket.send(json.dumps({**start, "websocket_id": f"{time.time_ns()}-{number}"}))
            session = Session(socket, encoding)
            sessions.append(session)
            tasks.append(asyncio.create_task(session.listen()))
        frames = round((times.settle + times.listen) / FRAME)
        begin = time.perf_counter() + 0.2
        cpu = server.process.cpu()
        async with asyncio.TaskGroup() as speaking:
            for number, session in enumerate(sessions):
                speaking.create_task(session.speak(begin + number * 7 % 20 / 1000, frames))
        cpu = server.process.cpu() - cpu
        await asyncio.sleep(0.5)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(session._socket.close() for session in sessions))
    return {
        "connections": count,
        **_figures(sessions, times, frames),
        "cpu": _each(cpu, count, frames),
    }


async def capacity(server: Server, encoding: str, times: Times) -> dict[str, Any]:
    """Latency and drift of one session, and the most sessions at which all is well."""
    alone = await sample(server, 1, encoding, times)
    samples: list[dict[str, Any]] = []

    async def all_is_well(count: int) -> bool:
        try:
            result = await sample(server, count, encoding, times)
        except (OSError, WebSocketException, ExceptionGroup) as error:
            result = {"connections": count, "refused": repr(error), "delivered": 0.0, "p95": None}
        samples.append(result)
        return is_well(result, alone)

    most = await search(all_is_well, STEP, MOST)
    return {"alone": alone, "connections": most, "samples": samples}


def is_well(result: dict[str, Any], alone: dict[str, Any]) -> bool:
    """Whether what is asked of every session holds, beside one session alone."""
    p95 = result["p95"]
    in_time = p95 is not None and p95 <= (alone["p50"] or 0) + 1000 * DELAYED
    return bool(in_time and result["delivered"] >= DELIVERED)


def steady(found: dict[str, Any]) -> int:
    """The most sessions at which all is well, and latency does not grow: real time is held."""
    held = (
        result["connections"]
        for result in (found["alone"], *found["samples"])
        if is_well(result, found["alone"])
        and result.get("drift") is not None
        and result["drift"] <= GROWTH
    )
    return max(held, default=0)


def _figures(sessions: list[Session], times: Times, frames: int) -> dict[str, Any]:
    first = round(times.settle / FRAME)
    latencies: list[float] = []
    for session in sessions:
        latencies += [session.latencies.get(n, float("inf")) for n in range(first, frames)]
    delivered = min(
        sum(n in session.latencies for n in range(first, frames)) / (frames - first)
        for session in sessions
    )
    return {
        "p50": finite(1000 * percentile(latencies, 50)),
        "p95": finite(1000 * percentile(latencies, 95)),
        "delivered": round(delivered, 4),
        "drift": _drift(sessions[0], first, frames),
    }


def _drift(session: Session, first: int, frames: int) -> float | None:
    """How much in ms the latency grows with each second."""
    points = [
        (n * FRAME, session.latencies[n]) for n in range(first, frames) if n in session.latencies
    ]
    if len(points) < 2:
        return None
    when, latency = zip(*points, strict=True)
    return finite(1000 * float(np.polyfit(when, latency, 1)[0]))


def _each(cpu: float, count: int, frames: int) -> float:
    """CPU time in ms for a second of a session."""
    return round(1000 * cpu / (frames * FRAME) / count, 3)
