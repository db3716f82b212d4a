"""`LiveTurn`: a turn of the user that is being answered, and where its time goes meanwhile.

Time is that of one clock, in s. Threads and tasks may tell it of stages at once: at each moment,
what began last and has not ended has the time, so that the stages of a turn neither overlap nor
leave a gap, however they are nested.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol

from .turn_record import ToolRecord, TurnEnding, TurnRecord

MAX_STAGES = 32
"""Names of stages in a turn; the time of further ones is that of what they are within."""

current_turn: ContextVar[LiveTurn] = ContextVar("fastrtc_turn")


class TurnTracer(Protocol):
    """Traces one turn; called on the thread where it happens."""

    def attach(self) -> Callable[[], None]:
        """What the calling context traces from now on belongs to the turn; returns the undoing."""

    def enter(self, stage: str, detail: str) -> Callable[[], None]:
        """A stage begins, in the calling context; returns what is called at its end."""

    def pass_to(self, stage: str) -> None:
        """What is done by itself has come to this stage."""

    def end(self, record: TurnRecord | None) -> None:
        """The turn is over, or was none."""


class LiveTurn:
    """A turn that is over for the user, and is being answered. Safe from any thread.

    Args:
        now: The clock, in s.
        began: When the user fell silent.
        received: When the handler heard that.

    Attributes:
        user, models, tokens, rounds: As of `TurnRecord`; what knows them sets them.
        errors: What was raised.
        bound: Whether a speech answers it.
    """

    def __init__(self, now: Callable[[], float], began: float, received: float) -> None:
        self.user = ""
        self.models: dict[str, str] = {}
        self.tokens: dict[str, int] = {}
        self.rounds = 0
        self.errors: list[str] = []
        self.bound = False
        self.tracer: TurnTracer | None = None
        self._now = now
        self.began = began
        self._opened = now()
        self._number = 0
        self._ending: TurnEnding = "silence"
        self._head_start = 0.0
        self._tools: list[LiveTool] = []
        self._lock = threading.Lock()
        self._stages: dict[str, float] = {}
        if received > began:
            self._stages["receive"] = received - began
        self._last = max(began, received)
        self._background = Stage(self, "reply")
        self._open = [self._background]
        self._reached: set[str] = set()
        self._queue = Stage(self, "queue")
        self._decided = False
        self._sounded = False
        self._over = False

    # What goes on

    def now(self) -> float:
        """The time, in s."""
        return self._now()

    def stage(self, name: str, detail: str = "") -> Stage:
        """A context, `with` or `async with`, whose time is that of a stage of this name.

        Contexts may be nested, and a name may come again. What happens once the answer is heard
        does not count.

        Args:
            name: Of the stage.
            detail: For its span: of a `tool`, which one.
        """
        return Stage(self, name, detail)

    def reach(self, name: str) -> None:
        """What is done in any case, one after the other, has come here; the first call counts."""
        if name in self._reached:
            return
        with self._lock:
            if name in self._reached or self._over:
                return
            self._reached.add(name)
            self._account(self._now())
            self._open.remove(self._background)
            self._background = Stage(self, name)
            self._open.append(self._background)
        if self.tracer is not None:
            self.tracer.pass_to(name)

    def begin_tool(self, name: str, *, kept: bool = False) -> LiveTool:
        """A tool is called; `kept` if it goes on after the turn."""
        tool = LiveTool(name, "running" if kept else "cancelled", self._now)
        self._tools.append(tool)
        return tool

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """What runs within, and the tasks and threads that it starts, answers this turn."""
        token = current_turn.set(self)
        detach = self.tracer.attach() if self.tracer is not None else None
        try:
            yield
        finally:
            if detach is not None:
                detach()
            with contextlib.suppress(ValueError):  # ended by another task
                current_turn.reset(token)

    # What a session calls

    @property
    def sounded(self) -> bool:
        """Whether the answer has begun to be heard."""
        return self._sounded

    @property
    def over(self) -> bool:
        """Whether it was closed."""
        return self._over

    def decide(self, number: int, ending: TurnEnding, *, queued: bool) -> None:
        """The turn is over for the user; until now the time was that of `silence`.

        Args:
            number: Of the turn.
            ending: Why it is over.
            queued: Whether the answer now waits until `go`.
        """
        with self._lock:
            if ending == "text":  # nothing was heard that could have been under way
                self.began += self._stages.pop("receive", 0.0)
            else:
                self._account(self._now())
            self._decided = True
            self._number, self._ending = number, ending
            self._head_start = self._now() - self._opened
            if queued:
                self._open.append(self._queue)

    def wait(self) -> None:
        """The answer waits to be said, until `go`."""
        if self._queue not in self._open:
            self._begin(self._queue)

    def go(self) -> None:
        """It is its turn to be said."""
        self._end(self._queue)
        if self.tracer is not None and not self._reached:
            self.tracer.pass_to(self._background.name)

    def sound(self, at: float) -> None:
        """The answer begins to sound at a time, which may be a little later than now."""
        with self._lock:
            self._account(at)
            self._sounded = True

    def add(self, name: str, seconds: float) -> None:
        """So much more passes until it is heard."""
        with self._lock:
            if self._over:
                return
            self._stages[name] = self._stages.get(name, 0.0) + seconds

    def close(
        self,
        *,
        said: str = "",
        heard: str = "",
        heard_seconds: float = 0.0,
        interrupted: bool = False,
        error: Exception | None = None,
    ) -> TurnRecord:
        """It is over; returns how it went. The arguments are as of `TurnRecord`."""
        with self._lock:
            now = self._now()
            self._account(now)
            self._over = True
            errors = list(self.errors)
            if error is not None:
                errors.append(f"{type(error).__name__}: {error}")
            return TurnRecord(
                number=self._number,
                ending=self._ending,
                stages=dict(self._stages),
                answered=self._sounded,
                head_start=self._head_start,
                duration=max(0.0, now - self.began),
                user=self.user,
                said=said,
                heard=heard,
                heard_seconds=heard_seconds,
                interrupted=interrupted,
                errors=tuple(errors),
                models=dict(self.models),
                tokens=dict(self.tokens),
                rounds=self.rounds,
                tools=tuple(tool.record() for tool in self._tools),
            )

    def discard(self) -> None:
        """It was no turn, as the user went on; nothing where it was one."""
        with self._lock:
            discarded = not (self._over or self._decided)
            self._over = self._over or discarded
        if discarded and self.tracer is not None:
            self.tracer.end(None)

    # Where the time goes

    def _begin(self, stage: Stage) -> None:
        with self._lock:
            self._account(self._now())
            self._open.append(stage)

    def _end(self, stage: Stage) -> None:
        with self._lock:
            self._account(self._now())
            if stage in self._open:
                self._open.remove(stage)

    def _account(self, now: float) -> None:
        """Give the time since the last change to what has it."""
        if self._sounded or self._over:
            return
        stages = self._stages
        if not self._decided:
            name = "silence"
        else:
            latest = reversed(self._open)
            known = (s.name for s in latest if s.name in stages or len(stages) < MAX_STAGES)
            name = next(known, "reply")
        stages[name] = stages.get(name, 0.0) + max(0.0, now - self._last)
        self._last = max(self._last, now)


class Stage:
    """One stretch of a stage; `LiveTurn.stage` makes it. It is entered once."""

    __slots__ = ("_detail", "_leave", "_turn", "name")

    def __init__(self, turn: LiveTurn | None, name: str, detail: str = "") -> None:
        self.name = name
        self._detail = detail
        self._turn = turn
        self._leave: Callable[[], None] | None = None

    def __enter__(self) -> None:
        if self._turn is not None:
            self._turn._begin(self)
            if self._turn.tracer is not None:
                self._leave = self._turn.tracer.enter(self.name, self._detail)

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        if self._turn is not None:
            self._turn._end(self)
        if self._leave is not None:
            self._leave()

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *raised: Any) -> None:
        self.__exit__(*raised)


class LiveTool:
    """A call of a tool, which may go on.

    Attributes:
        name: Of the tool.
        outcome: What is to be said of it where nothing else becomes of it.
    """

    def __init__(self, name: str, outcome: str, now: Callable[[], float]) -> None:
        self.name = name
        self.outcome = outcome
        self._now = now
        self._began = now()
        self._seconds: float | None = None

    def end(self, outcome: str | None = None) -> None:
        """It is over, with this outcome if it has one of its own; the first call counts."""
        if self._seconds is None:
            self.outcome = outcome or self.outcome
            self._seconds = self._now() - self._began

    def record(self) -> ToolRecord:
        """The call as it is now."""
        seconds = self._now() - self._began if self._seconds is None else self._seconds
        return ToolRecord(self.name, self.outcome, seconds)


def get_current_turn() -> LiveTurn | None:
    """The turn that the calling code answers, if it does.

    Works in what a handler says, sync or async, and in the tasks and threads that it starts.
    """
    return current_turn.get(None)


def stage(name: str) -> Stage:
    """A context, `with` or `async with`, whose time is that of a stage of the current turn.

    See `TurnRecord`. Where no turn is being answered, it does nothing.

    Args:
        name: Such as `rag`; a few words that are always the same, as they name metrics too.
    """
    return Stage(current_turn.get(None), name)


def model_name(model: Any) -> str:
    """What a model, a recogniser or a voice is called: its `model`, or the name of its type."""
    for name in (model, getattr(model, "model", None), getattr(model, "__name__", None)):
        if isinstance(name, str) and name:
            return name
    return type(model).__name__
