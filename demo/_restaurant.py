"""A restaurant: a stand-in of a language model that answers its telephone, and its tools."""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

from fastrtc_core import CloseStream, get_current_context
from fastrtc_handlers.agent import Tool, ToolCall, ToolError, tool

GRAMMAR = """#JSGF V1.0;
grammar calls;
public <call> = [please] book a table for <day>
  | have i booked a table
  | when do you open
  | tell me about the food
  | goodbye;
<day> = tonight | tomorrow | saturday | sunday | monday;
"""

FOOD = (
    "Very well. We begin with soup, or with a salad. After that there is fish from the harbour, "
    "lamb from the hills, or a pie of mushrooms for those who eat neither. And there are nine "
    "cakes. One has apples, one has plums, one has nuts, and six of them have chocolate."
)

booked: dict[str, str] = {}
"""For which day, by the number of the caller."""


def model(messages: list[dict[str, Any]]) -> Iterator[str | ToolCall]:
    """Answer the latest message, as a language model would; it is a function like any other."""
    latest = messages[-1]
    if latest["role"] == "tool":
        yield latest["content"].removeprefix("Error: ")
        return
    words = re.findall(r"[a-z']+", latest["content"].lower())
    if "book" in words:
        yield ToolCall("book", {"day": words[-1]})
    elif "booked" in words:
        yield ToolCall("look_up")
    elif "open" in words:
        yield "We are open from six to midnight."
    elif "food" in words:
        yield FOOD
    elif "goodbye" in words:
        yield "Thank you for calling. Goodbye."
        yield ToolCall("hang_up")
    else:
        yield "I did not understand that. You can say: book a table for tonight."


@tool(filler="One moment, please.", filler_after=0.5, on_interrupt="keep")
async def book(day: str) -> str:
    """Book a table. It takes a while, and goes on while the caller speaks."""
    if day == "monday":
        raise ToolError("We are closed on mondays.")
    await asyncio.sleep(3)
    booked[caller()] = day
    return f"Your table for {day} is booked."


def look_up() -> str:
    """Whether the caller has booked a table."""
    day = booked.get(caller())
    return f"You have a table for {day}." if day else "You have no table yet."


def hang_up() -> CloseStream:
    """End the call, after saying goodbye."""
    return CloseStream()


def caller() -> str:
    """The number of whoever calls."""
    return str(get_current_context().params.get("From", ""))


TOOLS: list[Callable[..., Any] | Tool] = [book, look_up, hang_up]
