"""The span of a turn, and of each of its stages, below that of its session."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..speech import LiveTurn, TurnRecord, get_current_turn
from . import conventions


class TurnSpans:
    """Traces one turn.

    Its span begins when the user fell silent. What answers the turn runs within it, so that its
    calls over HTTP are below it; a stage of `stage()` is a span in which its code runs. The stages
    that follow each other by themselves become spans when the turn is over.

    Args:
        api: The module `opentelemetry.trace`.
        contexts: The module `opentelemetry.context`.
        tracer: Makes spans.
        session: The span of the session.
        turn: The turn.
        name, attributes: Of its span.
    """

    def __init__(
        self,
        api: Any,
        contexts: Any,
        tracer: Any,
        session: Any,
        turn: LiveTurn,
        name: str,
        attributes: dict[str, Any],
    ) -> None:
        self._api = api
        self._contexts = contexts
        self._tracer = tracer
        self._turn = turn
        # Loop time has an origin of its own.
        self._epoch = time.time_ns() - round(turn.now() * 1e9)
        self._passed: list[tuple[str, float]] = []
        self._span = tracer.start_span(
            name,
            api.set_span_in_context(session),
            attributes=attributes,
            start_time=self._nanoseconds(turn.began),
        )

    def attach(self) -> Callable[[], None]:
        """What the calling context traces from now on is below the turn; returns the undoing."""
        return self._enter(self._span)

    def enter(self, stage: str, detail: str) -> Callable[[], None]:
        """A stage begins, in the calling context; returns what is called at its end."""
        name, attributes = conventions.stage_span(stage, detail)
        within = None if get_current_turn() is self._turn else self._below_turn()
        span = self._tracer.start_span(
            name, within, attributes=attributes, start_time=self._nanoseconds(self._turn.now())
        )
        leave = self._enter(span)

        def end() -> None:
            leave()
            span.end(self._nanoseconds(self._turn.now()))

        return end

    def pass_to(self, stage: str) -> None:
        """What is done by itself has come to this stage."""
        self._passed.append((stage, self._turn.now()))

    def end(self, record: TurnRecord | None) -> None:
        """The turn is over, or was none."""
        span, now = self._span, self._turn.now()
        if record is None:
            span.set_attribute(conventions.DISCARDED, True)
        else:
            self._make_spans_of_stages(record, now)
            for name, value in conventions.turn_result(record).items():
                span.set_attribute(name, value)
            if record.errors:
                span.set_attribute(conventions.ERROR_TYPE, record.errors[0].partition(":")[0])
                span.set_status(self._api.StatusCode.ERROR)
        span.end(self._nanoseconds(now))

    def _make_spans_of_stages(self, record: TurnRecord, now: float) -> None:
        began = self._turn.began
        heard = began + sum(record.stages.values()) - record.stages.get("play", 0.0)
        decided = began + record.stages.get("receive", 0.0) + record.stages.get("silence", 0.0)
        stretches = [("silence", began, decided)] if "silence" in record.stages else []
        ends = [*(start for _, start in self._passed), heard][1:]
        for (name, start), end in zip(self._passed, ends, strict=True):
            if start < heard:
                stretches.append((name, start, min(end, heard)))
        for stage, start, end in stretches:
            name, attributes = conventions.stage_of(record, stage)
            self._tracer.start_span(
                name,
                self._below_turn(),
                attributes=attributes,
                start_time=self._nanoseconds(start),
            ).end(self._nanoseconds(end))

    def _below_turn(self) -> Any:
        return self._api.set_span_in_context(self._span)

    def _enter(self, span: Any) -> Callable[[], None]:
        outer = self._contexts.get_current()
        self._contexts.attach(self._api.set_span_in_context(span))

        def leave() -> None:
            # A generator may be closed by another task, where there is nothing to undo.
            if self._api.get_current_span() is span:
                self._contexts.attach(outer)

        return leave

    def _nanoseconds(self, at: float) -> int:
        return self._epoch + round(at * 1e9)
