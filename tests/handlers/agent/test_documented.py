"""The agents of the documentation, as they stand there, against a real server."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from fastrtc_core.client import Client
from fastrtc_core.testing import connect
from fastrtc_handlers import VoiceAgent

from ...webrtc.support import serving
from .openai_service import Completions
from .support import until, write

PAGE = (Path(__file__).parents[3] / "docs/agents.md").read_text("utf-8")
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
            for user in ("Bo", "Bo", "Al"):
                await _ask(agent_url, user, "Weather in Rome?")
        await namespace["agent"].models._models[0].aclose()
    counts = [len(request["messages"]) for request in service.requests]
    assert counts == [2, 4, 6, 2]
    assert service.requests[1]["messages"][-1]["content"] == "It is sunny in Rome."


async def _ask(url: str, user: str, text: str) -> None:
    """Type something, over a real peer, and wait for the end of the answer."""
    async with Client(url, headers={"x-user": user}) as client:
        await client.send({"command": "text", "text": text})
        async for message in client.messages():
            assert message.type != "error", message.data
            if message.type == "log" and message.data == "turn":
                return


@pytest.mark.soak
@pytest.mark.real_time
@pytest.mark.parametrize("name", FRAMEWORKS)
async def test_an_agent_of_another_framework(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It calls its own tool, and its words are heard."""
    needs = {"PydanticAI": "pydantic_ai", "LangGraph": "langgraph", "OpenAI Agents": "agents"}
    if importlib.util.find_spec(needs[name]) is None:
        pytest.skip(f"{needs[name]} is not installed")
    service = Completions({"weather": {"city": "Rome"}}, "It is sunny.", "You are welcome.")
    async with serving(service.app) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
        namespace: dict[str, Any] = {"__name__": "documented"}
        exec(FRAMEWORKS[name], namespace)
        agent = namespace["agent"]
        assert isinstance(agent, VoiceAgent)
        async with connect(agent) as peer:
            handler: Any = peer.session.handler
            write(peer, "Weather in Rome?")
            await until(lambda: len(handler.history) == 2)
            write(peer, "Thank you.")
            await until(lambda: len(handler.history) == 4)
            assert [message["content"] for message in handler.history] == [
                "Weather in Rome?",
                "It is sunny.",
                "Thank you.",
                "You are welcome.",
            ]
            assert not peer.of_type("error")
    assert [m["role"] for m in service.requests[2]["messages"]][-3:] == [
        "user",
        "assistant",
        "user",
    ]
    assert set(FRAMEWORKS) == set(needs)
