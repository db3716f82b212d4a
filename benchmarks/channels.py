"""What channels cost: against the number of participants, and against that of rooms.

Each participant is a real WebRTC connection. Who does not speak has a muted microphone: it sends
what Chromium sends then, some 5 packets a second where the server asks for no more. Everybody hears
somebody, and so should get 50 packets a second.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import uvloop

from .connection import Connection
from .load import Load
from .markers import FRAME, SILENCE, murmur, script
from .measures import Server, Times
from .peers import Peer, running
from .statistics import finite, percentile

SPEAKING = 4
"""Who speaks in one room, at most."""

SIZES = (2, 4, 8, 16, 32)
"""Participants of one room."""

ROOMS = (1, 2, 4, 8)
"""Rooms of four, in which two speak."""

IDLE = 0.02
"""Share of a core below which a server is taken to be at rest."""

SERVER = Peer("fastrtc-core", "fastrtc-core", "channel.py")


class Meeting(NamedTuple):
    """Who is in each room.

    Attributes:
        members: How many.
        speaking: How many of them speak, two at least, so that everybody hears somebody.
        rooms: How many such rooms.
        muted: Whether the others send silence; else they send nothing.
    """

    members: int
    speaking: int
    rooms: int = 1
    muted: bool = True


MORE_SPEAK = Meeting(32, 4 * SPEAKING)
NOTHING_SENT = Meeting(32, SPEAKING, muted=False)


def plan() -> list[Meeting]:
    """What is measured."""
    return [
        *(Meeting(members, min(SPEAKING, members)) for members in SIZES),
        *(Meeting(4, 2, rooms) for rooms in ROOMS),
        MORE_SPEAK,
        NOTHING_SENT,
    ]


def run(core: int, times: Times) -> dict[str, Any]:
    """Start the server on a core, and measure it."""
    with (
        running(SERVER, sys.executable, core) as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(measure(server, times))


async def measure(server: Server, times: Times) -> dict[str, Any]:
    """All meetings, one after the other, some times over, and what follows from the medians."""
    passes = [
        [await sample(server, meeting, times) for meeting in plan()] for _ in range(times.passes)
    ]
    samples = [middle(list(alike)) for alike in zip(*passes, strict=True)]
    return {"samples": samples, **costs(samples)}


async def sample(server: Server, meeting: Meeting, times: Times) -> dict[str, Any]:
    """One meeting: CPU time of the server, and what its participants get.

    `delivered` is the share of its packets that the participant got that got least. The latency is
    that of the sound of the first speaker of each room, for all others who are there.
    """
    what = meeting._asdict()
    await _rest(server)
    async with Load(server.url) as load:
        try:
            for _ in range(meeting.rooms):
                await _open(load, server.url, meeting, uuid.uuid4().hex)
        except ConnectionError as error:
            return {**what, "refused": str(error), "delivered": 0.0}
        await asyncio.sleep(times.settle)
        start, before, load.late = time.perf_counter(), server.process.cpu(), 0.0
        await asyncio.sleep(times.listen)
        end, cpu, late = time.perf_counter(), server.process.cpu() - before, load.late
        await asyncio.sleep(0.5)
        due = (end - start) / FRAME
        latencies: list[float] = []
        for listener in load.connections:
            if listener.source is not listener:
                heard, missing = listener.latencies(start, end)
                latencies += heard + [float("inf")] * missing
        return {
            **what,
            "delivered": round(min(c.heard(start, end) for c in load.connections) / due, 4),
            "cpu": round(1000 * cpu / (end - start), 2),
            "p50": finite(1000 * percentile(latencies, 50)),
            "p95": finite(1000 * percentile(latencies, 95)),
            "load_late": round(1000 * late, 1),
        }


def middle(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure of the same meeting; one that was refused stands for all."""
    refused = [sample for sample in samples if "refused" in sample]
    if refused:
        return refused[0]
    figures = [key for key in samples[0] if key not in Meeting._fields]
    return samples[0] | {
        key: finite(percentile([float("inf") if s[key] is None else s[key] for s in samples], 50))
        for key in figures
    }


async def _rest(server: Server) -> None:
    """Wait until nothing is left of the meeting before, ten seconds at most."""
    for _ in range(20):
        before = server.process.cpu()
        await asyncio.sleep(0.5)
        if server.process.cpu() - before < IDLE * 0.5:
            return


async def _open(load: Load, url: str, meeting: Meeting, name: str) -> None:
    """Bring the participants of one room."""
    first: Connection | None = None
    for number in range(meeting.members):
        said = SILENCE if number >= meeting.speaking else murmur() if number else script()
        connection = Connection(url, said, {"channel": name, "uid": number + 1})
        first = connection.source = first or connection
        await load.add(connection, talk=meeting.muted or number < meeting.speaking)


def costs(samples: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """What one more participant costs, in ms of CPU a second.

    `silent` is the slope over rooms with the same speakers, `speaking` that of a silent one and
    what it costs more when it speaks; `ratio` is the one to the other.
    """
    by_meeting = {
        Meeting(*(sample[field] for field in Meeting._fields)): sample["cpu"]
        for sample in samples
        if "cpu" in sample
    }
    points = [
        (members, by_meeting[meeting])
        for members in SIZES
        if (meeting := Meeting(members, SPEAKING)) in by_meeting
    ]
    silent = slope(points)
    few = by_meeting.get(MORE_SPEAK._replace(speaking=SPEAKING))
    more = by_meeting.get(MORE_SPEAK)
    if silent is None or few is None or more is None:
        return {"silent": finite(silent), "speaking": None, "ratio": None}
    speaking = silent + (more - few) / (MORE_SPEAK.speaking - SPEAKING)
    return {
        "silent": finite(silent),
        "speaking": finite(speaking),
        "ratio": finite(silent / speaking),
    }


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """That of the line through points, with the least squares; `None` for less than two."""
    if len({x for x, _ in points}) < 2:
        return None
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    across = sum((x - middle_x) * (y - middle_y) for x, y in points)
    return across / sum((x - middle_x) ** 2 for x, _ in points)
