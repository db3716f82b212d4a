"""What an agent remembers of a user from one session to the next."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fastrtc_core import ConfigurationError
from fastrtc_core.testing import connect
from fastrtc_handlers.agent import AgentLimits, FileMemory

from .support import Script, agent_of, make, said, turns, until, write


def who(context: Any) -> Any:
    return context.params.get("name")


@pytest.mark.parametrize("kind", ["file", "dict"])
async def test_a_user_is_remembered(kind: str, tmp_path: Path) -> None:
    """By name, with what was heard; others know nothing of it, and who has no name leaves none."""
    kept: dict[Any, Any] = {}
    memory = FileMemory(tmp_path / "kept") if kind == "file" else kept
    model = Script("Hello Bo.", "Nice to meet you.", "As I said.", "Who?", "Who?")
    agent = make(model, memory=memory, memory_key=who)
    for number, name in enumerate(("Bo", "Bo", "../Al", None, None)):
        async with connect(agent, params={"name": name} if name else {}) as peer:
            write(peer, f"I am {name}.")
            await turns(peer, 1)
            expected = [("user", "I am Bo."), ("assistant", "Hello Bo.")] if number == 1 else []
            assert said(peer)[:-2] == expected
    assert [len(asked) for asked in model.asked] == [2, 4, 2, 2, 2]
    if kind == "file":
        assert len(list((tmp_path / "kept").iterdir())) == 2
        assert [path.name for path in tmp_path.glob("*")] == ["kept"]  # noqa: ASYNC240
    else:
        assert set(kept) == {"Bo", "../Al"}


async def test_what_is_said_last_is_kept_too() -> None:
    """A session that ends in the midst of an answer keeps what was heard of it."""
    kept: dict[Any, Any] = {}
    agent = make(Script(["One two three four five six."]), memory=kept, memory_key=lambda _: 1)
    async with connect(agent) as peer:
        write(peer, "Count")
        await until(lambda: agent_of(peer).state == "speaking")
        await asyncio.sleep(0.55)
    assert kept[1][-1] == {"role": "assistant", "content": "One two three"}


async def test_a_memory_that_fails_or_hangs_keeps_nobody_from_talking() -> None:
    """It is reported."""

    class Broken:
        def load(self, user: Any) -> Any:
            raise RuntimeError("no disk")

        def save(self, user: Any, messages: Any) -> None:
            raise AssertionError("what was not loaded must not be overwritten")

    class Hanging(Broken):
        async def load(self, user: Any) -> Any:
            await asyncio.Event().wait()

    for memory in (Broken(), Hanging()):
        model = Script("Yes.")
        agent = make(model, memory=memory, memory_key=lambda _: 1, limits=AgentLimits(start=1))
        async with connect(agent) as peer:
            write(peer, "Hi")
            await turns(peer, 1)
            assert said(peer) == [("user", "Hi"), ("assistant", "Yes.")]
        assert len(peer.of_type("error")) == 1


def test_a_file_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="memory_key"):
        FileMemory(tmp_path).load(object())
