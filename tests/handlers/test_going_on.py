"""Who goes on before anything of the answer was heard: both parts are one turn, on every path."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame, CloseReason
from fastrtc_core.testing import InProcessPeer, connect, tone

from .test_reply_on_pause import RATE, agent, handler_of

REPLY = tone(500, 0.5, 24000)

Turn = tuple[int, str]
"""Samples of speech, and what was typed."""


class STT:
    """Says what it is told to, or raises it; after a while, if so."""

    def __init__(self, said: Any, delay: float = 0.0) -> None:
        self.said, self.delay = said, delay

    def stt(self, audio: Any) -> str:
        time.sleep(self.delay)
        if isinstance(self.said, BaseException):
            raise self.said
        return str(self.said)


async def speak(peer: InProcessPeer, speech: float, silence: float) -> None:
    for value, seconds in ((100, speech), (0, silence)):
        await peer.speak(AudioFrame(RATE, np.full((1, round(RATE * seconds)), value, np.int16)))


def thinking(turns: list[Turn], kind: str) -> Any:
    """A function of some kind that thinks for two seconds before it is heard."""

    def note(audio: AudioFrame, text: str) -> None:
        turns.append((int(np.count_nonzero(audio.data)), text))

    async def coroutine(audio: AudioFrame, *, text: str) -> AudioFrame:
        note(audio, text)
        await asyncio.sleep(2)
        return REPLY

    async def async_generator(audio: AudioFrame, *, text: str) -> AsyncIterator[AudioFrame]:
        note(audio, text)
        await asyncio.sleep(2)
        yield REPLY

    return {"coroutine": coroutine, "async generator": async_generator}[kind]


RECOGNISERS = {
    "none": None,
    "text": STT("and to Cambridge"),
    "backchannel": STT("yeah"),
    "empty": STT(""),
    "failing": STT(RuntimeError("no model")),
    "slow": STT("well", 0.1),
}


@pytest.mark.virtual_clock
@pytest.mark.parametrize(("kind", "seconds"), [("coroutine", 0.45), ("async generator", 2.0)])
@pytest.mark.parametrize("stt", RECOGNISERS)
async def test_both_parts_are_one_turn(stt: str, kind: str, seconds: float) -> None:
    """Audio and text, whatever recognises, however short the second part is."""
    turns: list[Turn] = []
    made = agent(thinking(turns, kind), stt=RECOGNISERS[stt])
    async with connect(made) as peer:
        handler_of(peer).add_text("look at this", respond=False)
        await speak(peer, 1, 0.8)
        assert turns == [(RATE, "look at this")]
        await speak(peer, seconds, 3.2)
        assert turns[1:] == [(RATE + round(seconds * RATE), "look at this")]
        assert len(peer.heard) == 25, "the second answer, whole"
        await speak(peer, 1, 1)
        assert turns[2:] == [(RATE, "")], "what was answered is not said again"
        assert not peer.of_type("error")


@pytest.mark.virtual_clock
@pytest.mark.parametrize("stt", ["none", "empty"])
async def test_a_sync_function_gets_both_parts(stt: str) -> None:
    """Though its first call is still at work, and is left to itself."""
    turns: list[Turn] = []
    let_go = threading.Event()

    def reply(audio: AudioFrame, *, text: str) -> AudioFrame:
        turns.append((int(np.count_nonzero(audio.data)), text))
        if len(turns) == 1:
            let_go.wait(20)
        return REPLY

    async with connect(agent(reply, stt=RECOGNISERS[stt])) as peer:
        handler_of(peer).add_text("look at this", respond=False)
        await speak(peer, 1, 0.8)
        await speak(peer, 0.45, 1.5)
        let_go.set()
        assert turns == [(RATE, "look at this"), (RATE + round(0.45 * RATE), "look at this")]
        assert len(peer.heard) == 25


@pytest.mark.virtual_clock
async def test_who_goes_on_by_typing() -> None:
    """What was spoken and typed before is part of that turn, or nobody would answer it."""
    turns: list[Turn] = []
    async with connect(agent(thinking(turns, "coroutine"))) as peer:
        await speak(peer, 1, 0.8)
        handler_of(peer).add_text("to Cambridge")
        await asyncio.sleep(0.5)
        handler_of(peer).add_text("please")
        await asyncio.sleep(0.5)
        await speak(peer, 0.45, 4)
        handler_of(peer).add_text("thanks")
        await asyncio.sleep(0.5)
        handler_of(peer).forget()
        handler_of(peer).add_text("again")
        await asyncio.sleep(0.5)
    both = RATE + round(0.45 * RATE)
    assert turns == [
        (RATE, ""),
        (RATE, "to Cambridge"),
        (RATE, "to Cambridge please"),
        (both, "to Cambridge please"),
        (0, "thanks"),
        (0, "again"),
    ]


@pytest.mark.virtual_clock
async def test_an_interruption_that_was_asked_for_takes_nothing_back() -> None:
    """Who ended the answer does not want it any more."""
    turns: list[Turn] = []
    async with connect(agent(thinking(turns, "coroutine"))) as peer:
        handler_of(peer).add_text("look at this", respond=False)
        await speak(peer, 1, 0.8)
        peer.send({"command": "interrupt"})
        await speak(peer, 0, 0.2)
        await speak(peer, 1, 1)
    assert turns == [(RATE, "look at this"), (RATE, "")]


@pytest.mark.virtual_clock
async def test_a_recogniser_that_exits_ends_its_session() -> None:
    """As any other code of the application does, though it runs on a thread of ours."""

    def reply(audio: AudioFrame) -> AudioFrame:
        return tone(500, 10, 24000)

    async with connect(agent(reply, stt=STT(SystemExit(3)))) as peer:
        await speak(peer, 1, 1)
        await speak(peer, 0.3, 1)
        await asyncio.sleep(1)
        assert peer.session.close_reason is CloseReason.ERROR
        assert len(peer.of_type("error")) == 1


@pytest.mark.virtual_clock
@pytest.mark.parametrize("heard", [True, False])
async def test_an_answer_is_asked_for_in_the_midst_of_the_one_before(heard: bool) -> None:
    """What was said beside the bot was meant: it does not stay silent, and answers it."""
    turns: list[int] = []

    async def reply(audio: AudioFrame) -> AudioFrame:
        turns.append(int(np.count_nonzero(audio.data)))
        await asyncio.sleep(0 if heard else 2)
        return tone(500, 3, 24000)

    async with connect(agent(reply)) as peer:
        await speak(peer, 1, 0.8)
        await speak(peer, 0.2 if heard else 0.06, 0.1)
        peer.send({"command": "respond"})
        await asyncio.sleep(6)
        assert turns == [RATE, RATE // 5 if heard else RATE + RATE * 6 // 100]
        assert len(peer.heard) == pytest.approx(150, abs=20)
        assert handler_of(peer).speech is None
