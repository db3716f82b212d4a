"""What a run is asked for, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..session import CloseReason, Hooks


@dataclass(frozen=True)
class RunOptions:
    """What a stream asks of each of its sessions.

    Attributes:
        sends: Whether the handler's audio is wanted.
        time_limit: As of `Stream`, in s.
        hooks: As of `Stream`.
    """

    sends: bool
    time_limit: float | None
    hooks: Hooks


@dataclass
class RunResult:
    """What came of a run.

    Attributes:
        duration: How much of the source was heard, in s.
        written: How much went to the sink, in s, with the silence between the handler's outputs.
        dropped: Blocks of a live source that were lost because the run was too slow for it.
        errors: What a client would have been told of exceptions in the handler; a hundred at most.
        close_reason: Why it ended: `CLIENT` at the end of the source.
    """

    duration: float = 0.0
    written: float = 0.0
    dropped: int = 0
    errors: list[str] = field(default_factory=list)
    close_reason: CloseReason | None = None
