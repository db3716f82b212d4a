"""Additional inputs that change during a session: they are asked for anew before each turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fastrtc_core import AdditionalOutputs, AudioFrame, Stream
from fastrtc_core.sources import ToneSource
from fastrtc_core.testing import InProcessPeer, connect

from .test_reply_on_pause import REPLY, agent, take_turn

virtual = pytest.mark.virtual_clock


async def answer(peer: InProcessPeer, history: list[Any], delay: float = 0.1) -> None:
    """Answer every question after so many s, with one message more each time."""
    answered = 0
    while True:
        await asyncio.sleep(0.01)
        if len(peer.of_type("send_input")) > answered:
            answered += 1
            await asyncio.sleep(delay)
            history.append(f"turn {answered}")
            peer.send([list(history)], "send_input")


def with_required(audio: AudioFrame, history: list[str]) -> AdditionalOutputs:
    return AdditionalOutputs(history)


def with_default(audio: AudioFrame, history: Any = None) -> AdditionalOutputs:
    return AdditionalOutputs(history)


async def with_any(audio: AudioFrame, *inputs: Any) -> AdditionalOutputs:
    return AdditionalOutputs(*inputs)


def generator(audio: AudioFrame, history: Any = None) -> Iterator[AdditionalOutputs]:
    yield AdditionalOutputs(history)


async def async_generator(audio: AudioFrame, history: Any = None) -> AsyncIterator[Any]:
    yield AdditionalOutputs(history)


@virtual
@pytest.mark.parametrize("fn", [with_required, with_default, with_any, generator, async_generator])
@pytest.mark.parametrize("args", [None, [["from the offer"]]])
async def test_each_turn_gets_the_inputs_of_its_moment(fn: Any, args: Any) -> None:
    """Whatever kind of function it is, defaults included, and whatever came with the offer."""
    got: list[Any] = []
    async with connect(agent(fn), args=args) as peer:
        answering = asyncio.create_task(answer(peer, []))
        for _ in range(3):
            await take_turn(peer)
            assert peer.session.outputs.latest is not None
            got.append(peer.session.outputs.latest.args[0])
        answering.cancel()
        assert len(peer.of_type("send_input")) == 3
    turns = ["turn 1", "turn 2", "turn 3"]
    assert got == [turns[:1], turns[:2], turns]


@virtual
async def test_who_takes_no_inputs_asks_for_none() -> None:
    """And waits for nothing: the reply begins as soon as the turn is over."""

    def reply(audio: AudioFrame, *, text: str = "") -> AudioFrame:
        return REPLY

    async with connect(agent(reply), args=["unused"]) as peer:
        start = asyncio.get_running_loop().time()
        await take_turn(peer)
        assert peer.of_type("send_input") == []
        assert peer.heard[0][0] - start == pytest.approx(1.5, abs=0.03)


@virtual
async def test_a_client_that_does_not_answer_costs_one_wait() -> None:
    """The last known inputs serve after a second. Then it is asked and not waited for, until it has
    sent inputs again."""
    begun: list[Any] = []
    start = 0.0

    async def reply(audio: AudioFrame, name: str = "nobody") -> None:
        begun.append((asyncio.get_running_loop().time() - start, name))

    async with connect(agent(reply), args=["Ada"]) as peer:
        for _ in range(4):
            start = asyncio.get_running_loop().time()
            if len(begun) == 2:
                peer.send(["Grace"], "send_input")
            await take_turn(peer, 2.0)
        assert len(peer.of_type("send_input")) == 4
    late, soon = pytest.approx(2.5, abs=0.03), pytest.approx(1.5, abs=0.03)
    assert begun == [(late, "Ada"), (soon, "Ada"), (late, "Grace"), (soon, "Grace")]


@virtual
async def test_a_turn_that_is_interrupted_while_it_asks_leaves_nothing_behind() -> None:
    """The inputs that were known are known afterwards."""
    async with connect(agent(with_default), args=["known"]) as peer:
        await take_turn(peer, 0.7)
        assert peer.of_type("send_input") == [[]]
        peer.session.handler.interrupt()
        await asyncio.sleep(0.01)
        assert peer.session.handler.args_set.is_set()
        assert peer.session.handler.args == ("known",)


@virtual
async def test_a_greeting_gets_the_inputs_that_it_accepts() -> None:
    """Where none came with the offer, the client is asked, defaults included."""

    def greet(name: str = "nobody") -> AdditionalOutputs:
        return AdditionalOutputs(name)

    async with connect(agent(with_default, startup_fn=greet)) as peer:
        await asyncio.sleep(0.1)
        peer.send(["Ada"], "send_input")
        await asyncio.sleep(0.1)
        assert peer.session.outputs.latest is not None
        assert peer.session.outputs.latest.args == ("Ada",)


def test_a_source_is_not_asked() -> None:
    """It has nobody who could answer: no wait, not even of its own time."""
    got: list[Any] = []

    def reply(audio: AudioFrame, name: str = "nobody") -> AdditionalOutputs:
        return AdditionalOutputs(name)

    stream = Stream(agent(reply))
    source = ToneSource([1000], sample_rate=16000, duration=0.5, real_time=False)
    stream.run_source(source, args=["Ada"], on_output=got.append, tail=0.8)
    assert got == ["Ada"]
