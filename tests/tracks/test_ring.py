"""The queue between a track and one reader."""

from __future__ import annotations

import asyncio

import pytest

from fastrtc_core import EndOfStreamError
from fastrtc_core.tracks.ring import Ring

pytestmark = pytest.mark.virtual_clock


async def test_items_come_in_order() -> None:
    """What was put first is read first."""
    ring: Ring[int] = Ring(3)
    for item in (1, 2, 3):
        ring.put(item)
    assert [await ring.get() for _ in range(3)] == [1, 2, 3]
    assert ring.dropped == 0


async def test_a_full_ring_drops_its_oldest_and_counts() -> None:
    """A slow reader finds the latest items, and the number of those it has lost."""
    ring: Ring[int] = Ring(3)
    for item in range(10):
        ring.put(item)
    assert (len(ring), ring.dropped) == (3, 7)
    assert [await ring.get() for _ in range(3)] == [7, 8, 9]


async def test_a_parked_reader_is_woken() -> None:
    """A reader that waits gets the item in the next turn of the loop."""
    ring: Ring[int] = Ring(1)
    reader = asyncio.create_task(ring.get())
    await asyncio.sleep(0)
    assert not reader.done()
    ring.put(5)
    await asyncio.sleep(0)
    assert await asyncio.wait_for(reader, 0) == 5


async def test_the_end_comes_after_what_is_queued() -> None:
    """After `end`, the rest is read, then every read raises."""
    ring: Ring[int] = Ring(3)
    ring.put(1)
    ring.put(2)
    ring.end()
    ring.end()
    assert ring.ended
    assert [await ring.get(), await ring.get()] == [1, 2]
    for _ in range(2):
        with pytest.raises(EndOfStreamError):
            await ring.get()


async def test_the_end_wakes_a_parked_reader() -> None:
    """Nobody waits for ever on a track that has ended."""
    ring: Ring[int] = Ring(1)
    reader = asyncio.create_task(ring.get())
    await asyncio.sleep(0)
    ring.end()
    with pytest.raises(EndOfStreamError):
        await reader


async def test_what_comes_after_the_end_is_dropped() -> None:
    """An item after the end is counted, not queued."""
    ring: Ring[int] = Ring(2)
    ring.end()
    ring.put(1)
    assert (len(ring), ring.dropped) == (0, 1)


async def test_clear_discards_and_counts() -> None:
    """What is cleared was never read, and counts as dropped."""
    ring: Ring[int] = Ring(4)
    ring.put(1)
    ring.put(2)
    ring.clear()
    assert (len(ring), ring.dropped) == (0, 2)


async def test_a_second_reader_is_refused() -> None:
    """Two tasks that read one stream would each get half of it."""
    ring: Ring[int] = Ring(1)
    first = asyncio.create_task(ring.get())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already reading"):
        await ring.get()
    ring.put(1)
    with pytest.raises(RuntimeError, match="already reading"):
        await ring.get()  # the item belongs to the first, which has not run yet
    assert await first == 1


async def test_a_cancelled_reader_takes_nothing_with_it() -> None:
    """The item that came while its reader was cancelled is there for the next read."""
    ring: Ring[int] = Ring(1)
    reader = asyncio.create_task(ring.get())
    await asyncio.sleep(0)
    ring.put(7)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await ring.get() == 7


@pytest.mark.parametrize("capacity", [0, -1])
async def test_a_ring_holds_one_item_at_least(capacity: int) -> None:
    """A queue without room would drop everything."""
    with pytest.raises(ValueError, match="at least 1"):
        Ring[int](capacity)


async def test_items_may_weigh() -> None:
    """The oldest go while all are too heavy; the newest stays, and what was read weighs nothing."""
    ring: Ring[int] = Ring(4, weight=10)
    for item, weight in ((1, 4), (2, 4), (3, 4)):
        ring.put(item, weight)
    assert (len(ring), ring.dropped) == (2, 1)
    assert await ring.get() == 2
    ring.put(4, 6)
    assert (len(ring), ring.dropped) == (2, 1)
    ring.put(5, 50)
    assert (len(ring), ring.dropped) == (1, 3)
    assert await ring.get() == 5
    for item in range(6):
        ring.put(item)
    assert (len(ring), ring.dropped) == (4, 5)
    ring.clear()
    ring.put(1, 10)
    assert len(ring) == 1
