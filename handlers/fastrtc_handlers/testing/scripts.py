"""Calls by the hundred: drawn by chance, run on virtual time, and made as short as can be."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from random import Random
from typing import Any

from fastrtc_core import StreamHandlerBase
from fastrtc_core.testing import Line, parts_left_out, reduce, run_virtual

from .agent_testing import agent_test
from .call import Call
from .callers import (
    Backchannel,
    HangUp,
    Interrupt,
    PushToTalk,
    Reply,
    Say,
    Step,
    Type,
    Wait,
    follow,
)
from .faults import Fault, Kind
from .report import CallReport, Report

SHRINKING_STEPS = 60
"""How many calls are made at most to make one that fails shorter."""

_KINDS = ("listen", "listen", "interrupt", "interrupt", "agree", "go on", "type", "key")
"""What a caller does, the more often the likelier."""

Check = Callable[[Call], Awaitable[Any]] | Callable[[Call], Any]
"""What must hold after a call; it raises where it does not."""


@dataclass(frozen=True)
class CallScript:
    """A call: what the caller does, what fails, and how bad the line is.

    Attributes:
        steps: What the caller does, one after the other.
        faults: What fails.
        line: What the audio goes over; `None`: it is there at once.
        name: Says which call it is.
    """

    steps: tuple[Step, ...]
    faults: tuple[Fault, ...] = ()
    line: Line | None = None
    name: str = ""

    def __str__(self) -> str:
        """As Python, to be run again."""
        given = [f"steps=({''.join(f'{_in_short(step)}, ' for step in self.steps).rstrip()})"]
        if self.faults:
            given.append(f"faults=({''.join(f'{fault!r}, ' for fault in self.faults).rstrip()})")
        if self.line is not None:
            given.append(f"line={_in_short(self.line)}")
        return f"CallScript({', '.join(given)})"


def draw_call(
    seed: int,
    lines: Sequence[str],
    *,
    tools: Sequence[str] = (),
    loss: float = 0.05,
    greeting: bool = False,
) -> CallScript:
    """Draw a call: the same for the same seed.

    The caller speaks one to three times, listens, interrupts, agrees, goes on after a pause, types,
    holds a key to talk, or hangs up in the middle. In half of the calls something fails: a tool
    fails, hangs or is slow, or the recogniser, model or voice fails, breaks off, is slow, or
    is down for a time. Two of five calls go over a line that loses packets.

    Args:
        seed: Of all that is drawn.
        lines: What the caller may say.
        tools: Names of tools that may fail.
        loss: Share of the packets that a bad line loses.
        greeting: Whether the agent greets; the caller listens to that first.
    """
    random = Random(seed)
    steps: list[Step] = [Reply()] if greeting else []
    for _ in range(random.randint(1, 3)):
        steps += _draw_steps(random, lines)
    if random.random() < 0.2:
        steps += [Say(random.choice(lines), listen=False), HangUp(round(random.uniform(0.3, 2), 2))]
    faults = [_draw_fault(random, tools)] if random.random() < 0.5 else []
    line = None
    if random.random() < 0.4:
        line = Line(loss=loss, jitter=random.choice([0.0, 0.02]), seed=seed)
    return CallScript(tuple(steps), tuple(faults), line, f"seed {seed}")


def run_calls(
    agent: StreamHandlerBase | Callable[[], StreamHandlerBase],
    scripts: Iterable[CallScript],
    check: Check | None = None,
    *,
    shrink: bool = True,
    **options: Any,
) -> Report:
    """Make calls on virtual time, one after the other, outside of any event loop.

    A call fails where a step or the check raises, or the client is told of an error though nothing
    was to fail. What the report says of it is the shortest call
    that fails, with its conversation.

    Args:
        agent: Who is called, or a function that makes the agent of each call: one with models that
            remember must be made anew.
        scripts: The calls.
        check: What must hold after each call.
        shrink: Whether those that fail are made as short as can be.
        options: Of `agent_test`.
    """
    report = Report()
    for script in scripts:
        began = time.process_time()
        call, failure = _try(agent, script, check, options)
        report.cpu_seconds += time.process_time() - began
        if failure is not None:
            call.failure = _explain(agent, script, check, options, call, failure, shrink=shrink)
        report.calls.append(call)
    return report


def _explain(
    agent: Any,
    script: CallScript,
    check: Check | None,
    options: dict[str, Any],
    call: CallReport,
    failure: Exception,
    *,
    shrink: bool,
) -> str:
    def fails(shorter: CallScript) -> bool:
        return _try(agent, shorter, check, options)[1] is not None

    shortest = script
    if shrink:
        try:
            shortest = reduce(script, fails, _smaller, steps=SHRINKING_STEPS)
        except ValueError:
            return f"{failure!r}, but not when it was run again\n{script}\n{call.conversation}"
        call, again = _try(agent, shortest, check, options)
        failure = again or failure
    return f"{type(failure).__name__}: {failure}\n{shortest}\n{call.conversation}".rstrip()


def _try(
    agent: Any, script: CallScript, check: Check | None, options: dict[str, Any]
) -> tuple[CallReport, Exception | None]:
    calls: list[Call] = []
    handler = agent if isinstance(agent, StreamHandlerBase) else agent()
    about = {"line": script.line, "faults": script.faults, **options}

    async def run() -> None:
        async with agent_test(handler, **about) as call:
            calls.append(call)
            await follow(call, script.steps)
            if not call.ended:
                await call.wait(0.1)
        errors = [error for turn in (call.greeting, *call.turns) for error in turn.errors]
        if errors and not script.faults:
            raise AssertionError(f"nothing was to fail, and this did: {errors}")
        if check is not None:
            result = check(call)
            if hasattr(result, "__await__"):
                await result

    async def report() -> tuple[CallReport, Exception | None]:
        failure: Exception | None = None
        try:
            await run()
        except Exception as error:
            failure = error
        return (CallReport.of(calls[0], script.name) if calls else CallReport(script.name)), failure

    return run_virtual(report())


def _draw_steps(random: Random, lines: Sequence[str]) -> list[Step]:
    line = random.choice(lines)
    after = round(random.uniform(0.1, 1.5), 2)
    kind = random.choice(_KINDS)
    if kind == "interrupt":
        return [Say(line, listen=False), Interrupt(random.choice(lines), after)]
    if kind == "agree":
        return [Say(line, listen=False), Backchannel(after=after)]
    if kind == "go on":
        pause = round(random.uniform(0.1, 1.0), 2)
        return [Say(line, listen=False), Wait(pause), Say(random.choice(lines))]
    return [{"type": Type, "key": PushToTalk}.get(kind, Say)(line)]


def _draw_fault(random: Random, tools: Sequence[str]) -> Fault:
    kind: Kind
    if tools and random.random() < 0.4:
        kind = random.choice(["fail", "hang", "slow"])
        return Fault(random.choice(tools), kind, seconds=round(random.uniform(1, 3), 1))
    of = random.choice(["stt", "tts", "model", "model:0"])
    start = round(random.uniform(0, 6), 1)
    if of == "model:0" or random.random() < 0.3:
        return Fault(of, "fail", start, round(start + random.uniform(2, 8), 1))
    kind = random.choice(["fail", "slow", "break"] if of != "stt" else ["fail", "slow"])
    return Fault(of, kind, start, times=random.randint(1, 2))


def _smaller(script: CallScript) -> Iterator[CallScript]:
    for steps in parts_left_out(script.steps):
        if steps:
            yield replace(script, steps=steps)
    if script.line is not None:
        yield replace(script, line=None)
    for faults in parts_left_out(script.faults):
        yield replace(script, faults=faults)
    for number, step in enumerate(script.steps):
        for smaller in _smaller_steps(step):
            yield replace(
                script, steps=(*script.steps[:number], smaller, *script.steps[number + 1 :])
            )


def _smaller_steps(step: Step) -> Iterator[Step]:
    if isinstance(step, Say | Type | Interrupt):
        words = step.text.split()
        for rest in parts_left_out(tuple(words)):
            if rest:
                yield replace(step, text=" ".join(rest))
    if isinstance(step, Interrupt):
        yield Say(step.text, step.listen)


def _in_short(value: Any) -> str:
    """As Python, without what is so by default; steps of one's own may be no dataclasses."""
    if not is_dataclass(value):
        return repr(value)
    given: list[str] = []
    for number, each in enumerate(fields(value)):
        if (own := getattr(value, each.name)) != each.default:
            given.append(f"{own!r}" if number == len(given) == 0 else f"{each.name}={own!r}")
    return f"{type(value).__name__}({', '.join(given)})"
