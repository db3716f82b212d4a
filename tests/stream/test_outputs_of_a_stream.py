"""Additional outputs of sessions that are yet to come, or have just begun."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastrtc_core import (
    AdditionalOutputs,
    OfferError,
    QueueFullError,
    Stream,
    UnknownSessionError,
)
from fastrtc_core.client import Client
from fastrtc_core.registry import MAX_WAITERS, Registry
from tests.webrtc.support import Silent, eventually, gone

from ..inside import registry_of


class Greets(Silent):
    """Puts out three values before anybody can have subscribed."""

    async def start_up(self) -> None:
        for number in range(3):
            self.publish(number)
        await super().start_up()


async def test_outputs_before_the_subscription_are_not_lost() -> None:
    """A page subscribes when it has its answer; the handler may be faster."""
    handler = Greets()
    stream = Stream(handler)
    async with Client(stream.offer, webrtc_id="mine") as client:
        latest = await stream.fetch_latest_output("mine")
        assert latest.args in ((0,), (1,), (2,))
        assert client.webrtc_id == "mine"
    await gone(stream)
    async with Client(stream.offer, webrtc_id="mine"):
        await eventually(lambda: handler.copies[-1].calls == ["start_up"])
        outputs = stream.output_stream("mine")
        assert [(await anext(outputs)).args for _ in range(3)] == [(0,), (1,), (2,)]
    with pytest.raises(StopAsyncIteration):
        await anext(outputs)
    await gone(stream)


async def test_who_is_earlier_than_the_offer_waits_for_it() -> None:
    """With a bound: after it, the id is one that nobody knows."""
    stream = Stream(Greets())
    waiting = asyncio.create_task(stream.wait_for_output_stream("later"))
    await asyncio.sleep(0)
    with pytest.raises(UnknownSessionError, match="nobody has offered"):
        await stream.wait_for_output_stream("never", timeout=0.01)
    async with Client(stream.offer, webrtc_id="later"):
        outputs = await waiting
        assert (await anext(outputs)).args == (0,)
        also = await stream.wait_for_output_stream("later", timeout=0)
        await also.aclose()
    await gone(stream)
    assert not stream.snapshot().awaiting


async def test_an_offer_that_is_refused_ends_what_waited_for_it() -> None:
    """Nothing is put out, and nobody waits on."""

    class Broken(Silent):
        def copy(self) -> Any:
            raise RuntimeError

    stream = Stream(Broken())
    waiting = asyncio.create_task(stream.wait_for_output_stream("broken"))
    await asyncio.sleep(0)
    with pytest.raises(OfferError):
        async with Client(stream.offer, webrtc_id="broken"):
            pass
    assert [one async for one in await waiting] == []
    with pytest.raises(UnknownSessionError):
        stream.output_stream("broken")


@pytest.mark.virtual_clock
async def test_the_outputs_of_an_id_are_there_from_the_offer_to_the_end() -> None:
    """Over every transport alike: all of them take a slot before anything else."""
    registry = Registry()
    for id in ("none", "", "x" * 200):
        with pytest.raises(UnknownSessionError):
            registry.outputs(id)
        with pytest.raises(UnknownSessionError):
            await registry.wait_for_outputs(id, 0.1)
    async with registry.slot("a") as slot:
        hub = registry.outputs("a")
        assert hub is slot.outputs is await registry.wait_for_outputs("a", 0)
        outputs = hub.subscribe()
        hub.publish(AdditionalOutputs(1))
    assert [one.args async for one in outputs] == [(1,)]
    assert not registry.snapshot().awaiting


@pytest.mark.virtual_clock
async def test_not_too_many_wait() -> None:
    """Whoever comes then is told so; when one has given up, there is room again."""
    registry = Registry()
    async with asyncio.TaskGroup() as tasks:
        waiting = [
            tasks.create_task(registry.wait_for_outputs(f"id-{n}", 10)) for n in range(MAX_WAITERS)
        ]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await registry.wait_for_outputs("one-more", 1)
        for each in waiting[1:]:
            each.cancel()
        await asyncio.sleep(0)
        async with registry.slot("id-0") as slot:
            assert await waiting[0] is slot.outputs
    assert not registry.snapshot().awaiting


async def test_fetching_from_a_session_that_ends() -> None:
    """It has put out nothing, and will not."""
    stream = Stream(Silent())
    async with Client(stream.offer, webrtc_id="short"):
        fetching = asyncio.create_task(stream.fetch_latest_output("short"))
        await asyncio.sleep(0)
    with pytest.raises(UnknownSessionError, match="has ended"):
        await fetching
    await gone(stream)


def test_arguments_as_fastrtc_takes_them() -> None:
    """`None` for no components, and `"default"` for one session at a time."""
    stream = Stream(
        Silent(),
        additional_inputs=None,
        additional_outputs=None,
        additional_outputs_handler=None,
        concurrency_limit="default",
        time_limit=None,
        rtc_configuration=None,
        server_rtc_configuration=None,
        track_constraints=None,
        ui_args=None,
    )
    assert stream.additional_inputs == stream.additional_outputs == []
    assert stream.concurrency_limit == registry_of(stream).concurrency_limit == 1
    assert Stream(Silent()).concurrency_limit is None
