"""Providers that fail: recogniser, models, voice and tools of an agent, when a test wants it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from fastrtc_core import ConfigurationError, StreamHandlerBase
from fastrtc_core.toolkit import Function, SessionThread, guarded, pieces_of

from ..agent import Tool

Kind = Literal["fail", "hang", "slow", "break"]


class ProviderDownError(ConnectionError):
    """A provider does not answer, because a test wants it so."""


@dataclass(frozen=True)
class Fault:
    """What a provider does at times instead of its work.

    Attributes:
        of: `stt`, `tts`, `model` (each of them), `model:0` (the first one), or the name of a tool.
        kind: `fail` raises, `hang` never returns, `slow` takes `seconds` longer, and `break` raises
            after the first piece of an answer or of audio.
        start: From when on, in s since the call began.
        end: Until when.
        times: How many calls it concerns at most; `None`: all between the two times.
        seconds: How much longer `slow` takes.

    Raises:
        ConfigurationError: If the kind is none of these.
    """

    of: str
    kind: Kind
    start: float = 0.0
    end: float = float("inf")
    times: int | None = None
    seconds: float = 2.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ConfigurationError(f"a fault is one of {get_args(Kind)}, not {self.kind!r}")

    def __repr__(self) -> str:
        default = {each.name: each.default for each in fields(self)}
        given = [f"{self.of!r}", f"{self.kind!r}"]
        for name in ("start", "end", "times", "seconds"):
            if (value := getattr(self, name)) != default[name]:
                given.append(f"{name}={value!r}")
        return f"Fault({', '.join(given)})"


class Plan:
    """The faults of one provider in one call.

    Args:
        faults: Those that concern it.
        clock: Tells the time since the call began, in s.
    """

    def __init__(self, faults: Sequence[Fault], clock: Callable[[], float]) -> None:
        self._faults = faults
        self._clock = clock
        self._struck = [0] * len(faults)

    async def strike(self) -> bool:
        """What happens to one call: it may raise, hang or wait; whether its answer breaks off."""
        breaks = False
        for number, fault in enumerate(self._faults):
            if not fault.start <= self._clock() < fault.end or self._struck[number] == fault.times:
                continue
            self._struck[number] += 1
            if fault.kind == "hang":
                await asyncio.Event().wait()
            elif fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "fail":
                raise ProviderDownError(f"{fault.of} is down")
            breaks = breaks or fault.kind == "break"
        return breaks


def plans(faults: Sequence[Fault], clock: Callable[[], float]) -> Callable[..., Plan | None]:
    """A function that returns the plan of a provider that goes by any of some names, if it has one.

    Each plan is for one provider: its calls are counted by themselves.
    """

    def plan(*names: str) -> Plan | None:
        own = [fault for fault in faults if fault.of in names]
        return Plan(own, clock) if own else None

    return plan


def faulty_stt(stt: Any, plan: Plan) -> Any:
    """A recogniser of whole utterances with faults."""
    return _FaultySTT(stt, plan)


def faulty_tts(tts: Any, plan: Plan) -> Any:
    """A voice with faults."""
    return _FaultyTTS(tts, plan)


def faulty_model(model: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    """A language model with faults."""

    async def answer(messages: list[dict[str, Any]], tools: list[Any]) -> AsyncIterator[Any]:
        call = functools.partial(model, *Function(model, leading=0).pick((messages, tools)))
        async with contextlib.aclosing(_pieces(call, await plan.strike(), "model")) as pieces:
            async for piece in pieces:
                yield piece

    answer.__name__ = getattr(model, "__name__", None) or type(model).__name__
    return answer


class FaultyTool(Tool):
    """A tool with faults."""

    @classmethod
    def of(cls, tool: Tool, plan: Plan) -> FaultyTool:
        """The same tool otherwise."""
        faulty = cls(**{each.name: getattr(tool, each.name) for each in fields(Tool)})
        object.__setattr__(faulty, "_plan", plan)
        return faulty

    async def run(self, arguments: str, handler: StreamHandlerBase | None = None) -> Any:
        """Call it, or not."""
        plan: Plan = getattr(self, "_plan")  # noqa: B009 - a frozen class knows no such field
        if await plan.strike():
            raise ProviderDownError(f"{self.name} is down")
        return await super().run(arguments, handler)


class _FaultySTT:
    def __init__(self, stt: Any, plan: Plan) -> None:
        self._stt = stt
        self._plan = plan

    async def stt(self, audio: Any) -> Any:
        if await self._plan.strike():
            raise ProviderDownError("stt is down")
        if inspect.iscoroutinefunction(self._stt.stt):
            return await guarded(self._stt.stt(audio))
        thread = SessionThread("stt")
        try:
            return await thread.run(self._stt.stt, audio)
        finally:
            thread.close()


class _FaultyTTS:
    def __init__(self, tts: Any, plan: Plan) -> None:
        self._tts = tts
        self._plan = plan

    async def stream_tts(self, text: str) -> AsyncIterator[Any]:
        breaks = await self._plan.strike()
        async with contextlib.aclosing(spoken(self._tts, text, breaks)) as pieces:
            async for piece in pieces:
                yield piece


async def spoken(tts: Any, text: str, breaks: bool = False) -> Any:
    """What a voice says of a text, piece by piece; see `TextToSpeech`."""
    names = ("stream_tts", "stream_tts_sync", "tts")
    method = next((found for name in names if (found := getattr(tts, name, None))), None)
    if method is None:
        raise ConfigurationError(f"{type(tts).__name__} is no voice: it has none of {names}")
    async with contextlib.aclosing(_pieces(functools.partial(method, text), breaks, "tts")) as all_:
        async for piece in all_:
            yield piece


async def _pieces(call: Callable[[], Any], breaks: bool, name: str) -> Any:
    thread = SessionThread(name)
    try:
        async with contextlib.aclosing(pieces_of(call, thread)) as pieces:
            async for piece in pieces:
                yield piece
                if breaks:
                    raise ProviderDownError(f"{name} broke off")
    finally:
        thread.close()
