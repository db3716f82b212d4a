"""Calls through `OpenAIRealtime` to our own Realtime server, behind which somebody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame, Stream
from fastrtc_core.client import Client
from fastrtc_core.testing import connect, tone
from fastrtc_handlers.agent import TurnRecord
from fastrtc_handlers.realtime import OpenAIRealtime

from ...webrtc.support import eventually, gone
from ..turns.test_taking import LoudIsSpeech
from .support import (
    RATE,
    SILENCE,
    SPEECH,
    TURNS,
    Talker,
    behind,
    bridge_of,
    heard,
    in_state,
    speak,
    steady,
)


def long(audio: AudioFrame) -> AudioFrame:
    return steady(5.0)


async def echo(audio: AudioFrame) -> AsyncIterator[AudioFrame]:
    yield audio


async def test_the_model_is_set_up_hears_and_is_heard() -> None:
    talker = Talker(echo)
    async with behind(talker, voice="marin") as bridge:
        async with connect(bridge) as peer:
            await in_state(peer, "listening")
            await speak(peer, SPEECH, SILENCE)
            await in_state(peer, "listening")
            assert heard(peer) == pytest.approx(SPEECH.duration, abs=0.05)
            update = talker.of_type("session.update")[0]["session"]
            assert update["instructions"] == "Be brief."
            assert update["audio"]["output"]["voice"] == "marin"
            (turn,) = peer.turns
            assert turn.answered
            assert (turn.models["model"], turn.user) == ("gpt-realtime-2", "")
            assert list(turn.stages)[:2] == ["silence", "model"]
            assert not peer.of_type("error")


async def test_who_interrupts_is_told_to_the_model_at_the_ms_that_was_heard() -> None:
    talker = Talker(long)
    async with behind(talker) as bridge:
        async with connect(bridge) as peer:
            await in_state(peer, "listening")
            await speak(peer, SPEECH, SILENCE)
            await in_state(peer, "speaking")
            await asyncio.sleep(1.3)
            await speak(peer, SPEECH)
            [truncation] = await eventually(lambda: talker.of_type("conversation.item.truncate"))
            assert 1000 * heard(peer) == pytest.approx(truncation["audio_end_ms"], abs=20)
            assert 1.0 < heard(peer) < 2.5
            assert not peer.of_type("error")


@pytest.mark.parametrize("key", [False, True], ids=["pause", "key"])
async def test_turns_are_found_here(key: bool) -> None:
    """The model is told when a turn is over: in a pause, or when a key is released."""
    talker = Talker(echo)
    options: dict[str, Any] = {"turn_detection": "local", "vad": LoudIsSpeech()}
    async with behind(talker, algo_options=TURNS, **options) as bridge:
        async with connect(bridge) as peer:
            await in_state(peer, "listening")
            if key:
                peer.send({"command": "push_to_talk", "on": True})
                await speak(peer, SPEECH)
                peer.send({"command": "push_to_talk", "on": False})
            await speak(peer, *([] if key else [SPEECH]), SILENCE)
            await eventually(lambda: heard(peer) > SPEECH.duration - 0.05)
            await in_state(peer, "listening")
            assert heard(peer) == pytest.approx(SPEECH.duration, abs=0.1)
            commands = [each["command"] for each in talker.told if "command" in each]
            assert commands == ["push_to_talk", "respond"]
            assert not peer.of_type("error")
            (turn,) = peer.turns
            assert turn.answered
            assert turn.stages["silence"] == pytest.approx(0.0 if key else 0.3, abs=0.05)


async def test_an_interruption_that_is_found_here_cancels_and_truncates() -> None:
    turns: list[float] = []

    def answer(audio: AudioFrame) -> AudioFrame:
        turns.append(np.count_nonzero(audio.data) / audio.sample_rate)
        return steady(5.0)

    talker = Talker(answer)
    options: dict[str, Any] = {"turn_detection": "local", "vad": LoudIsSpeech()}
    async with behind(talker, algo_options=TURNS, **options) as bridge:
        async with connect(bridge) as peer:
            await in_state(peer, "listening")
            await speak(peer, SPEECH, SILENCE)
            await in_state(peer, "speaking")
            await asyncio.sleep(1.0)
            await speak(peer, SPEECH, SILENCE)
            [truncation] = await eventually(lambda: talker.of_type("conversation.item.truncate"))
            await in_state(peer, "speaking")
            assert 500 < truncation["audio_end_ms"] < 2500
            await eventually(lambda: len(turns) == 2)
            assert turns == pytest.approx([SPEECH.duration] * 2, abs=0.05), "nothing is lost"
            assert not peer.of_type("error")
            assert bridge_of(peer).speech is not None


async def test_what_is_typed_is_answered() -> None:
    typed: list[str] = []

    async def answer(audio: AudioFrame, *, text: str) -> AudioFrame:
        typed.append(text)
        return steady(0.4)

    async with behind(Talker(answer)) as bridge:
        async with connect(bridge) as peer:
            peer.send({"command": "text", "text": "Hello?"})  # before the model is there
            await eventually(lambda: heard(peer) > 0.3)
            await in_state(peer, "listening")
            peer.send({"command": "text", "text": "Again."})
            await eventually(lambda: heard(peer) > 0.7)
            assert typed[-1] == "Again."
            assert [said.text for said in bridge_of(peer).conversation] == ["Hello?", "Again."]


async def test_a_call_over_real_peers() -> None:
    """WebRTC, the bridge, the Realtime server and who answers: interrupted within a moment."""
    talker = Talker(lambda audio: tone(500, 5.0, RATE))
    async with behind(talker) as bridge:
        stream = Stream(bridge, modality="audio", mode="send-receive")
        async with Client(stream.offer) as client:
            assert client.audio_stream is not None
            times: list[float] = []
            loop = asyncio.get_running_loop()

            async def listen() -> None:
                async for event in client.audio_stream:  # type: ignore[union-attr]
                    if np.abs(event.frame.data).max() > 500:
                        times.append(loop.time())

            async def say(audio: AudioFrame) -> None:
                assert client.audio_source is not None
                await client.audio_source.capture_frame(audio)
                await client.audio_source.wait_for_playout()

            listening = asyncio.create_task(listen())
            await say(tone(300, 0.6))
            await say(quiet(2.0))
            answered = times[0]
            onset = loop.time()
            await say(tone(300, 0.3))
            await say(quiet(0.1))
            assert max(times) - onset < 0.3
            [truncation] = await eventually(lambda: talker.of_type("conversation.item.truncate"))
            assert truncation["audio_end_ms"] / 1000 == pytest.approx(
                max(times) - answered, abs=0.1
            )
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        await gone(stream)


def quiet(seconds: float) -> AudioFrame:
    return AudioFrame(48000, np.zeros((1, round(48000 * seconds)), np.int16))


async def test_turns_are_timed() -> None:
    """From the end of speech to the first sound: what the model waits for, and what it takes."""
    records: list[TurnRecord] = []

    class Timed(OpenAIRealtime):
        def on_turn(self, record: TurnRecord) -> None:
            records.append(record)

    async def slow(audio: AudioFrame) -> AudioFrame:
        await asyncio.sleep(0.4)
        return steady(0.5)

    silence = {"type": "server_vad", "silence_duration_ms": 300}
    async with behind(Talker(slow), make=Timed, turn_detection=silence) as bridge:
        async with connect(bridge) as peer:
            await in_state(peer, "listening")
            await speak(peer, SPEECH, SILENCE)
            await eventually(lambda: records)
            peer.send({"command": "text", "text": "Hello."})
            await eventually(lambda: len(records) == 2)
    spoken, typed = records
    assert (spoken.ending, typed.ending) == ("silence", "text")
    assert spoken.stages["silence"] == pytest.approx(0.3, abs=0.02)
    assert spoken.stages["model"] == pytest.approx(0.4, abs=0.05)
    assert spoken.models == {"model": "gpt-realtime-2"}
    assert spoken.heard_seconds == pytest.approx(0.5, abs=0.02)
    assert (typed.user, typed.answered) == ("Hello.", True)
