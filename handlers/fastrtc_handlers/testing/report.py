"""What came of calls, in figures: as text, and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .call import Call


@dataclass
class CallReport:
    """One call. Times are in s.

    Attributes:
        name: Of the call.
        seconds: How long it lasted.
        turns: How often the caller said something.
        gaps: From the end of what the caller said to the first sound of the answer.
        tools: The tools that were called, in order.
        silent_after: Of each interruption: how long the agent was still heard.
        words: How many words the caller heard.
        wrong_words: Of each thing that the agent said: how many words it takes as heard that were
            not, and the other way around.
        errors: What the client was told of exceptions.
        conversation: As text.
        failure: Why the call failed; empty if it did not.
    """

    name: str = ""
    seconds: float = 0.0
    turns: int = 0
    gaps: list[float] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    silent_after: list[float] = field(default_factory=list)
    words: int = 0
    wrong_words: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    conversation: str = ""
    failure: str = ""

    @classmethod
    def of(cls, call: Call, name: str = "") -> CallReport:
        """The report of a call that is over."""
        turns = [call.greeting, *call.turns]
        return cls(
            name,
            round(call.now, 3),
            len(call.turns),
            [round(turn.gap, 3) for turn in call.turns if turn.gap is not None],
            [name for turn in turns for name in turn.tools],
            [round(t.silent_after, 3) for t in turns if t.silent_after is not None],
            len(call.heard.split()),
            [spoken.wrong for spoken in call.spoken],
            [error for turn in turns for error in turn.errors],
            str(call),
        )

    def as_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return f"{self.conversation}\n{_figures([self])}"


@dataclass
class Report:
    """Many calls.

    Attributes:
        calls: Each of them.
        cpu_seconds: What they took of a processor, in s.
    """

    calls: list[CallReport] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def failures(self) -> list[CallReport]:
        """Those that failed."""
        return [call for call in self.calls if call.failure]

    @property
    def speed(self) -> float:
        """How many times faster than real time they were."""
        return sum(call.seconds for call in self.calls) / max(self.cpu_seconds, 1e-9)

    def raise_failures(self) -> None:
        """Fail with all failures, each with its shortest conversation.

        Raises:
            AssertionError: If a call failed.
        """
        if self.failures:
            texts = [f"{call.name}: {call.failure}" for call in self.failures]
            raise AssertionError(
                f"{len(texts)} of {len(self.calls)} calls failed\n\n" + "\n\n".join(texts)
            )

    def as_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "calls": [call.as_dict() for call in self.calls],
            "cpu_seconds": round(self.cpu_seconds, 3),
            "speed": round(self.speed, 1),
            **figures(self.calls),
        }

    def as_json(self) -> str:
        """As JSON."""
        return json.dumps(self.as_dict(), indent=1)

    def __str__(self) -> str:
        return f"{_figures(self.calls)}\n{self.speed:.0f} times faster than real time"


def figures(calls: Sequence[CallReport]) -> dict[str, Any]:
    """The figures of several calls together."""
    tools: dict[str, int] = {}
    for name in (name for call in calls for name in call.tools):
        tools[name] = tools.get(name, 0) + 1
    return {
        "failed": sum(bool(call.failure) for call in calls),
        "seconds": round(sum(call.seconds for call in calls), 1),
        "turns": sum(call.turns for call in calls),
        "gap": _percentiles([gap for call in calls for gap in call.gaps]),
        "tools": tools,
        "interruptions": sum(len(call.silent_after) for call in calls),
        "silent_after": _percentiles([each for call in calls for each in call.silent_after]),
        "words": sum(call.words for call in calls),
        "wrong_words": _percentiles([each for call in calls for each in call.wrong_words]),
        "errors": sum(len(call.errors) for call in calls),
    }


def _figures(calls: Sequence[CallReport]) -> str:
    told = figures(calls)
    tools = ", ".join(f"{name} {count}" for name, count in told["tools"].items()) or "none"
    return (
        f"{len(calls)} calls of {told['seconds']} s, {told['failed']} failed; "
        f"{told['turns']} turns, answered after {_in_words(told['gap'], 's')}\n"
        f"tools: {tools}; errors: {told['errors']}\n"
        f"{told['interruptions']} interruptions, silent after "
        f"{_in_words(told['silent_after'], 's')}\n"
        f"{told['words']} words heard; wrong in what the agent takes as heard: "
        f"{_in_words(told['wrong_words'], 'words')}"
    )


def _percentiles(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    p50, p95 = np.percentile(values, (50, 95))
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "max": float(max(values))}


def _in_words(values: dict[str, float] | None, unit: str) -> str:
    if values is None:
        return "none"
    return f"{values['p50']:g} {unit} (p50), {values['p95']:g} (p95), {values['max']:g} at most"
