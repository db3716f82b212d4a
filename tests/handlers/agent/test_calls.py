"""Whole calls at random: whatever users, models and tools do, what holds after each call holds.

A call that fails is told by its seed: `run_call(seed)` is the same call again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from fastrtc_core.testing import InProcessPeer, connect
from fastrtc_handlers import TurnOptions
from fastrtc_handlers.agent import AgentLimits, ToolCall, tool

from .support import WORD, agent_of, make, speak, until, write

IDLE = 5
"""Tasks of a session of an agent in which nothing happens."""

ACTIONS = ("type", "speak", "speak", "mumble", "interrupt", "key", "respond")


class RandomModel:
    """Writes, pauses, calls tools, falls silent and fails, each now and then."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.written: list[str] = []
        self.open = 0
        self.failures = 0

    async def __call__(
        self, messages: list[dict[str, Any]], tools: list[Any]
    ) -> AsyncIterator[Any]:
        check_history(messages[1:])
        self.open += 1
        number = len(self.written)
        self.written.append("")
        try:
            await asyncio.sleep(self.random.choice([0.0, 0.1, 0.5]))
            await self._fail_now_and_then()
            for sentence in range(self.random.integers(0, 4)):
                for word in range(self.random.integers(1, 8)):
                    piece = f"a{number}s{sentence}w{word} "
                    self.written[number] += piece
                    yield piece
                    await asyncio.sleep(self.random.choice([0.0, 0.0, 0.05]))
                self.written[number] += ". "
                yield ". "
                await self._fail_now_and_then()
            if tools and self.random.random() < 0.4:
                for _ in range(self.random.integers(1, 3)):
                    names = ["quick", "slow", "fail", "hang", "kept", "unknown"]
                    yield ToolCall(str(self.random.choice(names)))
        finally:
            self.open -= 1

    async def _fail_now_and_then(self) -> None:
        chance = self.random.random()
        if chance < 0.05:
            self.failures += 1
            raise ConnectionError("the provider is down")
        if chance < 0.08:
            self.failures += 1
            await asyncio.sleep(60)


async def quick() -> str:
    return "quickly done"


@tool(filler="One moment.", filler_after=0.5)
async def slow() -> str:
    await asyncio.sleep(3)
    return "slowly done"


async def fail() -> None:
    raise ValueError("no such thing")


@tool(timeout=4)
async def hang() -> None:
    await asyncio.Event().wait()


@tool(on_interrupt="keep")
async def kept() -> str:
    await asyncio.sleep(6)
    return "done in the end"


def check_history(messages: list[dict[str, Any]]) -> None:
    """It is one that the API takes: each call has its result behind it, and nobody says nothing."""
    wanted: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] == wanted.pop(0)
            assert message["content"]
            continue
        assert wanted == []
        wanted = [call["id"] for call in message.get("tool_calls", ())]
        assert message["content"] or wanted
    assert wanted == []


async def act(peer: InProcessPeer, random: np.random.Generator, number: int) -> None:
    """The user does something."""
    action = random.choice(ACTIONS)
    if action == "type":
        write(peer, f"typed{number}")
    elif action == "speak":
        await speak(peer, random.uniform(0.9, 1.6), random.choice([0.3, 0.7]))
    elif action == "mumble":
        await speak(peer, 0.2, 0.3)
    elif action == "key":
        peer.send({"command": "push_to_talk", "on": True})
        await speak(peer, random.uniform(0.3, 1.0))
        peer.send({"command": "push_to_talk", "on": False})
    else:
        peer.send({"command": str(action)})
    await asyncio.sleep(random.choice([0.0, 0.1, 0.5, 2.0, 5.0]))


async def run_call(seed: int) -> None:
    """One call, and what must hold after it."""
    random = np.random.default_rng(seed)
    model = RandomModel(random)
    options = TurnOptions(silence=0.5, draft_after=0.2 if seed % 2 else None)
    limits = AgentLimits(model=5, rounds=3, sorry="Sorry.")
    agent = make(
        model, quick, slow, fail, hang, kept, algo_options=options, limits=limits, greeting="Hello."
    )
    async with connect(agent) as peer:
        await asyncio.sleep(random.choice([0.0, 1.0]))
        for number in range(random.integers(3, 9)):
            await act(peer, random, number)
        await speak(peer, 0.0, 2.0)
        await until(lambda: _is_over(peer, model), 120)
        handler = agent_of(peer)
        assert handler.state == "listening"
        check_history(handler.history)
        assert len(peer.of_type("error")) <= model.failures
        _check_that_it_was_heard(peer, model)


def _is_over(peer: InProcessPeer, model: RandomModel) -> bool:
    handler = agent_of(peer)
    quiet = handler.state == "listening" and not model.open
    return quiet and peer.session.snapshot().tasks == IDLE and not peer.session.link.speech


def _check_that_it_was_heard(peer: InProcessPeer, model: RandomModel) -> None:
    """Each answer is the beginning of what a model wrote; together no more than was sent."""
    texts = [m["content"] for m in agent_of(peer).history if m["role"] == "assistant"]
    written = ["".join(text.split()) for text in (*model.written, "Hello.")]
    for text in texts:
        assert any(each.startswith("".join(text.split())) for each in written), text
    words = sum(len(text.replace(".", "").split()) for text in texts)
    sounds = sum(bool(np.abs(frame.data).max() > 1000) for _, frame in peer.heard) * 0.02
    cut = sum(message.type == "interrupted" for message in peer.messages)
    assert words <= sounds / WORD + 0.5 * cut + 0.5


@pytest.mark.parametrize("seed", range(3))
async def test_a_call(seed: int) -> None:
    await run_call(seed)


@pytest.mark.soak
async def test_many_calls() -> None:
    """A call that fails is named by its seed."""
    for seed in range(100, 140):
        try:
            await run_call(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
