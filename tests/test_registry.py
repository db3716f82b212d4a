"""Who is connected: slots, ids, limits, and the end of everybody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fastrtc_core import (
    CloseReason,
    ConcurrencyLimitError,
    DuplicateSessionError,
    MalformedOfferError,
    UnavailableError,
    UnknownSessionError,
)
from fastrtc_core.registry import Registry, Slot
from fastrtc_core.session import SessionSnapshot

from .webrtc.support import eventually

virtual = pytest.mark.virtual_clock


class FakeSession:
    """Notes why it was stopped, and lets whoever serves it know."""

    def __init__(self) -> None:
        self.reasons: list[CloseReason] = []
        self.stopped = asyncio.Event()

    def stop(self, reason: CloseReason) -> None:
        self.reasons.append(reason)
        self.stopped.set()

    def snapshot(self) -> SessionSnapshot:
        state = "ending" if self.reasons else "running"
        return SessionSnapshot("a", "fake", state, None, (), 0, False, 0, {}, {}, 0)


def attach(slot: Slot) -> FakeSession:
    session: Any = FakeSession()
    slot.attach(session)
    return session  # type: ignore[no-any-return]


async def serve(registry: Registry, id: str | None = None, takes: float = 0.0) -> CloseReason:
    """Hold a slot until its session is stopped, and so many s longer."""
    async with registry.slot(id) as slot:
        session = attach(slot)
        await session.stopped.wait()
        await asyncio.sleep(takes)
        return session.reasons[0]


@contextmanager
def another_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="another-loop")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# Slots and ids


@virtual
async def test_a_slot_is_held_for_as_long_as_its_context() -> None:
    """It is taken on the way in and free on the way out."""
    registry = Registry()
    async with registry.slot("a") as slot:
        assert slot.id == "a"
        assert "a" in registry
        assert len(registry) == 1
        assert not slot.ended.is_set()
    assert slot.ended.is_set()
    assert "a" not in registry
    assert len(registry) == 0


@virtual
async def test_issued_ids_are_unique_and_hard_to_guess() -> None:
    """Without a wish, the registry issues an id of 128 random bits."""
    registry = Registry()
    seen = set()
    for _ in range(200):
        async with registry.slot() as slot:
            assert len(slot.id) >= 22
            seen.add(slot.id)
    assert len(seen) == 200


@virtual
async def test_a_taken_id_is_refused_and_nobody_is_evicted() -> None:
    """The second client gets an error; the first keeps its slot and session."""
    registry = Registry()
    async with registry.slot("a") as slot:
        session = attach(slot)
        with pytest.raises(DuplicateSessionError, match="'a' is taken"):
            async with registry.slot("a"):
                pytest.fail("two sessions with one id")
        assert registry.session("a") is session  # type: ignore[comparison-overlap]
        assert session.reasons == []
    async with registry.slot("a"):
        assert len(registry) == 1


@virtual
@pytest.mark.parametrize("id", ["", " ", "a b", "a\n", "é", "\x00", "x" * 129, "a\u2028", "tab\t"])
async def test_an_id_that_is_not_visible_ascii_is_refused(id: str) -> None:
    """Ids are 1 to 128 visible ASCII characters; nothing is taken for another one."""
    registry = Registry(1)
    with pytest.raises(MalformedOfferError, match="webrtc_id"):
        async with registry.slot(id):
            pytest.fail("an id that no log could show")
    assert len(registry) == 0


@virtual
@pytest.mark.parametrize("id", ["a", "x" * 128, "~!@#$%^&*()", "<script>"])
async def test_any_visible_id_is_taken(id: str) -> None:
    """Clients choose their ids freely among visible characters."""
    async with Registry().slot(id) as slot:
        assert slot.id == id


# The limit


@virtual
async def test_the_limit_counts_slots_not_sessions() -> None:
    """A slot counts before its session exists; a free one may be taken at once."""
    registry = Registry(2)
    async with registry.slot():
        async with registry.slot():
            with pytest.raises(ConcurrencyLimitError, match="server is full") as caught:
                async with registry.slot():
                    pytest.fail("three in two places")
            assert caught.value.meta == {"limit": 2}
        async with registry.slot():
            assert len(registry) == 2


@virtual
async def test_no_limit_means_no_limit() -> None:
    """`None` lets any number in."""
    registry = Registry(None)
    tasks = [asyncio.create_task(serve(registry)) for _ in range(300)]
    await asyncio.sleep(0)
    assert len(registry) == 300
    await registry.drain()
    assert set(await asyncio.gather(*tasks)) == {CloseReason.DRAIN}


@virtual
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
async def test_any_way_out_frees_the_slot(error: type[BaseException]) -> None:
    """An exception of whatever kind leaves no slot behind."""
    registry = Registry(1)
    with pytest.raises(error):
        async with registry.slot("a") as slot:
            raise error
    assert slot.ended.is_set()
    assert len(registry) == 0
    async with registry.slot("a"):
        pass


@virtual
async def test_cancelling_frees_the_slot() -> None:
    """A task that is cancelled while it holds a slot gives it back."""
    registry = Registry(1)
    task = asyncio.create_task(serve(registry, "a"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert len(registry) == 0


# Finding and stopping


@virtual
async def test_an_unknown_id_is_an_error() -> None:
    """Nobody, gone, and not yet there are all unknown to `session`; stopping needs a slot."""
    registry = Registry()
    with pytest.raises(UnknownSessionError, match="'a'"):
        registry.session("a")
    with pytest.raises(UnknownSessionError, match="'a'"):
        registry.stop("a", CloseReason.CLOSED)
    async with registry.slot("a") as slot:
        with pytest.raises(UnknownSessionError):
            registry.session("a")
        session = attach(slot)
        assert registry.session("a") is session  # type: ignore[comparison-overlap]
    with pytest.raises(UnknownSessionError):
        registry.session("a")


@virtual
async def test_stop_ends_the_session() -> None:
    """The session is told why, and no other one is."""
    registry = Registry()
    one = asyncio.create_task(serve(registry, "one"))
    two = asyncio.create_task(serve(registry, "two"))
    await asyncio.sleep(0)
    registry.stop("one", CloseReason.CLOSED)
    assert await one is CloseReason.CLOSED
    assert not two.done()
    registry.stop("two", CloseReason.CLIENT)
    assert await two is CloseReason.CLIENT


@virtual
async def test_a_stop_before_the_session_exists_is_not_forgotten() -> None:
    """A session that is attached to a stopped slot ends at once, with that reason."""
    registry = Registry()
    async with registry.slot("a") as slot:
        registry.stop("a", CloseReason.CLOSED)
        await asyncio.sleep(0)
        assert attach(slot).reasons == [CloseReason.CLOSED]


# Drain


@virtual
async def test_drain_refuses_new_sessions_and_waits_for_the_old() -> None:
    """It returns when the last slot is free; nobody comes in meanwhile or later."""
    registry = Registry()
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(serve(registry, takes=takes)) for takes in (1.0, 3.0, 0.0)]
    await asyncio.sleep(0)
    draining = asyncio.create_task(registry.drain())
    await asyncio.sleep(0.5)
    with pytest.raises(UnavailableError, match="shutting down"):
        async with registry.slot():
            pytest.fail("a session on a server that shuts down")
    await draining
    assert loop.time() == pytest.approx(3.0)
    assert len(registry) == 0
    assert [task.result() for task in tasks] == [CloseReason.DRAIN] * 3
    with pytest.raises(UnavailableError):
        async with registry.slot():
            pytest.fail("a session on a server that has shut down")


@virtual
async def test_drain_of_nothing_returns() -> None:
    """Without sessions there is nothing to wait for; draining twice is harmless."""
    registry = Registry()
    await registry.drain()
    await registry.drain(1.0)


@virtual
async def test_drain_times_out() -> None:
    """A session that does not end is left, and the caller is told."""
    registry = Registry()
    task = asyncio.create_task(serve(registry, takes=60.0))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await registry.drain(5.0)
    assert asyncio.get_running_loop().time() == pytest.approx(5.0)
    assert len(registry) == 1
    await task


@virtual
async def test_drain_reaches_what_has_no_session_yet() -> None:
    """A slot whose session is still being made is stopped as soon as there is one."""
    registry = Registry()
    taken = asyncio.Event()

    async def slow() -> list[CloseReason]:
        async with registry.slot() as slot:
            taken.set()
            await asyncio.sleep(1)
            return attach(slot).reasons

    task = asyncio.create_task(slow())
    await taken.wait()
    await registry.drain()
    assert await task == [CloseReason.DRAIN]


# Other threads and loops


async def test_stop_is_safe_from_any_thread() -> None:
    """The session is stopped on its own loop, whoever asks."""
    registry = Registry()
    task = asyncio.create_task(serve(registry, "a"))
    await asyncio.sleep(0)
    await asyncio.to_thread(registry.stop, "a", CloseReason.CLOSED)
    assert await asyncio.wait_for(task, 1) is CloseReason.CLOSED


async def test_one_limit_for_slots_of_several_loops() -> None:
    """A Gradio UI has a loop of its own; its sessions count, are found, and can be stopped."""
    registry = Registry(1)
    with another_loop() as other:
        served = asyncio.run_coroutine_threadsafe(serve(registry, "a"), other)
        await eventually(lambda: "a" in registry)
        with pytest.raises(ConcurrencyLimitError):
            async with registry.slot():
                pytest.fail("two in one place")
        await eventually(lambda: registry.snapshot().sessions["a"])
        registry.stop("a", CloseReason.CLOSED)
        assert await asyncio.wrap_future(served) is CloseReason.CLOSED
    assert len(registry) == 0


async def test_drain_waits_for_other_loops() -> None:
    """Slots on another loop are stopped and waited for, with the same time limit."""
    registry = Registry()
    with another_loop() as other:
        served = asyncio.run_coroutine_threadsafe(serve(registry, "a", takes=0.2), other)
        await eventually(lambda: "a" in registry)
        with pytest.raises(TimeoutError):
            await registry.drain(0.01)
        # What waited on the other loop for the drain that gave up is gone as well.
        left = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(other_tasks(), other))
        assert left == ["serve"]
        await registry.drain(2.0)
        assert served.result(0) is CloseReason.DRAIN


async def other_tasks() -> list[str]:
    """The coroutines that run on this loop beside this one."""
    await asyncio.sleep(0.005)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return [task.get_coro().__name__ for task in others]  # type: ignore[union-attr]


async def test_drain_survives_the_end_of_another_loop() -> None:
    """A loop that shuts down while its sessions are waited for does not cancel the drain."""
    registry = Registry()
    started = threading.Event()

    async def short_life() -> None:
        task = asyncio.create_task(serve(registry, "a", takes=60.0))
        await asyncio.sleep(0)
        started.set()
        await eventually(lambda: registry.snapshot().draining)
        await asyncio.sleep(0.02)
        assert not task.done()

    thread = threading.Thread(target=asyncio.run, args=(short_life(),))
    thread.start()
    await asyncio.to_thread(started.wait)
    await registry.drain(2.0)
    await asyncio.to_thread(thread.join)
    assert len(registry) == 0
    await registry.drain(1.0)


async def test_a_slot_of_a_closed_loop_cannot_block_a_drain() -> None:
    """A loop that was closed with a slot still taken is not waited for."""
    registry = Registry()
    context = registry.slot("a")
    with another_loop() as other:
        entered = asyncio.run_coroutine_threadsafe(context.__aenter__(), other)
        await asyncio.wrap_future(entered)
    await asyncio.wait_for(registry.drain(1.0), 2.0)
    registry.stop("a", CloseReason.CLOSED)
    await context.__aexit__(None, None, None)


async def test_threads_that_take_slots_at_once_stay_within_the_limit() -> None:
    """Ten loops in a race for three places: three get one, seven are refused."""
    registry = Registry(3)
    barrier = threading.Barrier(10)
    results: list[str] = []

    async def take() -> str:
        try:
            async with registry.slot():
                await eventually(lambda: len(results) >= 7)
                return "taken"
        except ConcurrencyLimitError:
            return "refused"

    def compete() -> None:
        async def main() -> None:
            results.append(await take())

        barrier.wait()
        asyncio.run(main())

    threads = [threading.Thread(target=compete) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert sorted(results) == ["refused"] * 7 + ["taken"] * 3
