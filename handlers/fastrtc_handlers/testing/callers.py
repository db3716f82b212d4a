"""Callers that know what to do: step by step, or as a function or a language model says."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..agent import Model
from ..agent.models import Models
from .call import PATIENCE, Call

HANG_UP = "[hang up]"
"""What a simulated caller writes when it is done."""


class Step(ABC):
    """Something that a caller does; subclass it for steps of your own."""

    @abstractmethod
    async def do(self, call: Call) -> Any:
        """Do it, and wait until it is done."""


@dataclass(frozen=True)
class Say(Step):
    """Say something, and listen to the answer to its end unless told otherwise."""

    text: str
    listen: bool = True

    async def do(self, call: Call) -> Any:
        """Say it."""
        await call.say(self.text)
        if self.listen:
            await call.reply()


@dataclass(frozen=True)
class Type(Step):
    """Write something, and listen to the answer to its end unless told otherwise."""

    text: str
    listen: bool = True

    async def do(self, call: Call) -> Any:
        """Write it."""
        await call.type(self.text)
        if self.listen:
            await call.reply()


@dataclass(frozen=True)
class Interrupt(Step):
    """Say something when the answer was heard for `after` s, and listen to the next answer."""

    text: str
    after: float = 0.5
    listen: bool = True

    async def do(self, call: Call) -> Any:
        """Interrupt."""
        await call.interrupt(self.text, self.after)
        if self.listen:
            await call.reply()


@dataclass(frozen=True)
class Backchannel(Step):
    """Say "mhm" when the answer was heard for `after` s, and listen to the rest of it."""

    text: str = "mhm"
    after: float = 0.5

    async def do(self, call: Call) -> Any:
        """Say it."""
        await call.backchannel(self.text, self.after)
        await call.reply()


@dataclass(frozen=True)
class Wait(Step):
    """Be silent for so many s."""

    seconds: float

    async def do(self, call: Call) -> Any:
        """Wait."""
        await call.wait(self.seconds)


@dataclass(frozen=True)
class Reply(Step):
    """Listen to the answer, or to the greeting, to its end."""

    timeout: float = PATIENCE

    async def do(self, call: Call) -> Any:
        """Listen."""
        await call.reply(self.timeout)


@dataclass(frozen=True)
class Press(Step):
    """Press a key of a telephone."""

    key: str

    async def do(self, call: Call) -> Any:
        """Press it."""
        await call.press(self.key)


@dataclass(frozen=True)
class PushToTalk(Step):
    """Say something while the key of push-to-talk is held, and listen to the answer."""

    text: str

    async def do(self, call: Call) -> Any:
        """Say it."""
        await call.push_to_talk(self.text)
        await call.reply()


@dataclass(frozen=True)
class HangUp(Step):
    """Hang up, in the middle of the answer or when nothing is said."""

    after: float = 0.0

    async def do(self, call: Call) -> Any:
        """Hang up."""
        await call.wait(self.after)
        await call.hang_up()


@dataclass(frozen=True)
class _LastWords(Step):
    """Say something, listen to the answer, and hang up."""

    text: str

    async def do(self, call: Call) -> Any:
        await Say(self.text).do(call)
        await call.hang_up()


Caller = Callable[[list[dict[str, str]]], str | Step | Awaitable[str | Step | None] | None]
"""What a simulated caller is: it is given the conversation, in which the caller is `user` and the
agent `assistant`, and returns what it says or does next; `None` when it is done."""


async def follow(call: Call, steps: Iterable[Step]) -> None:
    """Do one step after the other, until the call ends."""
    for step in steps:
        if call.ended:
            return
        await step.do(call)


async def talk(call: Call, caller: Caller, max_turns: int = 10) -> None:
    """Let a simulated caller talk, until it is done, or the agent hangs up, or after so many turns.

    Args:
        call: The call.
        caller: See `Caller`.
        max_turns: How often it is asked at most.
    """
    for _ in range(max_turns):
        step = None if call.ended else caller(call.conversation)
        if inspect.isawaitable(step):
            step = await step
        if call.ended or not step:
            return
        await (Say(step) if isinstance(step, str) else step).do(call)


def persona(instructions: str, model: Model | str, *, patience: float = 30.0) -> Caller:
    """A caller who is played by a language model.

    Args:
        instructions: Who it is and what it wants: "You are in a hurry, and want a table for two."
        model: As that of a `VoiceAgent`.
        patience: How long in s the model may be silent.
    """
    models = Models(model)
    told = (
        "You play a person who talks to an assistant over the telephone. "
        f"{instructions} Say only what this person says, one or two short sentences at a time. "
        f"When you have got what you want, or it cannot be had, write {HANG_UP}."
    )
    flipped = {"user": "assistant", "assistant": "user"}

    async def caller(conversation: list[dict[str, str]]) -> str | Step | None:
        messages: list[dict[str, Any]] = [{"role": "system", "content": told}]
        messages += [
            {"role": flipped[each["role"]], "content": each["content"]} for each in conversation
        ]
        pieces = models.ask(messages, [], patience=patience)
        text = "".join([piece async for piece in pieces if isinstance(piece, str)])
        said, done, _ = text.partition(HANG_UP)
        if not (words := said.strip()):
            return None
        return _LastWords(words) if done else words

    return caller
