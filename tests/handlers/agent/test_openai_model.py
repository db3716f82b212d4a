"""`OpenAIModel` against a server that speaks as OpenAI's does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fastrtc_core import ConfigurationError
from fastrtc_core.testing import connect
from fastrtc_handlers.agent import AgentLimits, OpenAIModel

from ...webrtc.support import serving
from .openai_service import Completions
from .support import agent_of, make, said, turns, until, write


@asynccontextmanager
async def model_of(service: Completions, **options: object) -> AsyncIterator[OpenAIModel]:
    async with serving(service.app) as url:
        model = OpenAIModel("small", base_url=f"{url}/v1", api_key="sk-secret", **options)
        try:
            yield model
        finally:
            await model.aclose()


def weather(city: str, day: str = "today") -> str:
    """What the weather is like.

    Args:
        city: Where.
        day: When.
    """
    return f"{day} it is sunny in {city}"


async def test_tokens_are_in_the_record() -> None:
    """Counted once, by a service too that tells with each chunk how many there were so far."""
    options = {"include_usage": True}
    async with model_of(Completions("One two."), stream_options=options) as model:
        async with connect(make(model)) as peer:
            write(peer, "Count.")
            await turns(peer, 1)
            assert said(peer)[-1] == ("assistant", "One two.")
            assert agent_of(peer).records[0].tokens == {"input": 0, "output": 4}


async def test_it_answers_and_calls_tools() -> None:
    """As the documented events of the API say; the arguments come piece by piece."""
    service = Completions(
        ["Let me see.", {"weather": {"city": "Århus", "day": "tomorrow"}}], "It will be sunny."
    )
    async with model_of(service, temperature=0.2) as model:
        async with connect(make(model, weather)) as peer:
            write(peer, "Weather?")
            await turns(peer, 1)
            assert said(peer) == [
                ("user", "Weather?"),
                ("assistant", "Let me see."),
                ("assistant", "It will be sunny."),
            ]
            history = agent_of(peer).history
            assert history[2]["content"] == "tomorrow it is sunny in Århus"
    first, second = service.requests
    assert first["model"] == "small"
    assert first["temperature"] == 0.2
    assert first["stream"] is True
    assert first["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
    ]
    (function,) = first["tools"]
    assert function["function"]["name"] == "weather"
    assert second["messages"][2]["tool_calls"][0]["id"] == "call_0"
    assert second["messages"][3]["tool_call_id"] == "call_0"
    assert service.keys[0] == "Bearer sk-secret"
    assert not peer.of_type("error")


async def test_the_stream_is_closed_with_its_turn() -> None:
    """The service sees that nobody reads on, so that it need not write on."""
    service = Completions(["One two.", *([0.1, "and"] * 100)])
    async with model_of(service) as model:
        async with connect(make(model)) as peer:
            write(peer, "Hi")
            await until(lambda: agent_of(peer).state == "speaking")
            peer.send({"command": "interrupt"})
            await until(lambda: service.aborted == 1)


@pytest.mark.parametrize("fault", [500, 429, [30.0, "Late."]])
async def test_the_next_model_is_asked(fault: object) -> None:
    service = Completions(fault, "Here I am.")
    async with model_of(service) as model:
        limits = AgentLimits(model=2)
        async with connect(make([model, model], limits=limits)) as peer:
            write(peer, "Hi")
            await turns(peer, 1)
            assert said(peer) == [("user", "Hi"), ("assistant", "Here I am.")]
    assert len(service.requests) == 2


async def test_a_service_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    """It says so, and the log tells which model that was."""
    model = OpenAIModel("small", base_url="http://127.0.0.1:9/v1")
    async with connect(make(model)) as peer:
        with caplog.at_level(logging.ERROR):
            write(peer, "Hi")
            await turns(peer, 1)
        assert len(peer.of_type("error")) == 1
        await model.aclose()
    assert "the model small failed: Connection error" in caplog.text


def test_without_key_and_address_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        OpenAIModel()
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        make("gpt-4.1")


async def test_closing_is_idempotent() -> None:
    model = OpenAIModel(base_url="http://127.0.0.1:9/v1")
    await model.aclose()
    await asyncio.gather(model.aclose(), model.aclose())
