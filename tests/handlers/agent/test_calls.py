"""Whole calls by chance: whatever callers, models, tools and lines do, what must hold holds.

A call that fails is told by its seed and by the shortest call that fails in the same way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from fastrtc_handlers import TurnOptions, VoiceAgent
from fastrtc_handlers.agent import AgentLimits, ToolCall, tool
from fastrtc_handlers.testing import (
    Call,
    Report,
    StandInSTT,
    StandInVAD,
    StandInVoice,
    ToneSpeech,
    draw_call,
    run_calls,
)

LINES = (
    "A table for two, please.",
    "Book it, slowly.",
    "What do you have?",
    "Tell me everything about the house.",
    "Do two things at once.",
    "Keep it for later.",
    "Something you do not know.",
    "Say nothing.",
)

WORDS = ("we", "have", "a", "quiet", "table", "near", "the", "window", "over", "river", "bridge")

SORRY = "Sorry."


async def find_table() -> str:
    return "one is free at eight"


@tool(filler="One moment.", filler_after=0.5)
async def book() -> str:
    await asyncio.sleep(2)
    return "it is booked"


@tool(timeout=2)
async def look_up() -> str:
    await asyncio.sleep(0.1)
    return "it is known"


@tool(on_interrupt="keep")
async def keep() -> str:
    await asyncio.sleep(3)
    return "done in the end"


WANTED = {
    "table": ("find_table",),
    "Book": ("book",),
    "once.": ("find_table", "look_up"),
    "Keep": ("keep",),
    "know.": ("unknown",),
}


async def model(messages: list[dict[str, Any]], tools: list[Any]) -> AsyncIterator[Any]:
    """Answers the same to the same."""
    check_history(messages[1:])
    latest = messages[-1]
    random = Random(json.dumps(latest))
    await asyncio.sleep(random.choice([0.0, 0.1, 0.3]))
    if latest["role"] == "user" and "nothing." in latest["content"].split():
        return
    for _ in range(random.randint(1, 2)):
        for _ in range(random.randint(1, 6)):
            yield f" {random.choice(WORDS)}"
            await asyncio.sleep(random.choice([0.0, 0.0, 0.05]))
        yield ". "
    if latest["role"] == "user" and tools:
        for word in latest["content"].split():
            for name in WANTED.get(word, ()):
                yield ToolCall(name)


async def spare(messages: list[dict[str, Any]]) -> AsyncIterator[str]:
    """Answers when the first one does not."""
    check_history(messages[1:])
    yield "I am the other one."


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


def restaurant(drafts: bool) -> VoiceAgent:
    speech = ToneSpeech()
    return VoiceAgent(
        "Be brief.",
        model=[model, spare],
        tools=[find_table, book, look_up, keep],
        stt=StandInSTT(speech),
        tts=StandInVoice(speech),
        vad=StandInVAD(),
        greeting="Hello.",
        algo_options=TurnOptions(silence=0.4, draft_after=0.2 if drafts else None),
        limits=AgentLimits(model=3, rounds=3, sorry=SORRY),
        input_sample_rate=16000,
    )


def check(call: Call) -> None:
    """What holds after any call."""
    agent = call.agent
    assert isinstance(agent, VoiceAgent)
    assert agent.state == "listening"
    check_history(agent.history)
    # What the history says was said was heard; the greeting comes first of all.
    kept = " ".join(m["content"] for m in agent.history if m["role"] == "assistant").split()
    heard = " ".join(spoken.playback.text for spoken in call.spoken).split()
    rest = iter(heard)
    assert all(word in rest for word in kept), (kept, heard)
    for spoken in call.spoken:
        assert spoken.wrong <= 2, spoken


def run(seeds: range) -> Report:
    """Every other call is to an agent that drafts its answers."""
    tools = ["find_table", "book", "look_up", "keep"]
    report = Report()
    for drafts in (False, True):
        drawn = [draw_call(seed, LINES, tools=tools, greeting=True) for seed in seeds[drafts::2]]
        part = run_calls(restaurant(drafts), drawn, check)
        report.calls += part.calls
        report.cpu_seconds += part.cpu_seconds
    report.raise_failures()
    return report


def test_some_calls() -> None:
    run(range(6))


@pytest.mark.soak
def test_two_hundred_calls(record_property: Any) -> None:
    """Words of the ledger that were not heard, or missing; and how fast it is."""
    report = run(range(1000, 1200))
    told = report.as_dict()
    print(report)
    record_property("figures", {name: told[name] for name in told if name != "calls"})
    assert told["interruptions"] > 50
    assert told["wrong_words"]["p95"] <= 1
    assert report.speed >= 50
