"""Waking every task that waits for a change."""

from __future__ import annotations

import asyncio

import pytest

from fastrtc_core.tracks.signal import Signal

pytestmark = pytest.mark.virtual_clock


async def test_everyone_is_woken_once() -> None:
    """One `notify` wakes all who wait; who waits again waits for the next."""
    signal = Signal()
    woken: list[int] = []

    async def wait(name: int) -> None:
        await signal.wait()
        woken.append(name)

    async with asyncio.TaskGroup() as tasks:
        for name in range(3):
            tasks.create_task(wait(name))
        await asyncio.sleep(0)
        signal.notify()
        again = tasks.create_task(wait(3))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert woken == [0, 1, 2]
        assert not again.done()
        signal.notify()
    assert woken == [0, 1, 2, 3]


async def test_a_notify_without_waiters_is_forgotten() -> None:
    """It is no flag: who comes later waits."""
    signal = Signal()
    signal.notify()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(signal.wait(), 1)


async def test_waiting_until_a_time_ends_then() -> None:
    """Without a `notify`, the wait ends at the loop time that was named."""
    signal = Signal()
    loop = asyncio.get_running_loop()
    await signal.wait(until=loop.time() + 2.5)
    assert loop.time() == pytest.approx(2.5)
    assert not signal.waiting


async def test_a_cancelled_waiter_disturbs_no_other() -> None:
    """The others are woken, and nothing of the cancelled one stays, timer included."""
    signal = Signal()
    loop = asyncio.get_running_loop()
    cancelled = asyncio.create_task(signal.wait(until=loop.time() + 100))
    other = asyncio.create_task(signal.wait())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.sleep(0)
    signal.notify()
    await other
    assert cancelled.cancelled()
    assert not signal.waiting
    await asyncio.sleep(0)
    assert not [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
