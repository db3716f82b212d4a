"""`OpenAIRealtime` and a stand-in that follows the events of the API to the letter, as no model.

What it sends are the events that the types of the package `openai` describe.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from fastrtc_core.testing import InProcessPeer, connect
from fastrtc_core.toolkit import decode_mulaw, encode_mulaw
from fastrtc_handlers.agent import tool
from fastrtc_handlers.realtime import OpenAIRealtime, RealtimeError, RealtimeLimits, Said
from fastrtc_handlers.realtime.events import Call, SpeechBegan

from ...webrtc.support import eventually
from .support import SPEECH, Bridge, Service, bridge_of, heard, in_state, speak, steady

WORDS = "one two three four five six seven eight nine ten"


def sound(seconds: float) -> str:
    return base64.b64encode(steady(seconds).data.tobytes()).decode()


def began(number: int, asked: dict[str, Any] | None = None) -> dict[str, Any]:
    metadata = ((asked or {}).get("response") or {}).get("metadata")
    response = {"id": f"resp_{number}", "status": "in_progress", "metadata": metadata}
    return {"type": "response.created", "response": response}


def said(number: int, seconds: float, text: str = "") -> list[dict[str, Any]]:
    """An item, all at once: faster than in real time."""
    place = {"response_id": f"resp_{number}", "item_id": f"item_{number}", "content_index": 0}
    deltas = [
        {"type": "response.output_audio.delta", "delta": sound(0.2), **place}
        for _ in range(round(seconds / 0.2))
    ]
    words = {"type": "response.output_audio_transcript.done", "transcript": text, **place}
    return [*deltas, *([words] if text else [])]


def done(number: int, status: str = "completed", **details: Any) -> dict[str, Any]:
    response = {"id": f"resp_{number}", "status": status, "status_details": details or None}
    return {"type": "response.done", "response": response}


def called(number: int, name: str, **arguments: Any) -> list[dict[str, Any]]:
    """A call, told twice, as the API does."""
    call = {"call_id": f"call_{name}", "name": name, "arguments": json.dumps(arguments)}
    place = {"response_id": f"resp_{number}", "item_id": f"item_{name}", "output_index": 0}
    return [
        {"type": "response.function_call_arguments.done", **call, **place},
        {
            "type": "response.output_item.done",
            "item": {"type": "function_call", "id": f"item_{name}", **call},
            **place,
        },
    ]


class Model:
    """Answers each `response.create` with the next of these lists of events."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, service: Service, event: dict[str, Any]) -> None:
        if event["type"] == "session.update":
            await service.send({"type": "session.updated", "session": event["session"]})
        if event["type"] == "response.create":
            self.asked += 1
            answer = self.answers.pop(0)
            if isinstance(answer, int):
                assert service.socket is not None
                await service.socket.close(answer, "going down")
            else:
                await service.send(began(self.asked, event), *answer)


@asynccontextmanager
async def call(
    model: Model, *, refusals: tuple[int, ...] = (), **options: Any
) -> AsyncIterator[tuple[InProcessPeer, Service, Bridge]]:
    service = Service(model)
    service.refusals += refusals
    async with service.run():
        bridge = Bridge(base_url=service.url, api_key="secret", **options)
        async with connect(bridge) as peer:
            handler = bridge_of(peer)
            assert isinstance(handler, Bridge)
            yield peer, service, handler


def write(peer: InProcessPeer, text: str) -> None:
    peer.send({"command": "text", "text": text})


async def test_speech_interrupts_what_came_faster_than_it_is_heard() -> None:
    """The rest is not heard, and the model knows how much was; so do the words."""
    answer = [*said(1, 10.0, WORDS), done(1)]
    async with call(Model(answer)) as (peer, service, handler):
        write(peer, "Count.")
        await in_state(peer, "speaking")
        await asyncio.sleep(5.02)
        await service.send({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0})
        [truncation] = await eventually(lambda: service.of("conversation.item.truncate"))
        await asyncio.sleep(1.0)
        assert heard(peer) == pytest.approx(5.0, abs=0.1)
        assert truncation["audio_end_ms"] == pytest.approx(1000 * heard(peer), abs=20)
        assert truncation["item_id"] == "item_1"
        assert not service.of("response.cancel"), "it was generated already"
        assert handler.conversation[1] == Said("assistant", "one two three four five")


async def test_an_interrupted_answer_is_cancelled_and_what_still_comes_is_not_heard() -> None:
    async with call(Model(said(1, 2.0), [*said(2, 0.4), done(2)])) as (peer, service, _):
        write(peer, "Hello.")
        await in_state(peer, "speaking")
        await asyncio.sleep(0.5)
        write(peer, "Stop.")
        await eventually(lambda: service.of("response.cancel"))
        assert len(service.of("response.create")) == 1, "the model is still at its first answer"
        late = {**said(1, 0.2)[0], "item_id": "item_late"}
        await service.send(*said(1, 2.0), late, done(1, "cancelled", reason="client_cancelled"))
        await eventually(lambda: len(service.of("response.create")) == 2)
        await in_state(peer, "listening")
        assert heard(peer) == pytest.approx(0.9, abs=0.15)
        cut, unheard = service.of("conversation.item.truncate")
        assert cut["audio_end_ms"] == pytest.approx(500, abs=100)
        assert (unheard["item_id"], unheard["audio_end_ms"]) == ("item_late", 0)
        assert not peer.of_type("error")


async def test_a_tool_is_called_once_and_its_result_is_answered() -> None:
    asked: list[str] = []

    async def weather(city: str) -> str:
        """What the weather is like."""
        asked.append(city)
        await asyncio.sleep(0.3)
        return "It rains."

    first = [*said(1, 0.4), *called(1, "weather", city="Bern"), done(1)]
    async with call(Model(first, [*said(2, 0.6), done(2)]), tools=[weather]) as (
        peer,
        service,
        handler,
    ):
        write(peer, "The weather?")
        await eventually(lambda: heard(peer) > 0.95)
        await in_state(peer, "listening")
        assert asked == ["Bern"]
        update = service.of("session.update")[0]["session"]
        assert update["tools"][0]["parameters"]["required"] == ["city"]
        output = service.of("conversation.item.create")[-1]["item"]
        assert output == {
            "type": "function_call_output",
            "call_id": "call_weather",
            "output": "It rains.",
        }
        after = handler.states[handler.states.index("weather") + 1 :]
        assert after == ["speaking", "thinking", "speaking", "listening"]


async def test_tools_that_hang_fail_or_are_interrupted() -> None:
    """The model is given a result for each call, whatever becomes of it."""
    cancelled: list[str] = []

    async def hang() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.append("hang")
        return "never"

    def fail() -> str:
        raise OSError("no such thing")

    @tool(on_interrupt="keep")
    async def book() -> str:
        await asyncio.sleep(1.0)
        return "booked"

    names = ["hang", "fail", "book", "unknown"]
    calls = [event for name in names for event in called(1, name)]
    tools = [hang, fail, book]
    async with call(Model([*calls, done(1)], [done(2)]), tools=tools) as (peer, service, _):

        def outputs() -> dict[str, str]:
            items = [each["item"] for each in service.of("conversation.item.create")]
            return {each["call_id"]: each["output"] for each in items if "call_id" in each}

        write(peer, "Do it.")
        await eventually(lambda: len(outputs()) == 2)
        write(peer, "Never mind.")
        await eventually(lambda: len(outputs()) == 4)
        assert cancelled == ["hang"]
        assert outputs() == {
            "call_hang": "Cancelled: the user spoke before it was done.",
            "call_fail": "Error: OSError: no such thing",
            "call_book": "booked",
            "call_unknown": "Error: there is no tool unknown. There are: hang, fail, book.",
        }
        assert len(service.of("response.create")) == 2, "what was interrupted is not gone on with"


async def test_a_tool_that_is_interrupted_before_its_first_step() -> None:
    """The call and the speech of the user come at once."""

    async def hang() -> None:
        await asyncio.sleep(60)

    async with call(Model(said(1, 2.0)), tools=[hang]) as (peer, service, handler):
        write(peer, "Hello.")
        await in_state(peer, "speaking")
        for event in Call("resp_1", "call_hang", "hang", "{}"), SpeechBegan():
            handler._take(event)
        await eventually(lambda: len(service.of("conversation.item.create")) == 2)
        output = service.of("conversation.item.create")[1]["item"]["output"]
        assert output == "Cancelled: the user spoke before it was done."


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "The realtime service rejected the API key (HTTP 401)."),
        (429, "The realtime service is busy, or the quota is used up: try again later (HTTP 429)."),
    ],
)
async def test_a_service_that_refuses(status: int, text: str) -> None:
    """The caller is told in words, and the call ends."""
    async with call(Model(), refusals=(status,)) as (peer, service, _):
        await eventually(lambda: peer.close_reason)
        assert peer.of_type("error") == [text]
        assert "secret" not in str(peer.messages)
        assert service.requests[0]["authorization"] == "Bearer secret"


async def test_a_call_without_a_model_ends_whatever_on_lost_raises() -> None:
    class Failing(OpenAIRealtime):
        def on_lost(self, error: RealtimeError) -> None:
            raise OSError("no voice")

    async with Service(Model()).run() as service:
        service.refusals.append(401)
        async with connect(Failing(base_url=service.url, api_key="secret")) as peer:
            await eventually(lambda: peer.close_reason)
            assert peer.of_type("error") == [
                "The realtime service rejected the API key (HTTP 401)."
            ]


async def test_a_connection_that_is_lost_is_opened_again() -> None:
    """With the conversation so far, in words; what came is heard, and 429 is tried again."""
    answers = [*said(1, 1.0, "Hello there."), done(1)], 1012, [*said(3, 0.4), done(3)]
    limits = RealtimeLimits(reconnects=2)
    async with call(Model(*answers), limits=limits) as (peer, service, _):
        write(peer, "Hello.")
        await eventually(lambda: heard(peer) > 0.9)
        await in_state(peer, "listening")
        service.refusals.append(429)
        write(peer, "Are you there?")
        await in_state(peer, "connecting")
        await in_state(peer, "listening")
        assert len(service.requests) == 3
        items = [each["item"] for each in service.of("conversation.item.create")]
        assert [(each["role"], each["content"][0]["text"]) for each in items[2:]] == [
            ("user", "Hello."),
            ("assistant", "Hello there."),
            ("user", "Are you there?"),
        ]
        write(peer, "Hello?")
        await eventually(lambda: heard(peer) > 1.3)
        assert not peer.of_type("error")
        assert len(peer.of_type("warning")) == 2


async def test_it_is_connecting_until_it_is_connected() -> None:
    """Whatever is still heard of an answer meanwhile; the end of one that goes on is no pause."""
    limits = RealtimeLimits(reconnects=2, delay=2.0)
    async with call(Model(said(1, 1.0), said(2, 4.0)), limits=limits) as (peer, service, handler):
        await in_state(peer, "listening")
        for text in "Hello.", "Hello?":
            write(peer, text)
            await in_state(peer, "speaking")
            assert service.socket is not None
            await service.socket.close(1012)
            await eventually(lambda: peer.of_type("warning"))
            await in_state(peer, "listening")
        after = ["thinking", "speaking", "connecting", "listening"]
        assert handler.states == ["connecting", "listening", *after, *after]
        assert heard(peer) == pytest.approx(5.0, abs=0.05)


async def test_a_model_that_is_lost_for_good() -> None:
    """What came is heard to its end; then the call ends."""
    async with call(Model(said(1, 1.0))) as (peer, service, _):
        write(peer, "Hello.")
        await in_state(peer, "speaking")
        assert service.socket is not None
        await service.socket.close(1011, "out of memory")
        await eventually(lambda: peer.close_reason)
        assert heard(peer) == pytest.approx(1.0, abs=0.05)
        assert peer.of_type("error") == [
            "The realtime service closed the connection (1011 out of memory)."
        ]


async def test_a_model_that_says_nothing_and_one_that_fails() -> None:
    """Each is one error, and the next turn is answered."""
    error = {"message": "the server had an error"}
    answers: list[Any] = [[], [done(2, "failed", error=error)], [*said(3, 0.4), done(3)]]
    limits = RealtimeLimits(answer=3.0)
    async with call(Model(*answers), limits=limits) as (peer, _, _):
        write(peer, "Hello?")
        await eventually(lambda: peer.of_type("error"))
        write(peer, "Hello?")
        await eventually(lambda: len(peer.of_type("error")) == 2)
        write(peer, "Hello?")
        await eventually(lambda: heard(peer) > 0.35)
        assert peer.of_type("error") == [
            "The model has not answered for 3 s.",
            "The model failed: the server had an error",
        ]


async def test_an_answer_that_was_interrupted_and_never_ends() -> None:
    """It costs the next turn its answer, and no other one."""
    answers = said(1, 2.0), [*said(2, 0.4), done(2)]
    async with call(Model(*answers), limits=RealtimeLimits(answer=3.0)) as (peer, service, _):
        write(peer, "Hello.")
        await in_state(peer, "speaking")
        write(peer, "Stop.")
        await eventually(lambda: peer.of_type("error"))
        before = heard(peer)
        write(peer, "Hello?")
        await eventually(lambda: heard(peer) > before + 0.35)
        assert len(service.of("response.create")) == 2
        assert peer.of_type("error") == ["The model has not answered for 3 s."]


async def test_what_is_typed_and_typed_again_is_kept_once() -> None:
    """Turns that the model was not asked for yet, as it still answers, leave nothing."""
    async with call(Model([], [*said(2, 0.4), done(2)])) as (peer, service, handler):
        write(peer, "Hello.")
        await eventually(lambda: service.of("response.create"))
        for _ in range(20):
            write(peer, "Hello?")
        await eventually(lambda: len(handler.conversation) == 21)
        assert len(handler._conversation._turns) == 2
        await service.send(done(1))
        await eventually(lambda: heard(peer) > 0.35)
        await in_state(peer, "listening")
        assert handler._conversation._turns == {}


async def test_what_is_too_far_ahead_or_behind_is_dropped_and_counted() -> None:
    limits = RealtimeLimits(ahead=1.0, unsent=0.5, connect=1.0, reconnects=1)
    async with call(Model([*said(1, 3.0), done(1)]), limits=limits) as (peer, service, handler):
        write(peer, "Hello.")
        await in_state(peer, "speaking")
        await in_state(peer, "listening")
        # What was played while it came made room for a little.
        assert heard(peer) == pytest.approx(3.0 - handler.dropped_output, abs=0.001)
        assert 0 < handler.dropped_output < 2.0
        assert service.of("conversation.item.truncate"), "the model knows"
        service.refusals.append(503)
        assert service.socket is not None
        await service.socket.close(1001)
        await in_state(peer, "connecting")
        await speak(peer, SPEECH, SPEECH)
        assert handler.dropped_input > 0


async def test_a_telephone_needs_no_other_rate() -> None:
    """µ-law at 8 kHz both ways, as a telephone line has it."""
    frame = steady(0.4, 8000)
    delta = base64.b64encode(encode_mulaw(frame.data[0])).decode()
    place = {"response_id": "resp_1", "item_id": "item_1"}
    answer = [{"type": "response.output_audio.delta", "delta": delta, **place}, done(1)]
    async with call(Model(answer), encoding="g711") as (peer, service, _):
        await in_state(peer, "listening")
        await speak(peer, frame)
        write(peer, "Hello.")
        await in_state(peer, "speaking")
        await in_state(peer, "listening")
        output = service.of("session.update")[0]["session"]["audio"]["output"]
        assert output["format"] == {"type": "audio/pcmu"}
        data = b"".join(
            base64.b64decode(each["audio"]) for each in service.of("input_audio_buffer.append")
        )
        difference = decode_mulaw(data).astype(int) - frame.data[0]
        assert np.abs(difference).max() < 700
        said_ = np.concatenate([timed.data[0] for _, timed in peer.heard])
        assert np.count_nonzero(said_) / 8000 == pytest.approx(0.4, abs=0.02)
