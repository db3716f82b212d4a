"""OpenTelemetry: spans of sessions, of their turns and their stages, and the ids of log records.

Only this module imports OpenTelemetry, and of it only the API: without an SDK that the application
sets up, spans cost next to nothing and go nowhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version

from ..context import current_context
from ..extras import import_extra
from ..session import CloseReason, Observed
from ..speech import LiveTurn
from . import conventions
from .turn_spans import TurnSpans


class SessionSpans:
    """Makes spans; `fastrtc.session` is the parent of what the code of a session traces.

    Each turn is a span below it, and each stage of a turn one below that; see `TurnSpans`.

    A `traceparent` header of the offer (W3C Trace Context) makes the span part of that trace. Calls
    over HTTP that the handler makes carry it on, if their library is instrumented.

    Attributes of the span: `session.id`, `fastrtc.transport`, and at the end
    `fastrtc.close_reason`. A session that ends with the reason `error` has that status.

    Raises:
        ConfigurationError: If the extra `opentelemetry` is not installed.
    """

    def __init__(self) -> None:
        import_extra("opentelemetry", extra="opentelemetry", used_by="tracing")
        self._trace = import_module("opentelemetry.trace")
        self._contexts = import_module("opentelemetry.context")
        self._propagate = import_module("opentelemetry.propagate")
        self._tracer = self._trace.get_tracer("fastrtc_core", version("fastrtc-core"))

    @contextmanager
    def __call__(self, session: Observed) -> Iterator[Callable[[CloseReason], None]]:
        """Enter the span of a session; call what it yields with the reason of the end."""
        context = session.context
        with self._tracer.start_as_current_span(
            conventions.SESSION,
            self._propagate.extract(context.headers),
            kind=self._trace.SpanKind.SERVER,
            attributes={
                conventions.SESSION_ID: context.webrtc_id,
                conventions.TRANSPORT: context.transport,
            },
        ) as span:

            def trace(turn: LiveTurn) -> TurnSpans:
                handler = session.handler
                agent = getattr(handler, "name", None) or type(handler).__name__
                name, attributes = conventions.turn_span(context.webrtc_id, str(agent))
                return TurnSpans(
                    self._trace, self._contexts, self._tracer, span, turn, name, attributes
                )

            session.turns.trace(trace)

            def end(reason: CloseReason) -> None:
                span.set_attribute(conventions.CLOSE_REASON, reason.value)
                if reason is CloseReason.ERROR:
                    span.set_status(self._trace.StatusCode.ERROR)

            yield end


class SessionFilter(logging.Filter):
    """Adds `session_id`, `transport` and `trace_id` to log records, for formatters.

    They are empty where no session runs the code that logs. `trace_id` is that of the current span,
    32 hexadecimal digits, where OpenTelemetry is installed. Add it to a handler, so that it sees
    the records of every logger: `handler.addFilter(SessionFilter())`.
    """

    def __init__(self) -> None:
        super().__init__()
        try:
            self._span = import_module("opentelemetry.trace").get_current_span
        except ModuleNotFoundError:
            self._span = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Add them; every record passes."""
        context = current_context.get(None)
        record.session_id = context.webrtc_id if context else ""
        record.transport = context.transport if context else ""
        trace = self._span().get_span_context().trace_id if self._span else 0
        record.trace_id = f"{trace:032x}" if trace else ""
        return True
