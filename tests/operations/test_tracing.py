"""Spans and log records, with the real SDK of OpenTelemetry."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fastrtc_core import Stream, stage
from fastrtc_core.client import Client
from fastrtc_core.operations.tracing import SessionFilter, SessionSpans
from fastrtc_core.session import Hooks
from fastrtc_core.testing import connect
from fastrtc_handlers import TurnOptions
from fastrtc_handlers.agent import ToolCall
from tests.handlers.agent.support import Script, make
from tests.handlers.agent.support import speak as say
from tests.webrtc.support import Silent, eventually, gone

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Everything that is traced during a test."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


class Tracing(Silent):
    """Traces what it does, in a method, on a thread and in a task; and logs."""

    async def start_up(self) -> None:
        with trace.get_tracer("app").start_as_current_span("greet"):
            logging.getLogger("app").warning("hello")
        self.create_task(self._later())
        await asyncio.to_thread(self._on_a_thread)

    async def _later(self) -> None:
        with trace.get_tracer("app").start_as_current_span("task"):
            pass

    def _on_a_thread(self) -> None:
        with trace.get_tracer("app").start_as_current_span("thread"):
            pass

    def copy(self) -> Tracing:
        return Tracing()


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """The spans that have ended."""
    return {span.name: span for span in spans.get_finished_spans()}


async def test_a_session_is_a_span_of_the_trace_of_its_offer(
    spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """What its handler traces is below it; log records have its ids."""
    caplog.handler.addFilter(SessionFilter())
    stream = Stream(Tracing(), tracing=True)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}

    async def offer(body: Any) -> dict[str, Any]:
        return await stream.offer(body, headers)

    async with Client(offer, modality=None) as client:
        await eventually(lambda: "task" in by_name(spans))
        webrtc_id = client.webrtc_id
    await gone(stream)
    found = by_name(spans)
    session = found["fastrtc.session"]
    assert session.parent is not None
    assert f"{session.parent.span_id:016x}" == PARENT
    assert dict(session.attributes or {}) == {
        "session.id": webrtc_id,
        "fastrtc.transport": "webrtc",
        "fastrtc.close_reason": "client",
    }
    for name in ("greet", "task", "thread"):
        parent = found[name].parent
        assert parent is not None
        assert parent.span_id == session.context.span_id
        assert f"{parent.trace_id:032x}" == TRACE
    (record,) = [one for one in caplog.records if one.message == "hello"]
    ids = {name: getattr(record, name) for name in ("session_id", "transport", "trace_id")}
    assert ids == {"session_id": webrtc_id, "transport": "webrtc", "trace_id": TRACE}


async def test_sessions_do_not_share_a_span(spans: InMemorySpanExporter) -> None:
    """Each is the root of a trace of its own where the offer names none."""
    stream = Stream(Tracing(), tracing=True)
    async with Client(stream.offer, modality=None), Client(stream.offer, modality=None):
        await eventually(lambda: stream.sessions == 2)
    await gone(stream)
    sessions = [one for one in spans.get_finished_spans() if one.name == "fastrtc.session"]
    assert len({span.context.trace_id for span in sessions}) == 2
    assert not trace.get_current_span().get_span_context().is_valid


class Exits(Silent):
    """Tries to end the program."""

    async def start_up(self) -> None:
        raise SystemExit(3)

    def copy(self) -> Exits:
        return Exits()


async def test_a_session_that_fails_is_a_failed_span(spans: InMemorySpanExporter) -> None:
    """By its status."""
    stream = Stream(Exits(), tracing=True)
    async with Client(stream.offer, modality=None) as client:
        await client.wait_closed()
    await gone(stream)
    session = by_name(spans)["fastrtc.session"]
    assert session.status.status_code is trace.StatusCode.ERROR
    assert (session.attributes or {})["fastrtc.close_reason"] == "error"


def test_records_outside_of_sessions_have_empty_ids() -> None:
    """So that a formatter may name them everywhere."""
    record = logging.LogRecord("app", logging.INFO, "", 0, "hello", None, None)
    assert SessionFilter().filter(record)
    assert (record.session_id, record.trace_id) == ("", "")  # type: ignore[attr-defined]


async def test_a_turn_and_its_stages_are_spans(spans: InMemorySpanExporter) -> None:
    """Below their session, as long as they took; what the answer traces is below its stage."""
    app = trace.get_tracer("app")

    async def model(messages: Any) -> Any:
        with stage("rag"), app.start_as_current_span("query"):
            await asyncio.sleep(0.1)
        with app.start_as_current_span("post"):
            await asyncio.sleep(0.3)
        if messages[-1]["role"] == "user":
            yield ToolCall("look")
        else:
            yield "Hello."

    async def look() -> str:
        with app.start_as_current_span("search"):
            await asyncio.sleep(0.2)
        return "found"

    hooks = Hooks(around=SessionSpans())
    agent = make(model, look, algo_options=TurnOptions(silence=0.5), name="Ada")
    async with connect(agent, hooks=hooks) as peer:
        await say(peer, 1.0, 2.5)
        (record,) = peer.turns
        assert not trace.get_current_span().get_span_context().is_valid
    found = by_name(spans)
    turn = found["invoke_agent Ada"]
    told = dict(turn.attributes or {})
    assert told["gen_ai.conversation.id"] == peer.session.id
    assert told["fastrtc.turn.gap"] == record.gap
    assert took(turn) == pytest.approx(record.duration)
    for name, parent in {
        "invoke_agent Ada": "fastrtc.session",
        "silence": "invoke_agent Ada",
        "stt Recogniser": "invoke_agent Ada",
        "chat model": "invoke_agent Ada",
        "execute_tool look": "invoke_agent Ada",
        "tts Voice": "invoke_agent Ada",
        "rag": "invoke_agent Ada",
        "query": "rag",
        "post": "invoke_agent Ada",
        "search": "execute_tool look",
    }.items():
        above = found[name].parent
        assert above is not None, name
        assert above.span_id == found[parent].context.span_id, name
    assert took(found["silence"]) == pytest.approx(0.5, abs=0.02)
    assert took(found["execute_tool look"]) == pytest.approx(0.2, abs=0.01)
    assert took(found["chat model"]) == pytest.approx(1.0, abs=0.05)  # all of it, tools included
    assert (found["chat model"].attributes or {})["gen_ai.request.model"] == "model"


class Taking(Silent):
    """Takes two turns, and answers neither."""

    ended = False

    async def start_up(self) -> None:
        self.take_turn()
        self.take_turn()

    async def shutdown(self) -> None:
        self.ended = True

    def copy(self) -> Taking:
        return Taking()


async def test_a_turn_that_nothing_answers_is_a_span(
    spans: InMemorySpanExporter,
) -> None:
    """And neither the next turn nor the end of the session stumbles over it."""
    async with connect(Taking(), hooks=Hooks(around=SessionSpans())) as peer:
        await asyncio.sleep(0.1)
        assert not peer.of_type("error")
    handler: Any = peer.session.handler
    assert handler.ended
    names = [span.name for span in spans.get_finished_spans() if span.name != "silence"]
    assert names == ["invoke_agent Taking", "invoke_agent Taking", "fastrtc.session"]


async def test_a_draft_that_was_no_answer_is_a_span_that_says_so(
    spans: InMemorySpanExporter,
) -> None:
    """And one whose answer fails has that status."""
    hooks = Hooks(around=SessionSpans())
    options = TurnOptions(silence=0.5, draft_after=0.2)
    model = Script([60, "Never."], [ConnectionError("no route")], [ConnectionError("no route")])
    async with connect(make(model, algo_options=options), hooks=hooks) as peer:
        await say(peer, 1.0, 0.4)
        await say(peer, 1.0, 2.0)
    first, second = (one for one in spans.get_finished_spans() if "invoke_agent" in one.name)
    assert (first.attributes or {})["fastrtc.turn.discarded"]
    assert second.status.status_code is trace.StatusCode.ERROR
    assert (second.attributes or {})["error.type"] == "ModelError"


def took(span: ReadableSpan) -> float:
    """How long, in s."""
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9
