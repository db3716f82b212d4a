"""Tools of an agent: called, waited for, interrupted, kept, and handed over by."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from fastrtc_core import AdditionalOutputs, CallAbandonedError, CloseStream
from fastrtc_core.testing import connect
from fastrtc_handlers import VoiceAgent
from fastrtc_handlers.agent import AgentLimits, Tool, ToolCall, ToolError, tool

from .support import Recorded, Script, Voice, agent_of, make, said, speak, turns, until, write


def double(number: int) -> int:
    """Double a number."""
    return 2 * number


async def slow(seconds: float) -> str:
    """Take so long."""
    await asyncio.sleep(seconds)
    return f"{seconds:g} s are over"


def results(peer: Any) -> list[str]:
    return [m["content"] for m in agent_of(peer).history if m["role"] == "tool"]


async def test_a_model_calls_tools_and_is_told_what_they_say() -> None:
    """Side by side; their results in the order of the calls, in the form of the API."""
    calls = [ToolCall("slow", {"seconds": 0.5}, "a"), ToolCall("double", '{"number": "21"}', "b")]
    model = Script(["Let me see.", *calls], "It is 42.")
    async with connect(make(model, double, slow)) as peer:
        write(peer, "Twice 21?")
        await turns(peer, 1)
        (record,) = agent_of(peer).records
        assert [(t.name, t.outcome) for t in record.tools] == [("slow", "done"), ("double", "done")]
        assert record.tools[0].seconds == pytest.approx(0.5, abs=0.02)
        assert record.rounds == 2
        assert agent_of(peer).states[-7:] == [
            "thinking", "slow", "double", "speaking", "thinking", "speaking", "listening",
        ]  # fmt: skip
        answer = {"role": "assistant", "content": "It is 42."}
        assert peer.of_type("status") == ["Slow…", "Double…", ""]
        assert agent_of(peer).history[1:] == [*model.asked[1][2:], answer]
    assert model.tools == [["double", "slow"]] * 2
    assert model.asked[1][2:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "slow", "arguments": '{"seconds": 0.5}'},
                },
                {
                    "id": "b",
                    "type": "function",
                    "function": {"name": "double", "arguments": '{"number": "21"}'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "0.5 s are over"},
        {"role": "tool", "tool_call_id": "b", "content": "42"},
    ]
    assert not peer.of_type("error")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            ToolCall("triple", "{}"),
            "Error: there is no tool triple. There are: double, fail, slow.",
        ),
        (ToolCall("double", "{}"), "Error: number: Field required"),
        (
            ToolCall("double", '{"number": "many"}'),
            "Error: number: Input should be a valid integer",
        ),
        (ToolCall("double", "[1]"), "Error: the arguments must be a JSON object"),
        (ToolCall("double", "{"), "Error: the arguments are not JSON"),
        (ToolCall("fail", '{"how": "badly"}'), "Error: ValueError: badly"),
        (ToolCall("fail", '{"how": "politely"}'), "Error: ask for another day"),
        (ToolCall("fail", '{"how": "cancelled"}'), "Error: UserCodeError"),
        (ToolCall("slow", '{"seconds": 99}'), "Error: it took longer than 3 s."),
    ],
)
async def test_a_tool_that_fails_is_told_in_words(call: ToolCall, told: str) -> None:
    """The model answers all the same."""

    async def fail(how: str) -> None:
        if how == "politely":
            raise ToolError("ask for another day")
        if how == "cancelled":
            raise asyncio.CancelledError
        raise ValueError(how)

    model = Script([call], "Too bad.")
    async with connect(make(model, double, fail, slow, limits=AgentLimits(tool=3))) as peer:
        write(peer, "Try")
        await turns(peer, 1)
        assert results(peer)[0].startswith(told)
        assert said(peer) == [("user", "Try"), ("assistant", ""), ("assistant", "Too bad.")]
    assert not peer.of_type("error")


async def test_a_silence_is_filled_while_a_tool_works() -> None:
    """After so much of it, one text after the other; the history keeps none of them."""
    waiting = tool(filler=["One moment.", "Still at it."], filler_after=1.0)(slow)
    model = Script(["Sure.", ToolCall("slow", {"seconds": 4})], "Done.")
    voice = Voice()
    async with connect(make(model, waiting, tts=voice)) as peer:
        write(peer, "Hi")
        await until(lambda: "Still at it." in voice.spoken)
        await turns(peer, 1)
        gaps = [b - a for (a, _), (b, _) in zip(peer.heard, peer.heard[1:], strict=False)]
        silences = [gap for gap in gaps if gap > 0.1]
        assert len(silences) == 3
        assert all(0.95 < silence < 1.3 for silence in silences[:2])
        assert said(peer) == [("user", "Hi"), ("assistant", "Sure."), ("assistant", "Done.")]
    assert voice.spoken == ["Sure.", "One moment.", "Still at it.", "Done."]


async def test_nothing_is_filled_that_is_no_silence() -> None:
    """Neither while the agent speaks, nor by two tools at once."""
    waiting = tool(filler="One moment.")(slow)
    again = tool(name="again", filler="Another moment.")(slow)
    calls = [ToolCall("slow", {"seconds": 4}), ToolCall("again", {"seconds": 4})]
    model = Script(["I will look for that in all of the books. ", *calls], "Done.")
    voice = Voice()
    async with connect(make(model, waiting, again, tts=voice)) as peer:
        write(peer, "Hi")
        await turns(peer, 1)
    assert voice.spoken[1:] in (["One moment.", "Done."], ["Another moment.", "Done."])


@pytest.mark.parametrize("when", ["thinking", "tool", "filler"])
async def test_a_tool_is_cancelled_with_its_turn(when: str) -> None:
    """Whatever the turn waits for when the user speaks; its call has a result all the same."""
    cancelled: list[str] = []

    @tool(
        filler="This may take a long while, please be patient with me." if when == "filler" else ()
    )
    async def work() -> None:
        try:
            await asyncio.sleep(50)
        except asyncio.CancelledError:
            cancelled.append("work")
            raise

    thinking = [50, "Never."]
    model = Script(thinking if when == "thinking" else [ToolCall("work")], "Fine.")
    async with connect(make(model, work)) as peer:
        write(peer, "Go")
        await asyncio.sleep(2.0)
        peer.send({"command": "interrupt"})
        await turns(peer, 1)
        await asyncio.sleep(0.05)
        assert cancelled == ([] if when == "thinking" else ["work"])
        assert model.closed == 1
        write(peer, "And now?")
        await turns(peer, 2)
        told = [message for message in model.asked[1] if message["role"] == "tool"]
        assert [message["content"] for message in told] == (
            [] if when == "thinking" else ["Cancelled: the user spoke before it was done."]
        )
        assert said(peer)[-2:] == [("user", "And now?"), ("assistant", "Fine.")]
        assert peer.session.snapshot().tasks < 12
    assert not peer.of_type("error")


async def test_a_sync_tool_is_told_to_end() -> None:
    """It runs on a thread, which sees that nobody waits any more."""
    ended = threading.Event()

    def block() -> None:
        try:
            while True:
                threading.Event().wait(0.01)
        except CallAbandonedError:
            ended.set()
            raise

    model = Script([ToolCall("block")])
    async with connect(make(model, block)) as peer:
        write(peer, "Go")
        await until(lambda: agent_of(peer).state == "tool")
        peer.send({"command": "interrupt"})
        await turns(peer, 1)
        assert await asyncio.to_thread(ended.wait, 5)


async def test_a_tool_may_be_kept() -> None:
    """The user speaks on; the model is told that it runs, and later what it said."""
    booked: list[str] = []

    @tool(on_interrupt="keep")
    async def book() -> str:
        """Book the table."""
        await asyncio.sleep(5)
        booked.append("table")
        return "The table is booked."

    model = Script([ToolCall("book")], "Still at it.", "Yes.")
    async with connect(make(model, book)) as peer:
        write(peer, "Book it")
        await asyncio.sleep(1.0)
        await speak(peer, 1.0, 0.6)
        await turns(peer, 2)
        assert results(peer) == ["Still running; the result is not known yet."]
        assert agent_of(peer).records[0].tools[0].outcome == "running"
        await asyncio.sleep(5)
        assert booked == ["table"]
        assert results(peer) == ["The table is booked."]
        write(peer, "Done?")
        await turns(peer, 3)
        assert said(peer)[0] == ("user", "Book it"), "what tools did is not taken back"
        assert [m["content"] for m in model.asked[2] if m["role"] == "tool"] == results(peer)


async def test_a_model_comes_to_an_end() -> None:
    """After so many rounds it is asked without tools, and calls of it are not obeyed."""
    again = [ToolCall("double", {"number": 1})]
    model = Script(again, again, ["That is it.", *again])
    async with connect(make(model, double, limits=AgentLimits(rounds=2))) as peer:
        write(peer, "Go")
        await turns(peer, 1)
        assert said(peer)[-1] == ("assistant", "That is it.")
        assert results(peer) == ["2", "2"]
    assert model.tools == [["double"], ["double"], []]


async def test_what_a_tool_returns_may_be_more_than_text() -> None:
    """Outputs are published, and a session can be ended."""

    def show() -> AdditionalOutputs:
        return AdditionalOutputs("picture")

    def hang_up() -> CloseStream:
        return CloseStream("Bye.")

    model = Script([ToolCall("show")], ["Goodbye.", ToolCall("hang_up")])
    async with connect(make(model, show, hang_up)) as peer:
        write(peer, "Show it, and bye")
        await until(lambda: peer.close_reason is not None)
        latest = peer.session.outputs.latest
        assert latest is not None
        assert latest.args == ("picture",)
    assert peer.of_type("end_stream") == ["Bye."]
    assert results(peer) == ["Done.", "Done."]


class Household(Recorded):
    """Has tools of its own."""

    def __init__(self, model: Any) -> None:
        super().__init__(model=model, tts=Voice())
        self.lit: list[str] = []

    @tool
    def light(self, room: str) -> str:
        """Turn the light on."""
        self.lit.append(room)
        return "It is on."

    @tool(filler="Hm.")
    async def rooms(self) -> list[str]:
        """Which rooms there are."""
        return self.lit


async def test_methods_are_tools_of_their_session() -> None:
    model = Script([ToolCall("light", {"room": "hall"})], [ToolCall("rooms")], "Done.")
    async with connect(Household(model)) as peer:
        write(peer, "Light, please")
        await turns(peer, 1)
        assert results(peer) == ["It is on.", '["hall"]']
    assert isinstance(Household.light, Tool)
    assert Household(model).lit == []


async def test_a_tool_may_ask_for_the_agent() -> None:
    """By the annotation of a parameter, of which the model knows nothing."""

    async def whisper(text: str, agent: VoiceAgent) -> None:
        agent.post_message({"type": "message", "data": text})

    model = Script([ToolCall("whisper", {"text": "psst"})], "Done.")
    async with connect(make(model, whisper)) as peer:
        write(peer, "Go")
        await turns(peer, 1)
        assert "psst" in peer.of_type("message")
    schema = make(model, whisper).toolbox["whisper"].schema
    assert list(schema["function"]["parameters"]["properties"]) == ["text"]


async def test_another_agent_takes_over() -> None:
    """With its instructions, model, tools and voice, in the midst of the turn, and from then on."""
    second = Script("Billing here.", [ToolCall("pay")], "Paid.")
    paid: list[Any] = []

    class Billing(Recorded):
        @tool
        async def pay(self) -> str:
            """Pay."""
            paid.append(self.loop)
            return "Paid."

    voice = Voice(700)
    billing = Billing("You do the billing.", model=second, tts=voice, name="Billing")

    def to_billing() -> VoiceAgent:
        """Hand over to billing."""
        return billing

    first = Script(["One moment.", ToolCall("to_billing")])
    async with connect(make(first, to_billing, double)) as peer:
        write(peer, "My bill")
        await turns(peer, 1)
        assert results(peer) == ["You are Billing now. Go on with the conversation."]
        write(peer, "Pay it")
        await turns(peer, 2)
        assert said(peer)[-1] == ("assistant", "Paid.")
    assert second.asked[0][0] == {"role": "system", "content": "You do the billing."}
    assert second.asked[0][1] == {"role": "user", "content": "My bill"}
    assert second.tools[0] == ["pay"]
    assert voice.spoken == ["Billing here.", "Paid."]
    assert len(paid) == 1


async def test_the_arguments_of_a_call_are_json_in_the_history() -> None:
    """Whatever a model made of them."""
    model = Script([ToolCall("double", "")], "Yes.")
    async with connect(make(model, double)) as peer:
        write(peer, "Go")
        await turns(peer, 1)
        (call,) = agent_of(peer).history[1]["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == {}
