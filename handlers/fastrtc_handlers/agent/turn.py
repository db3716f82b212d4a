"""One turn of a `VoiceAgent`: the model is asked, its tools are called, until all was said.

Everything that a turn does happens in one task and its task group, and ends with it: when the user
interrupts, the model's stream is closed, and so are the tools that are not to be kept. What the
history keeps is settled at that very moment, before anything else can happen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, Literal, Protocol

from fastrtc_core import (
    AdditionalOutputs,
    CloseStream,
    LiveTurn,
    Playback,
    Speech,
    StreamHandlerBase,
)

from .draft import Draft
from .history import Exchange
from .limits import AgentLimits
from .models import Message, Models, ToolCall
from .tools import Tool, ToolError, failure_in_words, in_words

logger = logging.getLogger(__name__)

AHEAD = 256
"""Pieces of text that a model may be ahead of the voice; then it is held back."""

LOOK_AGAIN = 0.1
"""Time in s after which it is looked again whether anything is heard, while a filler waits."""

State = Literal["listening", "thinking", "tool", "speaking"]
"""What an agent does."""

CANCELLED = "Cancelled: the user spoke before it was done."
RUNNING = "Still running; the result is not known yet."


class Host(Protocol):
    """What a turn needs of its agent."""

    limits: AgentLimits

    @property
    def models(self) -> Models:
        """Who is asked."""

    @property
    def toolbox(self) -> Mapping[str, Tool]:
        """What they may call, by name."""

    @property
    def handler(self) -> StreamHandlerBase:
        """What tools may ask for."""

    async def prompt(self) -> list[Message]:
        """The instructions, and what was said before."""

    def show(self, state: State, tool: Tool | None = None) -> None:
        """Say what goes on."""

    def take(self, result: Any) -> str | None:
        """Obey what a tool returned; in words, if it was obeyed."""

    def keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run what outlives the turn."""

    def changed(self) -> None:
        """The history has changed after the turn."""


class Turn:
    """Answers once.

    Args:
        host: The agent.
        speech: What the answer is heard as.
        live: Times it.

    Attributes:
        exchange: What was said and done.
    """

    def __init__(self, host: Host, speech: Speech, live: LiveTurn) -> None:
        self.exchange = Exchange()
        self._host = host
        self._speech = speech
        self._live = live
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[Any] = asyncio.Queue(AHEAD)
        self._task: asyncio.Task[None] | None = None
        self._draft: Draft | None = None
        self._settled = False
        self._closing = False

    async def pieces(
        self, listen: Callable[[], Awaitable[str]], draft: Draft | None = None
    ) -> AsyncGenerator[Any]:
        """What is said, as it comes.

        Args:
            listen: Finds out what the user said; empty if that was nothing.
            draft: The beginning of the answer, if there is one.
        """
        self._draft = draft
        if self._settled:
            return
        self._task = self._host.keep(self._run(listen))
        try:
            while (piece := await self._pieces.get()) is not None:
                yield piece
        finally:
            self._task.cancel()

    def settle(self, playback: Playback) -> None:
        """It is over, and this was heard of it: nothing else stays in the history."""
        self._settled = True
        if playback.interrupted or playback.error is not None:
            self.exchange.cut(playback.text)
        else:
            self.exchange.finish()
        if self._task is not None:
            self._task.cancel()

    async def _run(self, listen: Callable[[], Awaitable[str]]) -> None:
        failure: Exception | None = None
        try:
            self._host.show("thinking")
            self._live.user = words = await listen()
            if words:
                self.exchange.messages.append({"role": "user", "content": words})
                await self._answer()
        except Exception as error:
            failure = error
            self._live.errors.append(f"{type(error).__name__}: {error}")
            if self._host.limits.sorry:
                await self._pieces.put(f"\n{self._host.limits.sorry}")
        await self._pieces.put(None)
        if failure is not None:
            raise failure  # it is reported once

    async def _answer(self) -> None:
        limits = self._host.limits
        for number in range(limits.rounds + 1):
            calls = await self._ask(with_tools=number < limits.rounds)
            if not calls:
                return
            await self._call(calls)
            if self._closing:
                return
            self._host.show("thinking")

    async def _ask(self, *, with_tools: bool) -> list[ToolCall]:
        """Have a model write on; returns the tools that it wants to be called."""
        host = self._host
        draft, self._draft = self._draft, None
        if draft is not None and draft.is_for(self._live.user):
            asked = draft.answers()
        else:
            if draft is not None:
                draft.discard()  # it was begun before all words were known
            messages = [*await host.prompt(), *(dict(each) for each in self.exchange.messages)]
            tools = [tool.schema for tool in host.toolbox.values()] if with_tools else []
            asked = host.models.ask(messages, tools, patience=host.limits.model)
        message: Message = {"role": "assistant", "content": ""}
        self.exchange.messages.append(message)
        self._live.rounds += 1
        calls: list[ToolCall] = []
        async with contextlib.aclosing(asked) as answers:
            async for answer in answers:
                if isinstance(answer, ToolCall):
                    calls.append(answer)
                    continue
                if self._speech.sounds and not message["content"]:
                    host.show("speaking")  # again, after a tool
                await self._say(answer, message)
        if not with_tools:
            return []  # it was asked to come to an end
        if calls:
            message["tool_calls"] = [_described(call) for call in calls]
        return calls

    async def _say(self, piece: Any, message: Message | None = None) -> None:
        self._closing = self._closing or isinstance(piece, CloseStream)
        await self._pieces.put(piece)
        if isinstance(piece, str):
            self.exchange.write(message, piece)

    # Tools

    async def _call(self, calls: list[ToolCall]) -> None:
        """Call them side by side; each has its result in the history, whatever happens."""
        results: list[Message] = [
            {"role": "tool", "tool_call_id": call.id, "content": CANCELLED} for call in calls
        ]
        self.exchange.messages += results
        await self._say("\n")  # what was written so far is said meanwhile
        async with asyncio.TaskGroup() as tasks:
            for call, result in zip(calls, results, strict=True):
                tasks.create_task(self._call_one(call, result, tasks))

    async def _call_one(self, call: ToolCall, result: Message, tasks: asyncio.TaskGroup) -> None:
        host = self._host
        tool = host.toolbox.get(call.name)
        if tool is None:
            known = ", ".join(host.toolbox) or "none"
            result["content"] = f"Error: there is no tool {call.name}. There are: {known}."
            return
        host.show("tool", tool)
        work = self._work(tool, call, result)
        if tool.on_interrupt == "keep":
            result["content"] = RUNNING
            task = host.keep(work)
        else:
            task = tasks.create_task(work)
        await self._fill(tool, task)
        value = task.result()
        if isinstance(value, CloseStream | AdditionalOutputs):
            await self._say(value)

    async def _work(self, tool: Tool, call: ToolCall, result: Message) -> Any:
        """Call one tool, and put what came of it into words."""
        called = self._live.begin_tool(call.name, kept=tool.on_interrupt == "keep")
        timeout = tool.timeout or self._host.limits.tool
        arguments = call.arguments
        value = None
        try:
            async with self._live.stage("tool", call.name), asyncio.timeout(timeout):
                value = await tool.run(
                    arguments if isinstance(arguments, str) else json.dumps(arguments),
                    self._host.handler,
                )
            result["content"] = self._host.take(value) or in_words(value)
            called.end("done")
        except asyncio.CancelledError:
            result["content"] = CANCELLED
            raise
        except Exception as error:
            unexpected = None if isinstance(error, ToolError | TimeoutError) else error
            logger.warning("the tool %s failed: %s", tool.name, error, exc_info=unexpected)
            result["content"] = failure_in_words(error, timeout)
            called.end("failed")
        finally:
            called.end()
        if self._settled:
            self._host.changed()
        return value

    async def _fill(self, tool: Tool, task: asyncio.Task[Any]) -> None:
        """Wait for a tool, and say its fillers where it would be silent for too long."""
        fillers = tool.fillers
        silent_since: float | None = None
        while fillers and not (await asyncio.wait({task}, timeout=LOOK_AGAIN))[0]:
            if not self._is_silent():
                silent_since = None
            elif silent_since is None:
                silent_since = self._loop.time()
            elif self._loop.time() - silent_since >= tool.filler_after:
                silent_since = None
                await self._say(f"{fillers.pop(0)}\n")
        await asyncio.wait({task})

    def _is_silent(self) -> bool:
        """Whether all was heard that was written."""
        words = self._speech.words
        return self._pieces.empty() and words.heard >= words.made


def _described(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": text or "{}"},
    }
