"""A restaurant that takes bookings, for the tests of the kit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastrtc_handlers import TurnOptions, VoiceAgent
from fastrtc_handlers.agent import AgentLimits, ToolCall, tool
from fastrtc_handlers.testing import StandInSTT, StandInVAD, StandInVoice, ToneSpeech

SILENCE = 0.5
"""After which the agent answers, in s."""

STORY = "Once upon a time there was a house with a garden that nobody had ever seen from inside."


@tool(timeout=3)
async def find_table(people: int) -> str:
    await asyncio.sleep(0.2)
    return f"for {people} at eight"


async def model(messages: list[dict[str, Any]]) -> AsyncIterator[Any]:
    latest = messages[-1]["content"]
    if messages[-1]["role"] == "tool":
        yield "I cannot look it up." if latest.startswith("Error") else f"There is one {latest}."
    elif "table" in latest:
        yield ToolCall("find_table", {"people": 2})
    elif "story" in latest:
        yield STORY
    else:
        yield "What can I do for you?"


async def spare(messages: list[dict[str, Any]]) -> str:
    return "My colleague is ill."


def restaurant(**options: Any) -> VoiceAgent:
    speech = ToneSpeech()
    options.setdefault("greeting", "Good evening.")
    options.setdefault("algo_options", TurnOptions(silence=SILENCE))
    return VoiceAgent(
        model=options.pop("model", model),
        tools=[find_table],
        stt=options.pop("stt", StandInSTT(speech)),
        tts=options.pop("tts", StandInVoice(speech)),
        vad=StandInVAD(),
        limits=AgentLimits(model=2, sorry="Sorry."),
        input_sample_rate=16000,
        **options,
    )
