"""`ReplyOnPause` and its kin where nobody hears a reply: the function runs all the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AdditionalOutputs, AudioFrame, CloseReason, CloseStream, HandlerError
from fastrtc_core.session.pieces import NOBODY_HEARS
from fastrtc_core.testing import InProcessPeer, connect
from fastrtc_handlers import ReplyOnStopWords, TurnOptions

from .test_reply_on_pause import RATE, REPLY, SPEECH, agent, take_turn
from .turns.test_taking import LoudIsSpeech

pytestmark = pytest.mark.virtual_clock


def only_sends(handler: Any, **options: Any) -> Any:
    return connect(handler, sends=frozenset(), **options)


def outputs_of(peer: InProcessPeer) -> tuple[Any, ...] | None:
    latest = peer.session.outputs.latest
    return None if latest is None else latest.args


async def test_the_function_runs_and_its_outputs_are_published() -> None:
    """Every turn, and the client is told of each."""
    turns: list[AudioFrame] = []

    def reply(audio: AudioFrame) -> Iterator[AdditionalOutputs]:
        turns.append(audio)
        yield AdditionalOutputs(len(turns))

    async with only_sends(agent(reply)) as peer:
        for number in (1, 2):
            await take_turn(peer)
            assert outputs_of(peer) == (number,)
            assert len(peer.of_type("fetch_output")) == number
        assert not peer.of_type("error")
    assert [np.count_nonzero(turn.data) for turn in turns] == [RATE, RATE]


async def test_close_stream_ends_the_session() -> None:
    """With its text."""
    async with only_sends(agent(lambda audio: CloseStream("Thank you."))) as peer:
        await take_turn(peer, 2)
        assert peer.of_type("end_stream") == ["Thank you."]
        assert peer.close_reason is CloseReason.CLOSE_STREAM


@pytest.mark.parametrize("sounds", [[REPLY] * 3, ["Hello. ", "And ", "good bye."]])
async def test_what_it_has_to_say_is_the_error(
    sounds: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Audio or text: once in each turn, in words; the outputs beside it are published."""
    spoken: list[str] = []

    class Speaks:
        def tts(self, text: str) -> Any:
            spoken.append(text)
            return REPLY

    def reply(audio: AudioFrame) -> Iterator[Any]:
        yield from sounds
        yield REPLY, AdditionalOutputs("done")

    with caplog.at_level(logging.ERROR):
        async with only_sends(agent(reply, tts=Speaks())) as peer:
            for turns in (1, 2):
                await take_turn(peer, 2)
                assert peer.of_type("error") == [NOBODY_HEARS] * turns
                assert outputs_of(peer) == ("done",)
    assert len(caplog.records) == 2
    assert not spoken, "nobody hears it"


async def test_who_goes_on_speaking_interrupts_nothing() -> None:
    """There is nothing to be interrupted: each turn is answered by itself, one after the other."""
    done: list[int] = []

    async def reply(audio: AudioFrame) -> None:
        await asyncio.sleep(3)
        done.append(int(np.count_nonzero(audio.data)))

    async with only_sends(agent(reply)) as peer:
        for _ in range(3):
            await take_turn(peer, 0.6)
        await asyncio.sleep(10)
        assert not peer.of_type("interrupted")
    assert done == [RATE] * 3


async def test_stop_words() -> None:
    """The same for those that must be called by name."""

    class Told:
        def stt(self, audio: Any) -> str:
            return "computer what time is it"

    handler = ReplyOnStopWords(
        lambda audio: AdditionalOutputs("noon"),
        ["computer"],
        stt=Told(),
        model=LoudIsSpeech(),
        algo_options=TurnOptions(silence=0.5),
        input_sample_rate=RATE,
    )
    async with only_sends(handler) as peer:
        await take_turn(peer)
        assert peer.of_type("stopword") == ["what time is it"]
        assert outputs_of(peer) == ("noon",)


async def test_typed_turns_of_a_session_without_media() -> None:
    """The function gets what was typed, and no audio is needed for that."""

    def reply(audio: AudioFrame, *, text: str) -> AdditionalOutputs:
        return AdditionalOutputs(audio.duration, text)

    async with only_sends(agent(reply), receives=frozenset()) as peer:
        peer.send({"command": "text", "text": "hello"})
        await asyncio.sleep(0.1)
        assert outputs_of(peer) == (0.0, "hello")


async def test_a_function_that_raises() -> None:
    """Is reported as anywhere else, and the next turn runs."""
    turns = 0

    def reply(audio: AudioFrame) -> None:
        nonlocal turns
        turns += 1
        raise HandlerError("Not today.")

    async with only_sends(agent(reply)) as peer:
        await peer.speak(SPEECH)
        await take_turn(peer, 2)
        await take_turn(peer, 2)
        assert turns == 2
        assert peer.of_type("error") == ["Not today."] * 2
