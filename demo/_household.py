"""A household: a stand-in of a language model that knows a few commands, and its tools."""

import asyncio
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from _commands import JOKES, LONG

from fastrtc_handlers.agent import Tool, ToolCall, tool


def model(messages: list[dict[str, Any]]) -> Iterator[str | ToolCall]:
    """Answer the latest message, as a language model would; it is a function like any other."""
    latest = messages[-1]
    if latest["role"] == "tool":
        yield latest["content"]
        return
    words = re.findall(r"[a-z']+", latest["content"].lower())
    if words[:1] == ["turn"]:
        yield ToolCall("switch", {"device": words[-1], "on": words[1] == "on"})
    elif "time" in words:
        yield ToolCall("clock")
    elif "timer" in words:
        yield ToolCall("set_timer", {"minutes": words[words.index("minutes") - 1]})
    elif "weather" in words:
        yield ToolCall("weather")
    elif "joke" in words:
        yield random.choice(JOKES)
    elif "long" in words:
        yield LONG
    else:
        yield "I did not understand that. Ask me for the time, or tell me to turn on the light."


def switch(device: str, on: bool) -> str:
    """Turn a device on or off."""
    return f"The {device} is {'on' if on else 'off'}."


def clock() -> str:
    """What time it is."""
    return time.strftime("It is %H %M.")


def set_timer(minutes: str) -> str:
    """Set a timer for so many minutes."""
    return f"A timer for {minutes} minutes. It starts now."


@tool(filler="I am looking out of the window.", filler_after=0.5)
async def weather() -> str:
    """What the weather is like. It takes a while, as some tools do."""
    await asyncio.sleep(4)
    return "It sounds dry."


TOOLS: list[Callable[..., Any] | Tool] = [switch, clock, set_timer, weather]
