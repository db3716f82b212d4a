"""What a caller does, and what comes of it: the turns of a call, from the caller's side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fastrtc_core import Playback, TurnRecord

Way = Literal["greeting", "spoken", "typed", "interruption", "push-to-talk", "key"]


@dataclass
class CallerTurn:
    """What the caller said, and what was heard of the answer; times are in s since the call began.

    Attributes:
        said: What the caller said; empty for the greeting, and for a key.
        how: How: `spoken`, `typed`, `interruption`, `push-to-talk`, `key`, or `greeting` for what
            the agent says before the caller says anything.
        start: When the caller began.
        end: When the caller was done.
        text: What the caller heard of the answer.
        gap: Time from `end` to the first sound of the answer, as it arrived; `None` if there was
            none.
        tools: The tools that were called, in order, each once for each call.
        outcomes: What became of them, as far as it is known: `done`, `failed`, `cancelled`.
        silent_after: Of an interruption: how long the agent was still heard after it began.
        interrupted: Whether the answer was cut short.
        errors: What the client was told of exceptions.
        record: What the session notes of the turn, with the stages of the gap on its side.
    """

    said: str
    how: Way
    start: float
    end: float
    text: str = ""
    gap: float | None = None
    tools: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    silent_after: float | None = None
    interrupted: bool = False
    errors: list[str] = field(default_factory=list)
    record: TurnRecord | None = None


@dataclass(frozen=True)
class Spoken:
    """What the agent takes as heard of one thing that it said.

    Attributes:
        playback: What became of it.
        heard: The words that the caller heard of it, as far as they are those.
        wrong: How many words are in one and not in the other.
    """

    playback: Playback
    heard: str
    wrong: int
