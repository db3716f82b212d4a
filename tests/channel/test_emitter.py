"""`Emitter`: who is told of which event, with what, and how often."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError
from fastrtc_core.channel.emitter import Emitter

from ..failures import Failure, every_sync_failure

EVENTS = ("user_joined", "user_left")

Calls = list[tuple[Callable[..., Any], tuple[Any, ...]]]


def make() -> tuple[Emitter, Calls]:
    """An emitter, and the calls that its owner is asked for."""
    calls: Calls = []
    return Emitter(EVENTS, lambda callback, args: calls.append((callback, args))), calls


def note(*args: Any) -> None:
    """A callback that is never really called here."""


def other(*args: Any) -> None:
    """Another."""


# Callbacks


def test_a_callback_is_told_of_its_event_alone() -> None:
    """Each time, and of no other."""
    emitter, calls = make()
    emitter.on("user_joined", note)
    emitter.emit("user_joined", 1, "Ann")
    emitter.emit("user_left", 1)
    emitter.emit("user_joined", 2, "Bob")
    assert calls == [(note, (1, "Ann")), (note, (2, "Bob"))]


def test_callbacks_are_told_in_the_order_in_which_they_came() -> None:
    """Any number of them; those for one event only go first or last like the others."""
    emitter, calls = make()
    emitter.on("user_joined", note)
    emitter.once("user_joined", other)
    emitter.on("user_joined", print)
    emitter.emit("user_joined")
    assert [callback for callback, _ in calls] == [note, other, print]


def test_a_callback_for_one_event_hears_of_one() -> None:
    """`once` is over after it."""
    emitter, calls = make()
    emitter.once("user_left", note)
    emitter.emit("user_left", 1)
    emitter.emit("user_left", 2)
    assert calls == [(note, (1,))]


def test_a_callback_that_was_taken_back_hears_nothing() -> None:
    """However it was registered; what was never registered can be taken back too."""
    emitter, calls = make()
    emitter.on("user_left", note)
    emitter.once("user_left", other)
    for callback in (note, other, print):
        emitter.off("user_left", callback)
        emitter.off("user_joined", callback)
    emitter.emit("user_left")
    assert calls == []


def test_a_callback_that_came_twice_is_called_once() -> None:
    """A method too, which is another object each time it is asked for."""

    class Agent:
        def joined(self) -> None:
            """Somebody is here."""

    emitter, calls = make()
    agent, twin = Agent(), Agent()
    for each in (agent, agent, twin):
        emitter.on("user_joined", each.joined)
    emitter.emit("user_joined")
    assert calls == [(agent.joined, ()), (twin.joined, ())]
    emitter.off("user_joined", agent.joined)
    emitter.emit("user_joined")
    assert calls[2:] == [(twin.joined, ())]


def test_called_each_time_includes_called_once() -> None:
    """Whichever of `on` and `once` came first."""
    for names in (("on", "once"), ("once", "on")):
        emitter, calls = make()
        for name in names:
            getattr(emitter, name)("user_left", note)
        emitter.emit("user_left")
        emitter.emit("user_left")
        assert len(calls) == 2


def test_registering_decorates() -> None:
    """And leaves the function what it is."""
    emitter, calls = make()

    @emitter.on("user_joined")
    def joined(uid: int) -> int:
        return uid

    @emitter.once("user_joined")
    async def first(uid: int) -> None:
        """The first one."""

    assert joined(3) == 3
    assert emitter.on("user_left", note) is note
    assert emitter.once("user_left", other) is other
    emitter.emit("user_joined", 5)
    assert calls == [(joined, (5,)), (first, (5,))]


def test_a_callback_gets_as_many_arguments_as_it_takes() -> None:
    """The first ones: applications need not care for all."""
    emitter, calls = make()
    callbacks: list[Callable[..., Any]] = [
        lambda: None,
        lambda uid: None,
        lambda uid, reason="": None,
        lambda uid, *rest: None,
    ]
    for callback in callbacks:
        emitter.on("user_left", callback)
    emitter.emit("user_left", 7, "closed", 3)
    assert [args for _, args in calls] == [(), (7,), (7, "closed"), (7, "closed", 3)]


def test_what_callbacks_change_counts_from_the_next_event_on() -> None:
    """Nobody is skipped or called twice because of it."""

    def call(callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        heard.append(callback)
        callback()

    heard: list[Callable[..., Any]] = []
    emitter = Emitter(EVENTS, call)

    def first() -> None:
        emitter.off("user_left", second)
        emitter.on("user_left", third)

    def second() -> None:
        """Taken back while it is told."""

    def third() -> None:
        """Comes while others are told."""

    emitter.on("user_left", first)
    emitter.on("user_left", second)
    emitter.emit("user_left")
    emitter.emit("user_left")
    assert heard == [first, second, first, third]


def test_a_callback_for_one_event_that_causes_another_is_called_once() -> None:
    """It is over before it is called."""
    heard: list[Any] = []
    emitter = Emitter(EVENTS, lambda callback, args: callback(*args))

    def again(uid: int) -> None:
        heard.append(uid)
        emitter.emit("user_left", uid + 1)

    emitter.once("user_left", again)
    emitter.emit("user_left", 1)
    assert heard == [1]


async def test_an_unknown_event_is_an_error_that_names_the_known_ones() -> None:
    """A typing error does not wait for ever."""
    emitter, _ = make()
    text = "unknown event 'user_join'; known are user_joined, user_left"
    for method in (emitter.on, emitter.once, emitter.off, emitter.emit):
        with pytest.raises(ConfigurationError, match=text):
            method("user_join", note)
    with pytest.raises(ConfigurationError, match=text):
        await emitter.wait_for("user_join")


def test_an_unknown_event_is_an_error_of_the_decorator_itself() -> None:
    """In its own line, not where the function is defined."""
    emitter, _ = make()
    with pytest.raises(ConfigurationError, match="unknown event"):
        emitter.on("user_join")


def test_what_cannot_be_called_is_no_callback() -> None:
    """It is found out when it is registered, not when the event comes."""
    emitter, _ = make()
    with pytest.raises(ConfigurationError, match="must be callable"):
        emitter.on("user_left", "note")  # type: ignore[call-overload]


def test_callbacks_come_and_go_from_any_thread() -> None:
    """While the loop emits; none is lost."""
    emitter, calls = make()

    def busy() -> None:
        for _ in range(200):
            callback = lambda: None  # noqa: E731 - a new one each time
            emitter.on("user_left", callback)
            emitter.off("user_left", callback)
        emitter.on("user_left", lambda: None)

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        emitter.emit("user_left")
    for thread in threads:
        thread.join()
    calls.clear()
    emitter.emit("user_left")
    assert len(calls) == 4


CALLBACKS = [lambda index=index: index for index in range(4)]

steps = st.lists(
    st.tuples(
        st.sampled_from(["on", "once", "off", "emit"]),
        st.sampled_from(EVENTS),
        st.integers(0, len(CALLBACKS) - 1),
    ),
    max_size=40,
)


@given(steps)
@settings(deadline=None)
def test_an_emitter_does_what_a_plain_list_does(steps: list[tuple[str, str, int]]) -> None:
    """For any order of `on`, `once`, `off` and `emit`."""
    emitter, calls = make()
    model: dict[str, dict[int, bool]] = {event: {} for event in EVENTS}
    for step, event, index in steps:
        registered = model[event]
        if step == "emit":
            calls.clear()
            emitter.emit(event, index)
            assert calls == [(CALLBACKS[which], (index,)) for which in registered]
            model[event] = {which: once for which, once in registered.items() if not once}
            continue
        getattr(emitter, step)(event, CALLBACKS[index])
        if step == "off":
            registered.pop(index, None)
        else:
            registered[index] = registered.get(index, True) and step == "once"


# Waits


@pytest.mark.virtual_clock
async def test_a_wait_ends_with_the_next_event() -> None:
    """With all of its arguments; those before it are missed."""
    emitter, _ = make()
    emitter.emit("user_joined", 1)
    wait = asyncio.create_task(emitter.wait_for("user_joined"))
    await asyncio.sleep(1)
    emitter.emit("user_left", 2)
    assert not wait.done()
    emitter.emit("user_joined", 3, "Ann")
    emitter.emit("user_joined", 4, "Bob")
    assert await wait == (3, "Ann")


@pytest.mark.virtual_clock
async def test_a_wait_can_be_for_some_events() -> None:
    """Those of which the predicate says yes, by the arguments that it takes."""
    emitter, _ = make()
    wait = asyncio.create_task(emitter.wait_for("user_joined", lambda uid: uid > 5))
    await asyncio.sleep(0)
    for uid in (1, 5, 7, 9):
        emitter.emit("user_joined", uid, "somebody")
    assert await wait == (7, "somebody")


@pytest.mark.virtual_clock
async def test_many_can_wait() -> None:
    """All of them are told of the same event."""
    emitter, _ = make()
    async with asyncio.TaskGroup() as tasks:
        waits = [tasks.create_task(emitter.wait_for("user_left")) for _ in range(10)]
        await asyncio.sleep(0)
        emitter.emit("user_left", 1)
    assert [wait.result() for wait in waits] == [(1,)] * 10


@pytest.mark.virtual_clock
async def test_a_wait_can_have_a_limit() -> None:
    """After which it raises, and leaves nothing behind."""
    emitter, _ = make()
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        await emitter.wait_for("user_left", timeout=2.5)
    assert loop.time() == pytest.approx(2.5)
    emitter.emit("user_left", 1)


@pytest.mark.virtual_clock
async def test_a_wait_can_be_cancelled() -> None:
    """The others go on, also when it is cancelled as its event comes."""
    emitter, _ = make()
    first, second, third = (asyncio.create_task(emitter.wait_for("user_left")) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    emitter.emit("user_left", 1)
    second.cancel()
    assert await third == (1,)
    assert first.cancelled()
    await asyncio.wait([second])


@pytest.mark.virtual_clock
@pytest.mark.parametrize("error", [ValueError("no"), StopIteration()])
async def test_an_error_of_a_predicate_ends_its_wait_alone(error: Exception) -> None:
    """Who made it gets it; callbacks and other waits do not."""

    def broken(uid: int) -> bool:
        raise error

    emitter, calls = make()
    emitter.on("user_left", note)
    wait = asyncio.create_task(emitter.wait_for("user_left", broken))
    good = asyncio.create_task(emitter.wait_for("user_left"))
    await asyncio.sleep(0)
    emitter.emit("user_left", 1)
    assert calls == [(note, (1,))]
    assert await good == (1,)
    with pytest.raises((ValueError, RuntimeError)):
        await wait


@pytest.mark.virtual_clock
async def test_waits_can_be_ended() -> None:
    """For what will not come any more; a wait that has its event keeps it."""
    emitter, _ = make()
    done, lost, cancelled = (
        asyncio.create_task(emitter.wait_for(event))
        for event in ("user_joined", "user_left", "user_left")
    )
    await asyncio.sleep(0)
    emitter.emit("user_joined", 1)
    emitter.end_waits(ConnectionError("the channel is closed"))
    cancelled.cancel()
    assert await done == (1,)
    with pytest.raises(ConnectionError):
        await lost
    await asyncio.wait([cancelled])
    later = asyncio.create_task(emitter.wait_for("user_left"))
    await asyncio.sleep(0)
    emitter.emit("user_left", 2)
    assert await later == (2,)


@every_sync_failure
async def test_a_predicate_may_raise_anything(failure: Failure) -> None:
    """It ends its own wait, and no other."""
    emitter = Emitter(["message"], lambda callback, args: None)
    waits = [
        asyncio.create_task(emitter.wait_for("message", predicate))
        for predicate in (failure.function, None)
    ]
    await asyncio.sleep(0)
    emitter.emit("message", 1)
    with pytest.raises(failure.error):
        await waits[0]
    assert await waits[1] == (1,)
