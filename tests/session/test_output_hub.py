"""Additional outputs: none is lost between two subscribers, and nothing grows without a bound."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fastrtc_core import AdditionalOutputs
from fastrtc_core.session.output_hub import CAPACITY, OutputHub

pytestmark = pytest.mark.virtual_clock


def publish(hub: OutputHub, *numbers: int) -> None:
    for number in numbers:
        hub.publish(AdditionalOutputs(number))


async def read(outputs: AsyncIterator[AdditionalOutputs], count: int) -> list[Any]:
    return [(await anext(outputs)).args[0] for _ in range(count)]


async def close(outputs: Any) -> None:
    await outputs.aclose()


async def test_what_was_put_out_before_the_first_subscriber_is_not_lost() -> None:
    """It gets all of it, oldest first; a second subscriber gets what comes from then on."""
    hub = OutputHub()
    publish(hub, 1, 2)
    first, second = hub.subscribe(), hub.subscribe()
    publish(hub, 3)
    hub.end()
    assert [one.args[0] async for one in first] == [1, 2, 3]
    assert [one.args[0] async for one in second] == [3]
    assert hub.dropped == 0


async def test_a_subscriber_that_comes_back_misses_nothing() -> None:
    """What it had not read, and what came while it was away."""
    hub = OutputHub()
    outputs = hub.subscribe()
    publish(hub, 1, 2, 3)
    await asyncio.sleep(0)
    assert await read(outputs, 1) == [1]
    await close(outputs)
    publish(hub, 4)
    assert await read(hub.subscribe(), 3) == [2, 3, 4]


async def test_as_long_as_somebody_subscribes_nothing_is_kept_for_others() -> None:
    """What one of two had not read is its own loss."""
    hub = OutputHub()
    one, other = hub.subscribe(), hub.subscribe()
    publish(hub, 1)
    await asyncio.sleep(0)
    assert await read(other, 1) == [1]
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(other, 1), 0.1)  # closes it
    late = hub.subscribe()
    publish(hub, 2)
    await asyncio.sleep(0)
    assert await read(late, 1) == [2]
    assert await read(one, 2) == [1, 2]


async def test_what_waits_is_bounded_and_its_drops_are_counted() -> None:
    """The oldest are dropped; the same holds for a subscriber that is slow."""
    hub = OutputHub()
    publish(hub, *range(CAPACITY + 5))
    outputs = hub.subscribe()
    assert hub.dropped == 5
    publish(hub, *range(100, 107))
    await asyncio.sleep(0)
    assert hub.dropped == 12
    assert await read(outputs, CAPACITY) == [*range(12, CAPACITY + 5), *range(100, 107)]


async def test_fetching_waits_for_the_first() -> None:
    """Then the latest is there at once, again and again."""
    hub = OutputHub()
    fetching = asyncio.create_task(hub.fetch(10))
    await asyncio.sleep(5)
    assert not fetching.done()
    publish(hub, 1, 2)
    first = await fetching
    assert first is not None
    assert first.args == (2,), "the latest when it was told"
    for _ in range(2):
        latest = await hub.fetch(0)
        assert latest is not None
        assert latest.args == (2,)


async def test_fetching_ends() -> None:
    """After its time, or with the session; nothing stays behind."""
    hub = OutputHub()
    start = asyncio.get_running_loop().time()
    assert await hub.fetch(3) is None
    assert asyncio.get_running_loop().time() - start == pytest.approx(3)
    fetching = asyncio.create_task(hub.fetch(10))
    await asyncio.sleep(1)
    hub.end()
    assert await fetching is None
    assert not hub.subscribers


async def test_who_fetches_leaves_nothing_for_a_subscriber() -> None:
    """An application that polls must not have 64 pictures kept for nobody."""
    hub = OutputHub()
    publish(hub, 1, 2)
    await hub.fetch(0)
    publish(hub, 3)
    assert await read(hub.subscribe(), 1) == [3]
    assert hub.dropped == 0


async def test_a_fetch_beside_the_last_subscriber() -> None:
    """When both have gone, outputs wait for the next subscriber again."""
    hub = OutputHub()
    fetching = asyncio.create_task(hub.fetch(10))
    await asyncio.sleep(0)
    outputs = hub.subscribe()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(outputs, 1), 0.1)
    publish(hub, 1)
    await fetching
    publish(hub, 2)
    assert await read(hub.subscribe(), 1) == [2]


async def test_outputs_of_an_ended_session_are_read_to_the_end() -> None:
    """Whoever is late gets what there is, and then the end."""
    hub = OutputHub()
    publish(hub, 1)
    hub.end()
    assert [one.args[0] async for one in hub.subscribe()] == [1]
    assert [one.args[0] async for one in hub.subscribe()] == []


def test_a_subscriber_on_another_event_loop() -> None:
    """It gets everything, once and in order, while another thread publishes."""
    hub = OutputHub()
    got: list[int] = []

    async def subscriber() -> None:
        got.extend([one.args[0] async for one in hub.subscribe()])

    publish(hub, 0)
    thread = threading.Thread(target=lambda: asyncio.run(subscriber()))
    thread.start()
    while not hub.subscribers:
        time.sleep(0.001)
    publish(hub, *range(1, CAPACITY // 2))
    hub.end()
    thread.join()
    assert got == list(range(CAPACITY // 2))
