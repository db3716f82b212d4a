"""What other members send to a browser: it waits for its turn, and not for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastrtc_core.room.member_lane import CAPACITY, SHARE, STALLED, MemberLane


class Wire:
    """A data channel that is full until it is drained."""

    raw: Any = None
    asks = True

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.room = asyncio.Event()

    def post(self, text: str) -> None:
        self.sent.append(text)

    async def drain(self) -> None:
        await self.room.wait()


async def test_streams_to_a_browser_wait_for_their_turn() -> None:
    """They leave in order when there is room; beyond the bounds they are dropped and counted."""
    lane, wire = MemberLane(lambda: None), Wire()
    opened: list[Wire] = []
    lane.push(1, "early")
    running = asyncio.create_task(lane.run(lambda: opened[0] if opened else None))
    await asyncio.sleep(0.1)
    opened.append(wire)
    lane.wake()
    texts = [f"{number:05d}" * 3000 for number in range(160)]
    for text in texts:
        lane.push(1, text)
    kept = (SHARE * CAPACITY - 5) // 15_000
    assert lane.dropped == 160 - kept
    for text in texts:
        lane.push(2, text)
    assert 320 - lane.dropped == (CAPACITY - 5) // 15_000, "there was room for another sender"
    await asyncio.sleep(0.1)
    assert wire.sent == []
    wire.room.set()
    await asyncio.sleep(0.1)
    assert wire.sent[: int(kept) + 1] == ["early", *texts[: int(kept)]]
    lane.push(1, "late")
    await asyncio.sleep(0.1)
    assert wire.sent[-1] == "late"
    assert not lane._sizes
    running.cancel()


@pytest.mark.virtual_clock
async def test_a_browser_that_reads_nothing_is_noticed() -> None:
    """After a while in which nothing can be sent to it."""
    stalled: list[float] = []
    loop = asyncio.get_running_loop()
    lane, wire = MemberLane(lambda: stalled.append(loop.time())), Wire()
    running = asyncio.create_task(lane.run(lambda: wire))
    await asyncio.sleep(100)
    assert stalled == []
    begun = loop.time()
    lane.push(1, "text")
    await running
    assert stalled == [pytest.approx(begun + STALLED)]
