"""The agents of the documentation, as they stand there, against a real server."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from fastrtc_core.client import Client

from ...webrtc.support import serving
from .openai_service import Completions
from .support import until

ROOT = Path(__file__).parents[3]
ASIDE = ROOT / ".venv-agents/bin/python"
"""Where `scripts/test --soak` installs what cannot be beside all else."""
IS_ASIDE = ASIDE.exists()
PAGE = (ROOT / "docs/agents.md").read_text("utf-8")
WHOLE = PAGE.partition("## A whole agent")[2]
FRAMEWORKS = dict(re.findall(r"\n(\w[\w ]+):\n\n```py\n(.*?)```", WHOLE, re.DOTALL))


def first_block() -> str:
    found = re.search(r"```python\n(.*?)```", WHOLE, re.DOTALL)
    assert found is not None
    return found[1]


def test_an_agent_with_a_tool_and_a_memory_takes_fifteen_lines() -> None:
    assert len([line for line in first_block().splitlines() if line.strip()]) <= 15


async def test_the_whole_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It calls its tool, and remembers the user in the next session; nobody else is remembered."""
    monkeypatch.chdir(tmp_path)
    service = Completions({"weather": {"city": "Rome"}}, "It is sunny.", "As I said.", "Hello.")
    async with serving(service.app) as url:
        namespace: dict[str, Any] = {"__name__": "documented"}
        exec(first_block().replace("http://localhost:11434", url), namespace)
        app = namespace["app"]
        async with serving(app) as agent_url:
            for user, kept in (("Bo", 4), ("Bo", 6), ("Al", 2)):
                await _ask(agent_url, user, "Weather in Rome?")
                await until(lambda kept=kept: kept in _kept(tmp_path / "memory"))  # type: ignore[misc]
        await namespace["agent"].models._models[0].aclose()
    counts = [len(request["messages"]) for request in service.requests]
    assert counts == [2, 4, 6, 2]
    assert service.requests[1]["messages"][-1]["content"] == "It is sunny in Rome."


def _kept(folder: Path) -> list[int]:
    """How many messages are kept of each user."""
    return [len(json.loads(file.read_text("utf-8"))) for file in folder.glob("*.json")]


async def _ask(url: str, user: str, text: str) -> None:
    """Type something, over a real peer, and wait for the end of the answer."""
    async with Client(url, headers={"x-user": user}) as client:
        await client.send({"command": "text", "text": text})
        async for message in client.messages():
            assert message.type != "error", message.data
            if message.type == "turn_record":
                return


CONVERSATION = """
import asyncio, json, sys
from fastrtc_core.testing import connect

async def main():
    namespace = {"__name__": "documented"}
    exec(sys.stdin.read(), namespace)
    async with asyncio.timeout(60), connect(namespace["agent"]) as peer:
        handler = peer.session.handler
        for number, text in enumerate(["Weather in Rome?", "Thank you."], 1):
            peer.send({"command": "text", "text": text})
            while len(handler.history) < 2 * number:
                await asyncio.sleep(0.05)
        print(json.dumps([handler.history, peer.of_type("error")]))

asyncio.run(main())
"""


@pytest.mark.soak
@pytest.mark.real_time
@pytest.mark.parametrize("name", FRAMEWORKS)
async def test_an_agent_of_another_framework(name: str) -> None:
    """It calls its own tool, and is heard; in a process of its own, as it leaves sockets open."""
    needs = {"PydanticAI": "pydantic_ai", "LangGraph": "langgraph", "OpenAI Agents": "agents"}
    assert set(FRAMEWORKS) == set(needs)
    is_here = importlib.util.find_spec(needs[name]) is not None
    if not is_here and not IS_ASIDE:
        pytest.skip(f"{needs[name]} is not installed")
    python = sys.executable if is_here else ASIDE
    service = Completions({"weather": {"city": "Rome"}}, "It is sunny.", "You are welcome.")
    async with serving(service.app) as url:
        environment = {
            **os.environ,
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_API_KEY": "sk-secret",
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
        }
        talking = await asyncio.create_subprocess_exec(
            python, "-c", CONVERSATION, env=environment, stdin=PIPE, stdout=PIPE
        )
        told, _ = await talking.communicate(FRAMEWORKS[name].encode())
    history, errors = json.loads(told)
    assert [message["content"] for message in history] == [
        "Weather in Rome?",
        "It is sunny.",
        "Thank you.",
        "You are welcome.",
    ]
    assert errors == []
    assert [m["role"] for m in service.requests[2]["messages"]][-3:] == [
        "user",
        "assistant",
        "user",
    ]
