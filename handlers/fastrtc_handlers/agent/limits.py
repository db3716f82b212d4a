"""`AgentLimits`: how long an agent waits, how much it does, and what it says when nothing helps."""

from __future__ import annotations

from dataclasses import dataclass

from fastrtc_core import ConfigurationError


@dataclass(frozen=True)
class AgentLimits:
    """Bounds of a `VoiceAgent`; times are in s.

    Attributes:
        model: How long a model may be silent, before its first word and between two.
        stt: How long the last words of a turn may take of an `stt` that recognises while somebody
            speaks; then those count that are known.
        tool: How long a tool may take that has no `timeout` of its own.
        rounds: How often in one turn a model may call tools; then it is asked without any.
        start: How long a turn waits for the memory and for MCP servers when a session begins.
        messages: How many messages of the history a model is given; the oldest are forgotten.
        characters: How long they may be, all together, as JSON.
        sorry: What is said where no model answers; empty: nothing.

    Raises:
        ConfigurationError: If a bound is not positive.
    """

    model: float = 10.0
    stt: float = 5.0
    tool: float = 30.0
    rounds: int = 8
    start: float = 10.0
    messages: int = 200
    characters: int = 200_000
    sorry: str = "Sorry, I cannot answer that right now."

    def __post_init__(self) -> None:
        for name in ("model", "stt", "tool", "rounds", "start", "messages", "characters"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"AgentLimits.{name} must be more than 0")
