"""What a realtime model tells, in words that do not depend on whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastrtc_core import AudioFrame, HandlerError


class RealtimeError(HandlerError):
    """The model cannot be reached, refuses, fails or is gone; the client is shown the text.

    Attributes:
        passing: Whether trying again may help.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


@dataclass(frozen=True)
class Ready:
    """The session is set up: from now on the model listens."""


@dataclass(frozen=True)
class SpeechBegan:
    """The model hears somebody speak."""


@dataclass(frozen=True)
class SpeechEnded:
    """It has decided that they are done.

    Attributes:
        silence: After how much silence, in s, if that is known.
    """

    silence: float = 0.0


@dataclass(frozen=True)
class AnswerBegan:
    """It answers.

    Attributes:
        id: Of this answer.
        turn: Who asked for it, as `Dialect.ask` was told; `None`: it does so of its own accord, or
            it is not known.
    """

    id: str
    turn: int | None = None


@dataclass(frozen=True)
class Unanswered:
    """It does not answer.

    Attributes:
        turn: Who asked for it, as `Dialect.ask` was told.
    """

    turn: int


@dataclass(frozen=True)
class Sound:
    """The next part of what it says.

    Attributes:
        answer: The id of the answer.
        item: The id of what can be truncated.
        frame: Audio; it may come faster than in real time.
    """

    answer: str
    item: str
    frame: AudioFrame


@dataclass(frozen=True)
class Words:
    """What was said, as far as it is known.

    Attributes:
        role: By whom.
        item: The id of the item in which.
        text: All of it so far.
        final: Whether it stands.
        answer: The id of the answer; empty for the user.
    """

    role: Literal["user", "assistant"]
    item: str
    text: str
    final: bool
    answer: str = ""


@dataclass(frozen=True)
class Call:
    """A tool is to be called.

    Attributes:
        answer: The id of the answer in which; empty if that is not known.
        id: Of the call.
        name: Of the tool.
        arguments: A JSON object, as the model wrote it.
    """

    answer: str
    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class CallsCancelled:
    """The results of these calls are no longer wanted."""

    ids: tuple[str, ...]


@dataclass(frozen=True)
class AnswerEnded:
    """Nothing more comes of an answer.

    Attributes:
        id: Of the answer.
        problem: What went wrong, in words; empty: nothing.
        interrupted: Whether the model ended it because somebody spoke.
    """

    id: str
    problem: str = ""
    interrupted: bool = False


@dataclass(frozen=True)
class Refused:
    """It does not do what it was told.

    Attributes:
        problem: Why, in words.
        turn: Whose `ask` is meant, if one is.
        busy: Whether that is to be asked again when the present answer is over.
        fatal: Whether the session cannot go on.
    """

    problem: str
    turn: int | None = None
    busy: bool = False
    fatal: bool = False


@dataclass(frozen=True)
class Leaving:
    """It is going to close the connection, so another one is better opened soon."""


Event = (
    Ready
    | SpeechBegan
    | SpeechEnded
    | AnswerBegan
    | Unanswered
    | Sound
    | Words
    | Call
    | CallsCancelled
    | AnswerEnded
    | Refused
    | Leaving
)
