"""Drafts: the answer is begun in the pause, and heard only if that was the end of the turn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import connect
from fastrtc_handlers import TurnOptions
from fastrtc_handlers.agent import ToolCall

from .support import Recorded, Script, Voice, agent_of, make, said, speak, turns, until, write

EARLY = TurnOptions(silence=0.5, draft_after=0.2)
LATE = TurnOptions(silence=0.5)


@pytest.mark.parametrize("thinks", [0.1, 0.25, 0.6])
async def test_the_silence_of_the_pause_is_used(thinks: float) -> None:
    """What the model needs for its first word runs beside the silence that ends the turn."""
    sounds = []
    for options in (LATE, EARLY):
        async with connect(make(Script([thinks, "One two."]), algo_options=options)) as peer:
            await speak(peer, 1.0, 2.0)
            (record,) = agent_of(peer).records
            sounds.append(record.gap)
            assert record.head_start == pytest.approx(0.3 if options is EARLY else 0, abs=0.03)
            assert said(peer) == [("user", "word0 word1"), ("assistant", "One two.")]
            assert [t["role"] for t in peer.of_type("transcript")] == ["user", "assistant"]
    late, early = sounds
    assert late == pytest.approx(0.5 + thinks, abs=0.03)
    assert early == pytest.approx(0.5 + max(0.0, thinks - 0.3), abs=0.04)


async def test_a_draft_has_its_instructions() -> None:
    """They are not worked out once more when the turn is over."""
    called = 0

    async def instructions(context: Any) -> str:
        nonlocal called
        called += 1
        await asyncio.sleep(0.2)
        return "Be brief."

    agent = make(Script("Yes."), instructions=instructions, algo_options=EARLY)
    async with connect(agent) as peer:
        await speak(peer, 1.0, 2.0)
        assert agent_of(peer).records[0].gap == pytest.approx(0.5, abs=0.04)
        assert called == 1


async def test_what_was_no_end_is_never_heard() -> None:
    """The user goes on: the model is given up, its tools are not called, and nothing is told."""
    called: list[str] = []

    async def light() -> None:
        called.append("light")

    drafts = [["Too early. ", ToolCall("light"), 60], [0.1, "Too early, too. ", 60]]
    model = Script(*drafts, "Now.")
    voice = Voice()
    async with connect(make(model, light, algo_options=EARLY, tts=voice)) as peer:
        await speak(peer, 1.0, 0.4)
        await speak(peer, 1.0, 0.4)
        assert model.closed >= 1
        await speak(peer, 1.0, 1.5)
        await turns(peer, 1)
        assert said(peer) == [
            ("user", " ".join(f"word{number}" for number in range(6))),
            ("assistant", "Now."),
        ]
        assert len([t for t in peer.of_type("transcript") if t["role"] == "user"]) == 1
    assert voice.spoken == ["Now."]
    assert called == []
    assert len(model.asked) == 3
    assert model.closed == 3
    assert not peer.of_type("error")


async def test_a_turn_that_is_not_to_be_answered_ends_its_draft() -> None:
    class Choosy(Recorded):
        def determine_reply(self, audio: AudioFrame) -> bool:
            return False

    model = Script([60, "Never."])
    async with connect(make(model, algo_options=EARLY, cls=Choosy)) as peer:
        await speak(peer, 1.0, 1.0)
        assert len(model.asked) == model.closed == 1
        assert not peer.turns


async def test_tools_of_a_draft_are_called_when_it_is_an_answer() -> None:
    called: list[float] = []

    async def light() -> str:
        called.append(asyncio.get_running_loop().time())
        return "It is on."

    model = Script([ToolCall("light")], "Done.")
    loop = asyncio.get_running_loop()
    async with connect(make(model, light, algo_options=EARLY)) as peer:
        began = loop.time()
        await speak(peer, 1.0, 1.5)
        await turns(peer, 1)
        assert said(peer)[-1] == ("assistant", "Done.")
    assert called[0] - began >= 1.45
    assert agent_of(peer).records[0].rounds == 2


async def test_a_draft_does_not_know_what_was_typed_after_it() -> None:
    """It is dropped, and the whole turn is answered."""
    model = Script([60, "Of the first half."], "Of all of it.")
    async with connect(make(model, algo_options=EARLY)) as peer:
        await speak(peer, 1.0, 0.35)
        write(peer, "and more")
        await turns(peer, 1)
        assert said(peer) == [("user", "word0 word1 and more"), ("assistant", "Of all of it.")]
        await until(lambda: model.closed == 2)


async def test_an_interruption_ends_the_draft_with_the_turn() -> None:
    """While the words are not known yet, and while the model writes."""

    class Slow:
        async def stt(self, audio: Any) -> str:
            await asyncio.sleep(1.0)
            return "hello"

    for stt, model in ((Slow(), Script()), (None, Script([60, "Never."]))):
        options = {} if stt is None else {"stt": stt}
        async with connect(make(model, algo_options=EARLY, **options)) as peer:
            await speak(peer, 1.0, 0.7)
            peer.send({"command": "interrupt"})
            await turns(peer, 1)
            await asyncio.sleep(2)
            assert len(model.asked) == model.closed == (0 if stt is not None else 1)
        assert not peer.of_type("error")


async def test_what_fails_in_a_draft_is_reported_once() -> None:
    """If it was the answer; a draft that is dropped is nobody's business."""

    class Broken:
        def stt(self, audio: Any) -> str:
            raise RuntimeError("no model")

    broken = Script([ConnectionError("no route")], "Yes.")
    for model, options in ((broken, {}), (Script("Yes."), {"stt": Broken()})):
        async with connect(make(model, algo_options=EARLY, **options)) as peer:
            await speak(peer, 1.0, 0.35)
            if not options:
                model.answers.insert(0, [ConnectionError("no route")])
            await speak(peer, 1.0, 2.5)
            assert len(peer.of_type("error")) == 1
            write(peer, "Hi")
            await turns(peer, 2)
            assert said(peer)[-1] == ("assistant", "Yes.")


async def test_a_turn_that_goes_on_is_not_drafted() -> None:
    """What it is part of is still in the history, and would be heard of twice."""
    model = Script([2.0, "Too late."], "Now.")
    async with connect(make(model, algo_options=EARLY)) as peer:
        await speak(peer, 1.0, 0.8)
        await speak(peer, 1.0, 1.5)
        await turns(peer, 2)
        assert said(peer) == [("user", "word0 word1 word2 word3"), ("assistant", "Now.")]
    assert len(model.asked) == 2
    assert len(model.asked[1]) == 2


async def test_a_key_forgets_the_draft() -> None:
    """What is said while it is pressed is another turn."""
    model = Script([60, "Never."], "Now.")
    async with connect(make(model, algo_options=EARLY)) as peer:
        await speak(peer, 1.0, 0.35)
        peer.send({"command": "push_to_talk", "on": True})
        await speak(peer, 1.5)
        peer.send({"command": "push_to_talk", "on": False})
        await turns(peer, 1)
        assert said(peer) == [("user", "word0 word1 word2"), ("assistant", "Now.")]
