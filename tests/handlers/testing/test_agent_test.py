"""Calls to agents: what the caller does, hears and is told of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastrtc_core import AsyncStreamHandler, AudioFrame, ConfigurationError
from fastrtc_handlers import Echo, ReplyOnPause, VoiceAgent
from fastrtc_handlers.agent import ToolCall
from fastrtc_handlers.testing import (
    Backchannel,
    Call,
    CallReport,
    Fault,
    HangUp,
    Interrupt,
    NoReplyError,
    Press,
    Reply,
    Say,
    StandInSTT,
    StandInVAD,
    StandInVoice,
    ToneSpeech,
    Type,
    Wait,
    agent_test,
    follow,
    persona,
    run_call,
    talk,
)

from .agents import SILENCE, STORY, model, restaurant, spare


@pytest.mark.parametrize("loss", [0.0, 0.05])
async def test_a_turn(loss: float) -> None:
    """What was said, heard and called; and the gap is that of the detector, and the way."""
    async with agent_test(restaurant(), loss=loss, jitter=loss, seed=3) as call:
        greeting = await call.reply()
        assert (greeting.text, greeting.said) == ("Good evening.", "")
        said = await call.say("A table for two, please.")
        turn = await call.reply()
    assert turn is said is call.turns[0]
    assert turn.text == "There is one for 2 at eight."
    assert (turn.tools, turn.outcomes) == (["find_table"], ["done"])
    assert turn.record is not None
    assert turn.record.user == turn.said
    assert turn.record.gap == pytest.approx(turn.gap, abs=0.15)  # without the way back
    assert turn.gap is not None
    assert abs(turn.gap - SILENCE - 0.2) < (0.25 if loss else 0.05)
    assert turn.end - turn.start == pytest.approx(1.0, abs=0.05)
    assert call.conversation == [
        {"role": "assistant", "content": "Good evening."},
        {"role": "user", "content": "A table for two, please."},
        {"role": "assistant", "content": "There is one for 2 at eight."},
    ]
    assert call.heard == "Good evening. There is one for 2 at eight."


async def test_an_interruption() -> None:
    """The answer ends where the caller begins, and the agent knows which words were heard."""
    async with agent_test(restaurant(greeting=None), loss=0.05) as call:
        told = await call.say("Tell me a story.")
        turn = await call.interrupt("No, another one.", after=1.5)
        await call.reply()
    assert told.interrupted
    assert not turn.interrupted
    assert turn.how == "interruption"
    assert STORY.startswith(told.text)
    assert 6 <= len(told.text.split()) <= 10
    assert turn.silent_after is not None
    assert 0 < turn.silent_after < 0.3
    assert turn.text == "What can I do for you?"
    assert [spoken.wrong for spoken in call.spoken] == [0, 0]
    assert call.spoken[0].playback.text == told.text


async def test_what_the_agent_takes_as_heard_is_compared() -> None:
    """A voice that says something else than its text: no word of it was heard."""

    class Liar(StandInVoice):
        def stream_tts(self, text: str, options: Any = None) -> Any:
            return super().stream_tts("la " * len(text.split()))

    speech = ToneSpeech()
    agent = restaurant(greeting=None, stt=StandInSTT(speech), tts=Liar(speech, timed=False))
    async with agent_test(agent, stand_ins=False, voice=StandInVoice(speech)) as call:
        call._speech = speech
        await call.say("Hello there.")
        await call.reply()
    assert call.turns[0].text == "la la la la la la"
    assert [spoken.wrong for spoken in call.spoken] == [6]


async def test_an_agent_with_voices_of_its_own() -> None:
    """The caller speaks with one that the agent knows, and hears with what knows that of it."""
    hers, his = ToneSpeech(), ToneSpeech()
    agent = restaurant(stt=StandInSTT(hers), tts=StandInVoice(his))
    async with agent_test(
        agent, stand_ins=False, voice=StandInVoice(hers), ears=StandInSTT(his)
    ) as call:
        await call.reply()
        await call.say("A table for two, please.")
        turn = await call.reply()
    assert call.greeting.text == "Good evening."
    assert turn.text == "There is one for 2 at eight."


def test_steps() -> None:
    """A backchannel is no turn, and what is said after hanging up is not said."""
    steps = [
        Reply(),
        Say("Tell me a story.", listen=False),
        Backchannel(after=1.0),
        Type("A table"),
        Wait(1.0),
        Say("A story, again.", listen=False),
        Interrupt("Stop it.", 0.4),
        Press("#"),
        HangUp(0.5),
        Say("Nobody hears this."),
    ]
    report = run_call(restaurant(), steps)
    assert report.turns == 5
    assert report.tools == ["find_table"]
    assert len(report.silent_after) == 1
    assert max(report.wrong_words) <= 1  # of the word in which the backchannel began
    assert STORY in report.conversation
    assert "client" in report.conversation.splitlines()[-1]
    assert report.as_dict()["gaps"] == report.gaps
    assert len(report.gaps) == 4
    again = run_call(restaurant(), steps)
    assert again == report


@pytest.mark.parametrize(
    ("fault", "text", "errors"),
    [
        (Fault("model:0", "fail"), "My colleague is ill.", 0),
        (Fault("model:0", "hang"), "My colleague is ill.", 0),
        (Fault("model", "fail"), "Sorry.", 1),
        (Fault("model", "fail", end=0.5), "There is one for 2 at eight.", 0),
        (Fault("find_table", "fail"), "I cannot look it up.", 0),
        (Fault("find_table", "hang"), "I cannot look it up.", 0),
        (Fault("find_table", "slow", seconds=1), "There is one for 2 at eight.", 0),
        (Fault("stt", "fail"), "Sorry.", 1),
        (Fault("tts", "fail", times=1), "", 1),
        (Fault("tts", "break", times=1), "There", 1),
    ],
    ids=repr,
)
async def test_faults(fault: Fault, text: str, errors: int) -> None:
    """Who fails is noticed where it matters, and nowhere else."""
    agent = restaurant(model=[model, spare], greeting=None)
    async with agent_test(agent, faults=[fault]) as call:
        await call.say("A table for two, please.")
        turn = await call.reply()
    assert turn.text == text
    assert len(turn.errors) == errors


async def test_faults_of_what_an_agent_does_not_have() -> None:
    """Drawn calls have them; but a tool under a wrong name would never fail, and nobody notice."""
    agent = ReplyOnPause(lambda audio: audio, model=StandInVAD(), input_sample_rate=16000)
    faults = [Fault(of, "fail") for of in ("stt", "tts", "model", "model:0")]
    async with agent_test(agent, faults=faults) as call:
        await call.say("Say it again.")
        turn = await call.reply()
    assert (turn.text, turn.errors) == ("Say it again.", [])
    with pytest.raises(ConfigurationError, match="no tool 'find_tabel'"):
        await agent_test(restaurant(), faults=[Fault("find_tabel", "fail")]).__aenter__()


async def test_what_an_agent_says_that_was_handed_over_to_is_heard() -> None:
    """It speaks as the first one, whatever voice it has of its own."""
    other = restaurant(model=spare, tts=StandInVoice(ToneSpeech()))

    async def model(messages: list[dict[str, Any]]) -> Any:
        yield ToolCall("transfer")

    def transfer() -> VoiceAgent:
        return other

    first = VoiceAgent(
        model=model, tools=[transfer], stt=other.stt, tts=other.tts, vad=StandInVAD()
    )
    async with agent_test(first) as call:
        await call.say("Somebody else, please.")
        turn = await call.reply()
    assert turn.text == "My colleague is ill."


async def test_a_simulated_caller() -> None:
    """A function is given the conversation; a persona is played by a model, from its own side."""

    def caller(conversation: list[dict[str, str]]) -> Any:
        if len(conversation) == 1:
            return "A table for two, please."
        return Type("Thanks") if len(conversation) == 3 else None

    async with agent_test(restaurant()) as call:
        await call.reply()
        await talk(call, caller)
    assert [turn.how for turn in call.turns] == ["spoken", "typed"]

    asked: list[list[dict[str, str]]] = []

    async def play(messages: list[dict[str, str]]) -> str:
        asked.append(messages)
        return "A table, please." if len(asked) == 1 else "[hang up]"

    async with agent_test(restaurant()) as call:
        await call.reply()
        await talk(call, persona("You are hungry.", play))
    assert [turn.said for turn in call.turns] == ["A table, please."]
    assert "You are hungry." in asked[0][0]["content"]
    assert [each["role"] for each in asked[1][1:]] == ["user", "assistant", "user"]

    async with agent_test(restaurant()) as call:
        await talk(call, persona("You are hungry.", lambda messages: "No, thanks. [hang up]"))
        assert call.ended
    assert [turn.said for turn in call.turns] == ["No, thanks."]


async def test_an_agent_that_says_nothing() -> None:
    """It is said what was waited for; the conversation stands in the error of a test, too."""

    class Deaf(AsyncStreamHandler):
        async def receive(self, frame: AudioFrame) -> None: ...

        async def emit(self) -> None:
            await asyncio.Event().wait()

        def copy(self) -> Deaf:
            return Deaf()

    calls: list[Call] = []

    async def ask() -> None:
        async with agent_test(Deaf()) as call:
            calls.append(call)
            await call.say("Is anybody there?")
            await call.reply(timeout=5)

    with pytest.raises(NoReplyError, match="within 5 s") as raised:
        await ask()
    assert "spoken: Is anybody there?" in raised.value.__notes__[0]
    with pytest.raises(NoReplyError, match="the call is over"):
        await calls[0].say("Hello?")


async def test_handlers_that_are_no_voice_agents() -> None:
    """One that answers what it hears, and one that only sends it back."""
    agent = ReplyOnPause(lambda audio: audio, model=StandInVAD(), input_sample_rate=16000)
    async with agent_test(agent) as call:
        await call.say("Say it again.")
        assert (await call.reply()).text == "Say it again."
    async with agent_test(Echo(), loss=0.05) as call:
        await call.say("Hello out there.")
        turn = await call.reply()
    assert turn.text == "Hello out there."


async def test_the_agent_may_hang_up() -> None:
    """Then there is nothing more to wait for."""
    from fastrtc_core import CloseStream

    async def model(messages: list[dict[str, Any]]) -> Any:
        yield "Goodbye."
        yield CloseStream()

    async with agent_test(restaurant(model=model)) as call:
        await call.say("Bye.")
        turn = await call.reply()
        assert call.ended
        await follow(call, [Say("Nobody hears this.")])
    assert turn.text == "Goodbye."
    assert CallReport.of(call).turns == 1


async def test_hanging_up_beside_a_step() -> None:
    """Whoever waits for an answer then does not wait for ever."""
    async with agent_test(restaurant()) as call, asyncio.TaskGroup() as tasks:
        tasks.create_task(follow(call, [Say("Tell me a story."), Say("Nobody hears this.")]))
        await call.wait(2)
        await call.hang_up()
    assert len(call.turns) == 1
