"""`Dialect`: how one service of realtime models is spoken to; without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from fastrtc_core import AudioFrame

from ..agent.tools import Tool
from .events import Event

Message = dict[str, Any]
"""What is sent, as JSON."""


class Said(NamedTuple):
    """A turn of the conversation, in words."""

    role: Literal["user", "assistant"]
    text: str


class Settings(NamedTuple):
    """What a session of a model is set up with.

    Attributes:
        instructions: What the model is told first.
        tools: What it may call.
        listens: Whether the model finds the turns of the user; if not, it is told.
        interruptible: Whether speech of the user ends an answer.
    """

    instructions: str
    tools: Sequence[Tool]
    listens: bool
    interruptible: bool


class Dialect(Protocol):
    """One connection to a service. A method that returns nothing has nothing to say there.

    Attributes:
        service: What it is called in errors.
        input_sample_rate: Of what it hears, in Hz.
        output_sample_rate: Of what it says, in Hz.
        one_at_a_time: Whether it takes no `ask` while it answers.
        goes_on: Whether it goes on by itself when it has the results of its tools.
    """

    service: str
    input_sample_rate: int
    output_sample_rate: int
    one_at_a_time: bool
    goes_on: bool

    def set_up(self, settings: Settings, history: Sequence[Said]) -> list[Message]:
        """Begin a session, which takes up what was said before."""

    def read(self, text: str) -> list[Event]:
        """What a message of the service means.

        Raises:
            ValueError: If it is not one.
        """

    def hear(self, frame: AudioFrame) -> Message:
        """Audio of the user."""

    def begin_turn(self) -> list[Message]:
        """The user begins a turn; only where the model does not listen for that."""

    def end_turn(self) -> list[Message]:
        """The user is done."""

    def drop_turn(self) -> list[Message]:
        """What was heard since the beginning of the turn was none."""

    def forget(self) -> list[Message]:
        """Where the model listens: what it has heard and not answered is not to be answered."""

    def write(self, text: str) -> list[Message]:
        """The user types; the answer is asked for next."""

    def ask(self, turn: int, told: str = "", *, spoken: bool = False) -> list[Message]:
        """Ask for an answer.

        Args:
            turn: What the `AnswerBegan` is going to say, where it can.
            told: Instructions for this answer alone.
            spoken: Whether it answers what `end_turn` has ended.
        """

    def cancel(self, answer: str) -> list[Message]:
        """End an answer."""

    def truncate(self, item: str, milliseconds: int) -> list[Message]:
        """Only so much of an item was heard."""

    def result(self, call: str, name: str, text: str) -> list[Message]:
        """What came of a call of a tool."""


def merged(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Theirs over mine, objects field by field."""
    both = dict(mine)
    for name, value in theirs.items():
        ours = both.get(name)
        if isinstance(value, Mapping) and isinstance(ours, Mapping):
            value = merged(ours, value)
        both[name] = value
    return both
