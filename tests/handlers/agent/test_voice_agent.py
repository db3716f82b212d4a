"""`VoiceAgent` through a session: its answers, and the history that holds what was heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fastrtc_core import AdditionalOutputs, CloseStream, ConfigurationError, Context
from fastrtc_core.testing import connect
from fastrtc_handlers.agent import AgentLimits, ToolCall

from .support import Script, Voice, agent_of, make, said, speak, turns, until, write


async def test_what_was_said_is_answered() -> None:
    """The model gets the instructions and the history; its answer is spoken by the sentence."""
    model = Script("One. Two", "Three.")
    voice = Voice()
    async with connect(make(model, tts=voice)) as peer:
        await speak(peer, 1.0, 0.7)
        await turns(peer, 1)
        write(peer, "And then?")
        await turns(peer, 2)
        assert said(peer) == [
            ("user", "word0 word1"),
            ("assistant", "One. Two"),
            ("user", "And then?"),
            ("assistant", "Three."),
        ]
        transcripts = [(t["role"], t["text"]) for t in peer.of_type("transcript")]
        assert transcripts == [
            ("user", "word0 word1"),
            ("assistant", "One."),
            ("assistant", "Two"),
            ("user", "And then?"),
            ("assistant", "Three."),
        ]
        assert agent_of(peer).states == [
            "listening",
            *(["thinking", "speaking", "listening"] * 2),
        ]
        assert peer.of_type("log").count("agent") == 7
    assert model.asked[1] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "word0 word1"},
        {"role": "assistant", "content": "One. Two"},
        {"role": "user", "content": "And then?"},
    ]
    assert voice.spoken == ["One.", "Two", "Three."]
    assert not peer.of_type("error")


async def test_the_steps_of_a_turn_are_timed() -> None:
    """From the end of what was said: together they are the silence before the answer."""
    model = Script([0.3, "One two."])
    async with connect(make(model)) as peer:
        await speak(peer, 1.0, 2.0)
        (record,) = agent_of(peer).records
        assert list(record.stages) == [
            *("silence", "queue", "stt", "model", "sentence", "tts", "send", "lead")
        ]
        assert record.stages["silence"] == pytest.approx(0.5, abs=0.03)
        assert record.stages["model"] == pytest.approx(0.3, abs=0.02)
        assert record.gap == pytest.approx(0.8, abs=0.05)
        assert record.duration == pytest.approx(1.2, abs=0.05)
        assert (record.user, record.heard, record.rounds) == ("word0 word1", "One two.", 1)
        assert record.models == {"stt": "Recogniser", "model": "Script", "tts": "Voice"}
        assert peer.of_type("turn_record") == [record.as_message()]
    assert peer.turns == [record]


async def coroutine(messages: Any) -> str:
    await asyncio.sleep(0.01)
    return "Hello there."


async def async_generator(messages: Any) -> AsyncIterator[str | None]:
    for piece in ("Hel", None, "", "lo there."):
        yield piece


def generator(messages: Any, tools: Any) -> Iterator[str]:
    yield "Hello "
    yield "there."


@pytest.mark.parametrize(
    "model", [lambda messages: "Hello there.", coroutine, async_generator, generator]
)
async def test_any_function_is_a_model(model: Any) -> None:
    """With the tools or without; sync ones run on threads."""
    async with connect(make(model)) as peer:
        write(peer, "Hi")
        await turns(peer, 1)
        assert said(peer) == [("user", "Hi"), ("assistant", "Hello there.")]


@pytest.mark.parametrize("by", ["speech", "message", "text", "key"])
async def test_an_answer_that_is_interrupted_is_cut_at_the_word_that_was_heard(by: str) -> None:
    """In the history, and in what the client is told; the next turn knows what was not heard."""
    answer = "Alpha beta gamma delta. Epsilon zeta eta theta iota kappa lambda mu."
    model = Script([answer, 60], "Fine.")
    async with connect(make(model)) as peer:
        write(peer, "Hi")
        await until(lambda: agent_of(peer).state == "speaking")
        await asyncio.sleep(1.1)
        if by == "speech":
            await speak(peer, 1.5, 0.7)
        else:
            message = {"message": "interrupt", "text": "text", "key": "push_to_talk"}[by]
            peer.send({"command": message, "text": "Stop", "on": True})
            await asyncio.sleep(0.1)
        await turns(peer, 1)
        heard = agent_of(peer).records[0].heard
        assert answer.startswith(heard)
        assert 4 <= len(heard.split()) <= 6
        assert said(peer)[:2] == [("user", "Hi"), ("assistant", heard)]
        assert peer.of_type("interrupted")[0]["text"] == heard
        if by in ("speech", "text"):
            await turns(peer, 2)
            assert model.asked[1][2] == {"role": "assistant", "content": heard}
        await until(lambda: model.closed >= 1)


async def test_who_goes_on_before_anything_was_heard_has_said_one_thing() -> None:
    """The half of it that the model thought about is not in the history twice."""
    model = Script([2.0, "Too late."], "Now.")
    async with connect(make(model)) as peer:
        await speak(peer, 1.0, 0.8)
        await speak(peer, 1.0, 0.8)
        await turns(peer, 2)
        assert said(peer) == [("user", "word0 word1 word2 word3"), ("assistant", "Now.")]
        assert model.closed == 2
        assert model.asked[1][1:] == [{"role": "user", "content": "word0 word1 word2 word3"}]


async def test_typed_parts_are_one_turn_too() -> None:
    model = Script([2.0, "Too late."], [2.0, "Too late."], "Now.")
    async with connect(make(model)) as peer:
        for text in ("One", "two", "three"):
            write(peer, text)
            await asyncio.sleep(0.5)
        await turns(peer, 3)
        assert said(peer) == [("user", "One two three"), ("assistant", "Now.")]


async def test_what_a_key_interrupts_stays_a_turn_of_its_own() -> None:
    """Nothing of the answer was heard, and the press of the key does not take the turn back."""
    model = Script([2.0, "Too late."], "Now.")
    async with connect(make(model)) as peer:
        write(peer, "One")
        await asyncio.sleep(0.5)
        peer.send({"command": "push_to_talk", "on": True})
        await speak(peer, 1.0)
        peer.send({"command": "push_to_talk", "on": False})
        await turns(peer, 2)
        assert said(peer) == [("user", "One"), ("user", "word0 word1"), ("assistant", "Now.")]


@pytest.mark.parametrize(("heard", "interrupts"), [("yeah", False), ("stop", True), (None, True)])
async def test_an_async_recogniser_tells_what_interrupts(
    heard: str | None, interrupts: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A backchannel does not; where it fails, every word does."""

    class Async:
        async def stt(self, audio: Any) -> str:
            await asyncio.sleep(0.05)
            if heard is None:
                raise RuntimeError("no model")
            return heard

    answer = " ".join(["word"] * 20)
    async with connect(make(Script(answer), stt=Async())) as peer:
        write(peer, "Hi")
        await until(lambda: agent_of(peer).state == "speaking")
        await asyncio.sleep(0.5)
        await speak(peer, 0.5, 1.0)
        assert bool(peer.of_type("interrupted")) is interrupts
    assert ("it is not known what was said" in caplog.text) is (heard is None)


async def test_silence_is_not_answered() -> None:
    """What holds no words leaves no trace."""

    class Nothing:
        def stt(self, audio: Any) -> str:
            return " "

    model = Script()
    async with connect(make(model, stt=Nothing())) as peer:
        await speak(peer, 1.0, 1.5)
        assert agent_of(peer).history == []
        assert agent_of(peer).state == "listening"
    assert model.asked == []
    assert not peer.of_type("error")


async def test_without_a_recogniser_it_answers_what_is_typed() -> None:
    model = Script("Yes.")
    async with connect(make(model, stt=None)) as peer:
        await speak(peer, 1.0, 1.0)
        assert model.asked == []
        write(peer, "Hi")
        await turns(peer, 1)
        assert said(peer) == [("user", "Hi"), ("assistant", "Yes.")]


async def test_who_hears_nothing_reads_the_answer() -> None:
    """A client that only sends gets it as transcripts, without an error."""
    model = Script(["One. Tw", AdditionalOutputs("shown"), "o."])
    async with connect(make(model, greeting="Hello."), sends=frozenset()) as peer:
        write(peer, "Hi")
        await turns(peer, 1)
        assert said(peer) == [("user", "Hi"), ("assistant", "One. Two.")]
        assert [t["text"] for t in peer.of_type("transcript")] == ["Hi", "One.", "Two."]
        latest = peer.session.outputs.latest
        assert latest is not None
        assert latest.args == ("shown",)
    assert not peer.of_type("error")


async def test_the_greeting_is_in_the_history_as_far_as_it_was_heard() -> None:
    model = Script("Right.")
    greeting = "Welcome to the long greeting of the day."
    async with connect(make(model, greeting=greeting)) as peer:
        await until(lambda: agent_of(peer).state == "speaking")
        await asyncio.sleep(0.55)
        write(peer, "Hi")
        await turns(peer, 1)
        assert said(peer) == [
            ("assistant", "Welcome to the"),
            ("user", "Hi"),
            ("assistant", "Right."),
        ]


async def test_a_greeting_may_be_a_function() -> None:
    """Of the agent."""

    async def greet(agent: Any) -> str:
        return f"I am {agent.name}."

    async with connect(make(Script(), greeting=greet, name="Ada")) as peer:
        await until(lambda: agent_of(peer).history)
        assert said(peer) == [("assistant", "I am Ada.")]


async def test_who_says_nothing_is_asked() -> None:
    """Each prompt once, until the user says something; not while the agent or the user talks."""
    model = Script("Good morning to all of you.")
    prompts = ["Are you there?", "Goodbye."]
    agent = make(model, idle_prompt=prompts, idle_after=2, greeting="Hello.")
    loop = asyncio.get_running_loop()
    async with connect(agent) as peer:
        began = loop.time()
        await until(lambda: len(said(peer)) == 2)
        assert loop.time() - began == pytest.approx(0.2 + 2 + 0.6, abs=0.1)
        await until(lambda: len(said(peer)) == 3)
        await asyncio.sleep(10)
        assert [text for _, text in said(peer)] == ["Hello.", *prompts]
        await speak(peer, 2.5, 0.6)
        await turns(peer, 1)
        began = loop.time()
        await until(lambda: len(said(peer)) == 6)
        assert said(peer)[-1] == ("assistant", "Are you there?")
        assert loop.time() - began == pytest.approx(2 + 0.6, abs=0.1)


async def test_instructions_may_depend_on_who_is_there() -> None:
    """A function of the context, asked for each answer."""
    count = iter(range(9))

    async def instructions(context: Context) -> str:
        return f"You talk to {context.params['name']}, {next(count)}."

    model = Script("Yes.", "Yes.")
    async with connect(make(model, instructions=instructions), params={"name": "Bo"}) as peer:
        for number in range(2):
            write(peer, "Hi")
            await turns(peer, number + 1)
    assert [asked[0]["content"] for asked in model.asked] == [
        "You talk to Bo, 0.",
        "You talk to Bo, 1.",
    ]


@pytest.mark.parametrize(
    "fault", [ConnectionError("no route"), [0.1, ConnectionError("no route")], [60, "Late."], [7]]
)
async def test_the_next_model_is_asked_where_one_fails_at_first(
    fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it raises, is silent for too long, or yields what nobody can say."""
    first = Script([fault] if isinstance(fault, Exception) else fault)
    if fault == [7]:

        async def odd(messages: Any) -> AsyncIterator[Any]:
            yield {"content": "?"}

        models: list[Any] = [odd, Script("Second.")]
    else:
        models = [first, Script("Second.")]
    async with connect(make(models, limits=AgentLimits(model=3))) as peer:
        write(peer, "Hi")
        await turns(peer, 1)
        assert said(peer) == [("user", "Hi"), ("assistant", "Second.")]
    assert not peer.of_type("error")
    assert "the next model is asked" in caplog.text


async def test_where_no_model_answers_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Once: aloud, to the client and to the log; the next turn is answered."""
    model = Script([ConnectionError("no route")], ["Well, ", ConnectionError("gone")], "Yes.")
    sorry = AgentLimits(sorry="Sorry.")
    voice = Voice()
    async with connect(make(model, limits=sorry, tts=voice)) as peer:
        for number in range(3):
            write(peer, f"Try {number}")
            await turns(peer, number + 1)
        assert said(peer) == [
            ("user", "Try 0"),
            ("user", "Try 1"),
            ("assistant", "Well,"),
            ("user", "Try 2"),
            ("assistant", "Yes."),
        ]
    assert voice.spoken == ["Sorry.", "Well,", "Sorry.", "Yes."]
    assert len(peer.of_type("error")) == 2
    assert "the model Script failed: no route" in caplog.text


async def test_a_recogniser_that_fails_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """And the next turn is answered."""

    class Broken:
        def stt(self, audio: Any) -> str:
            raise RuntimeError("no microphone model")

    async with connect(make(Script("Yes."), stt=Broken())) as peer:
        await speak(peer, 1.0, 2.0)
        assert len(peer.of_type("error")) == 1
        await until(lambda: agent_of(peer).state == "listening")
        write(peer, "Hi")
        await turns(peer, 2)
        assert said(peer) == [("user", "Hi"), ("assistant", "Yes.")]


async def test_a_voice_that_fails_leaves_what_was_heard() -> None:
    class Broken(Voice):
        async def stream_tts(self, text: str) -> AsyncIterator[Any]:
            if "two" in text:
                raise RuntimeError("no voice")
            async for frame in super().stream_tts(text):
                yield frame

    async with connect(make(Script("Word one. Word two. Word three."), tts=Broken())) as peer:
        write(peer, "Hi")
        await turns(peer, 1)
        assert said(peer) == [("user", "Hi"), ("assistant", "Word one.")]
        assert len(peer.of_type("error")) == 1


async def test_a_model_may_publish_and_end_the_session() -> None:
    model = Script(["Bye now.", AdditionalOutputs("the end"), CloseStream("Bye.")])
    async with connect(make(model)) as peer:
        write(peer, "Hang up")
        await until(lambda: peer.close_reason is not None)
        latest = peer.session.outputs.latest
        assert latest is not None
        assert latest.args == ("the end",)
    assert peer.of_type("end_stream") == ["Bye."]
    assert said(peer) == [("user", "Hang up"), ("assistant", "Bye now.")]


async def test_a_long_answer_holds_the_model_back() -> None:
    """It is some hundred pieces ahead of the voice, and not more."""
    written = 0

    async def talkative(messages: Any) -> AsyncIterator[str]:
        nonlocal written
        for written in range(100_000):
            yield f"Sentence {written}. "

    async with connect(make(talkative)) as peer:
        write(peer, "Talk")
        await asyncio.sleep(5)
        assert written < 600


async def test_the_history_has_bounds() -> None:
    """The oldest exchanges go, each as a whole."""
    limits = AgentLimits(messages=4)
    model = Script(*(f"Answer {number}." for number in range(5)))
    async with connect(make(model, limits=limits)) as peer:
        for number in range(5):
            write(peer, f"Question {number}")
            await turns(peer, number + 1)
        assert [text for _, text in said(peer)] == [
            "Question 3",
            "Answer 3.",
            "Question 4",
            "Answer 4.",
        ]


async def test_a_hook_that_fails_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    class Clumsy(type(make(Script()))):  # type: ignore[misc]
        def on_status(self, state: str, tool: str) -> None:
            raise RuntimeError("oops")

    model = Script("Yes.")
    with caplog.at_level(logging.CRITICAL):
        agent = Clumsy(model=model, tts=Voice())
        async with connect(agent) as peer:
            write(peer, "Hi")
            await turns(peer, 1)
            assert said(peer) == [("user", "Hi"), ("assistant", "Yes.")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": []}, "needs a model"),
        ({"model": [7]}, "must be a function"),
        ({"model": Script(), "tools": [turns, turns]}, "two tools called turns|no schema"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        type(make(Script()))(**options)


def test_bounds_must_leave_room() -> None:
    with pytest.raises(ConfigurationError, match="rounds must be more than 0"):
        AgentLimits(rounds=0)


def test_a_call_has_an_id_of_its_own() -> None:
    assert ToolCall("a").id != ToolCall("a").id
