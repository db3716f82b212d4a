"""`TurnRecord`: what became of one turn, and where the silence before its answer went."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TurnEnding = Literal["silence", "length", "command", "text"]
"""Why a turn was over: a silence, its length, a command or a key, or it was typed."""


@dataclass(frozen=True)
class ToolRecord:
    """One call of a tool.

    Attributes:
        name: Of the tool.
        outcome: `done`, `failed`, `cancelled`, or `running` where it was kept and is not done.
        seconds: How long it took, or has taken when the turn was over.
    """

    name: str
    outcome: str
    seconds: float = 0.0


@dataclass(frozen=True)
class TurnRecord:
    """What became of a turn of the user, and of its answer. Times are in s.

    The stages divide the silence that the user heard, from the end of their speech to the first
    sound of the answer, without gaps and without overlaps: `sum(stages.values()) == gap`. They
    stand in the order in which they began. What began last has the time, until it ends: a stage of
    yours within the `model` stage takes its time from that.

    | stage | until |
    |---|---|
    | `receive` | the handler heard the end of the speech: jitter buffer, and frames that waited |
    | `silence` | it was decided that the turn was over |
    | `queue` | what was being said before was over, and the answer could begin |
    | `stt` | the words were known |
    | `model` | the model began to answer |
    | `tool` | a tool had its result |
    | `reply` | the function or handler gave its first text or audio; where no stage has the time |
    | `sentence` | the first sentence was complete |
    | `tts` | the voice gave its first audio |
    | `send` | that was on its way |
    | `lead` | it began to sound: voices begin with a little silence |
    | `play` | the client had it: half the round trip of WebRTC, the mark of a telephone |

    Only those that there were are there.

    Attributes:
        number: Of the turn in its session, from 1.
        ending: Why the turn was over.
        stages: Where the time went. Of a turn whose answer was not heard, until it was over.
        answered: Whether its answer began to be heard.
        head_start: How long before the decision the answer was begun, as a draft. It is no stage:
            it ran beside the silence.
        duration: From the end of the speech until the answer was over, or was cut short.
        user: What the user said and typed, where it was recognised.
        said: The answer as text, as far as it was made; empty where it was audio.
        heard: What was heard of that.
        heard_seconds: How much of the audio was heard.
        interrupted: Whether it was cut short.
        errors: What was raised: the name of each exception and its text.
        models: Which models worked, by stage: `{"stt": …, "model": …, "tts": …}`.
        tokens: How many the models counted, such as `{"input": 812, "output": 40}`.
        rounds: How often a language model was asked.
        tools: The calls of tools.
    """

    number: int = 0
    ending: TurnEnding = "silence"
    stages: Mapping[str, float] = field(default_factory=dict)
    answered: bool = False
    head_start: float = 0.0
    duration: float = 0.0
    user: str = ""
    said: str = ""
    heard: str = ""
    heard_seconds: float = 0.0
    interrupted: bool = False
    errors: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    rounds: int = 0
    tools: tuple[ToolRecord, ...] = ()

    @property
    def gap(self) -> float:
        """The silence that the user heard, in s; infinite where the answer was not heard."""
        return sum(self.stages.values()) if self.answered else math.inf

    def until(self, stage: str) -> float:
        """When a stage began, in s from the end of the speech.

        Raises:
            KeyError: If there was no such stage.
        """
        passed = 0.0
        for name, seconds in self.stages.items():
            if name == stage:
                return passed
            passed += seconds
        raise KeyError(stage)

    def as_message(self) -> dict[str, Any]:
        """For the client, as JSON: all but the words and the texts of errors."""
        return {
            "number": self.number,
            "ending": self.ending,
            "gap": round(self.gap, 4) if self.answered else None,
            "stages": {name: round(seconds, 4) for name, seconds in self.stages.items()},
            "head_start": round(self.head_start, 4),
            "duration": round(self.duration, 4),
            "heard_seconds": round(self.heard_seconds, 4),
            "interrupted": self.interrupted,
            "errors": [error.partition(":")[0] for error in self.errors],
            "models": dict(self.models),
            "tokens": dict(self.tokens),
            "rounds": self.rounds,
            "tools": [
                {"name": tool.name, "outcome": tool.outcome, "seconds": round(tool.seconds, 4)}
                for tool in self.tools
            ],
        }

    def __str__(self) -> str:
        """One line: the gap in ms, its stages, and what else there was to say."""
        gap = f"{_ms(self.gap)} ms" if self.answered else "no answer heard"
        stages = ", ".join(f"{name} {_ms(seconds)}" for name, seconds in self.stages.items())
        head_start = _ms(self.head_start)  # it is not quite 0 where there was no draft
        more = [f"head start {head_start} ms"] if head_start else []
        more += [f"{tool.name} {tool.outcome}" for tool in self.tools]
        more += ["interrupted"] if self.interrupted else []
        more += self.errors
        return "; ".join([f"turn {self.number}: {gap} = {stages or 'nothing'}", *more])


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
