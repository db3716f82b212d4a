"""What a handler that takes part in a channel puts out, and who is told."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest
import uvloop
from hypothesis import given

from fastrtc_core import AdditionalOutputs, AsyncStreamHandler, AudioFrame, ConfigurationError
from fastrtc_core.channel import Channel, Transcript
from fastrtc_core.errors import MessageError
from fastrtc_core.messaging.transcripts import MAX_TEXT, read_transcript
from fastrtc_core.room.hearing import GAP, PAUSE, Hearing
from fastrtc_core.testing import tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers import Transcriber

from ..cluster.support import servers, settle
from ..failures import Failure, every_failure, first
from ..fuzz.strategies import damaged_json, examples, json_values
from ..handlers.turns.test_taking import LoudIsSpeech
from .test_channel import RATE, meeting

pytestmark = pytest.mark.virtual_clock

Told = list[tuple[int | None, Transcript, int]]


def listen(*channels: Channel) -> list[Told]:
    """What each of them is told of transcripts from now on."""
    told: list[Told] = []
    for channel in channels:
        heard: Told = []
        told.append(heard)

        async def note(*details: Any, heard: Told = heard) -> None:
            heard.append(details)

        channel.on("transcript", note)
    return told


class Scribe(AsyncStreamHandler):
    """Writes down how loud each frame is, in words; async, so that it runs on virtual time."""

    per_user = True

    def __init__(self) -> None:
        super().__init__(input_sample_rate=16000, output_sample_rate=24000)
        self.loud = 0

    async def receive(self, frame: AudioFrame) -> None:
        if abs(frame.data).max() > 5000:
            self.loud += 1
        if self.loud == 10:
            self.loud = 11
            said = {"text": "loud", "final": True, "start": 0.5, "end": 0.7, "role": "user"}
            await self.send_message({"type": "transcript", "data": said})
            self.publish("loud", self.loud)

    async def emit(self) -> None:
        await asyncio.Event().wait()

    def copy(self) -> Scribe:
        return Scribe()


async def test_a_transcript_says_who_spoke() -> None:
    """To everybody, the speaker and the handler's own member included; who spoke is right even if
    two speak at once."""
    async with meeting(1, 2, 9) as (one, two, agent):
        told = listen(one, two, agent)
        await agent.attach(Scribe())
        await asyncio.sleep(0.1)
        await two.push_audio_frame(tone(500, 0.5, RATE))
        await asyncio.sleep(1)
        await asyncio.gather(
            one.push_audio_frame(tone(500, 0.5, RATE)), two.push_audio_frame(tone(700, 0.5, RATE))
        )
        await asyncio.sleep(1)
        expected = Transcript("loud", True, 0.5, 0.7, "user")
        assert told == [[(2, expected, 9), (1, expected, 9)]] * 3


async def test_with_one_copy_for_all_nobody_knows_who_spoke() -> None:
    """And the uid says so."""
    async with meeting(1, 9) as (one, agent):
        (told,) = listen(one)
        outputs: list[Any] = []

        async def note(output: AdditionalOutputs, uid: int | None) -> None:
            outputs.append((output.args, uid))

        await agent.attach(Scribe(), per_user=False, on_outputs=note)
        await asyncio.sleep(0.1)
        await one.push_audio_frame(tone(500, 0.5, RATE))
        await asyncio.sleep(1)
        assert [(uid, transcript.text) for uid, transcript, _ in told] == [(None, "loud")]
        assert outputs == [(("loud", 11), None)]


async def test_outputs_reach_a_callback() -> None:
    """With the uid that the copy hears, in order; what it raises is nobody else's."""
    async with meeting(1, 2, 9) as (one, two, agent):
        outputs: list[Any] = []

        async def note(output: AdditionalOutputs, uid: int) -> None:
            outputs.append((output.args, uid))
            raise ValueError("the application failed")

        with pytest.raises(ConfigurationError, match="callable"):
            await agent.attach(Scribe(), on_outputs="no")  # type: ignore[arg-type]
        attachment = await agent.attach(Scribe(), on_outputs=note)
        await asyncio.sleep(0.1)
        for speaker in (one, two):
            await speaker.push_audio_frame(tone(500, 0.5, RATE))
            await asyncio.sleep(1)
        assert outputs == [(("loud", 11), 1), (("loud", 11), 2)]
        await attachment.aclose()
        assert attachment._running == set()


async def test_a_handler_is_told_how_bytes_go_to_members() -> None:
    """Its messages are text there; the error names the way, and what follows arrives."""

    class Sender(Scribe):
        async def start_up(self) -> None:
            try:
                await self.send_message(b"bytes")
            except MessageError as error:
                await self.send_message(str(error))

        def copy(self) -> Sender:
            return Sender()

    async with meeting(1, 9) as (one, agent):
        heard: list[str] = []
        one.on("stream_message", lambda uid, text: heard.append(text))
        await agent.attach(Sender())
        await asyncio.sleep(0.5)
        (text,) = heard
        assert "text" in text
        assert "stream_bytes" in text


async def test_what_a_handler_says_is_its_own() -> None:
    """The transcript of a `say` has the uid of the member that it speaks for."""

    class Talker(Scribe):
        tts = type("Voice", (), {"tts": lambda self, text: (24000, tone(300, 0.2, 24000).data)})()

        async def start_up(self) -> None:
            self.say("hello")

        def copy(self) -> Talker:
            return Talker()

    async with meeting(1, 9) as (one, agent):
        (told,) = listen(one)
        await agent.attach(Talker())
        for _ in range(100):  # the voice works on a thread
            if not told:
                await asyncio.sleep(0.05)
        assert told == [(9, Transcript("hello", role="assistant"), 9)]


async def test_who_may_not_hear_is_not_told() -> None:
    """But for the words of its own."""
    async with meeting(1, 2, 9) as (one, two, agent):
        two.permissions = frozenset({"publish_audio"})
        told = listen(one, two)
        await agent.attach(Scribe())
        await asyncio.sleep(0.1)
        for speaker in (one, two):
            await speaker.push_audio_frame(tone(500, 0.5, RATE))
            await asyncio.sleep(1)
        assert [[uid for uid, *_ in heard] for heard in told] == [[1, 2], [2]]


async def test_a_transcript_crosses_servers() -> None:
    """As does who spoke and who wrote it down."""
    async with servers(2) as two:
        agent, user = await two.join(0, 9), await two.join(1, 1)
        (told,) = listen(user)
        await agent.attach(Scribe())
        await settle()
        await user.push_audio_frame(tone(500, 0.8, RATE))
        await settle(1.5)
        assert told == [(1, Transcript("loud", True, 0.5, 0.7, "user"), 9)]


class Words:
    """A recogniser that knows one word."""

    def stt(self, audio: Any) -> str:
        return "word"


async def test_the_transcriber_writes_down_each_user() -> None:
    """Without a further option: at each pause, and the last words when somebody leaves."""
    async with meeting(1, 2, 9) as (one, two, agent):
        told, _ = listen(agent, one)
        await agent.attach(Transcriber(Words(), model=LoudIsSpeech()))
        await asyncio.sleep(0.1)

        def finals() -> list[int]:
            return sorted(uid or 0 for uid, transcript, _ in told if transcript.final)

        async def until(expected: list[int]) -> None:
            for _ in range(500):  # it works on threads
                if finals() != expected:
                    await asyncio.sleep(0.02)
            assert finals() == expected

        for speaker in (one, two):
            await speaker.push_audio_frame(tone(500, 1.0, RATE))
        await until([1, 2])
        await two.push_audio_frame(tone(500, 0.6, RATE))
        await asyncio.sleep(0.6)
        await two.disconnect()
        await until([1, 2, 2])
        assert {(one.text, one.role) for _, one, _ in told} == {("word", "user")}


@given(
    damaged_json([{"text": "hi", "final": False, "start": 1.5, "end": 2, "role": "user"}])
    | json_values
)
@examples(60)
def test_transcripts_are_read_or_refused(data: Any) -> None:
    """Whatever a handler or another server says."""
    try:
        transcript = read_transcript(data)
    except MessageError:
        return
    assert len(transcript.text) <= MAX_TEXT
    assert all(time is None or 0 <= time < 1e10 for time in (transcript.start, transcript.end))


async def test_a_pause_is_heard_after_a_voice() -> None:
    """Two seconds of silence, and then nothing: neither frames nor timers."""
    heard: list[tuple[float, int]] = []
    loop = asyncio.get_running_loop()
    hearing = Hearing(lambda frame: heard.append((loop.time(), int(frame.data.any()))))
    await asyncio.sleep(5)
    assert heard == []
    for frame in frames_of(tone(500, 0.2, RATE)):
        hearing.hear(frame)
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)  # no pause yet
    for frame in frames_of(tone(500, 0.2, RATE)):
        hearing.hear(frame)
        await asyncio.sleep(0.02)
    assert [loud for _, loud in heard] == [1] * 20
    await asyncio.sleep(10)
    silence = [time for time, loud in heard if not loud]
    assert len(silence) == pytest.approx(PAUSE / 0.02, abs=2)
    assert np.diff(silence) == pytest.approx(0.02)
    assert hearing.idle
    hearing.hear(frame)
    hearing.close()
    hearing.hear(frame)
    hearing.close()
    await asyncio.sleep(1)
    assert len(heard) == 20 + len(silence) + 1


@pytest.mark.real_time
def test_a_pause_is_heard_after_a_loop_was_late() -> None:
    """On uvloop, too, whose timers that are due already are of another kind."""

    async def main() -> list[AudioFrame]:
        heard: list[AudioFrame] = []
        hearing = Hearing(heard.append)
        hearing.hear(tone(500, 0.02, RATE))
        time.sleep(GAP + 0.05)  # noqa: ASYNC251
        await asyncio.sleep(0.1)
        hearing.close()
        return heard

    assert len(uvloop.run(main())) > 5


@every_failure
async def test_who_takes_outputs_may_raise_anything(failure: Failure) -> None:
    """The next outputs come."""
    outputs: list[Any] = []
    async with meeting(1, 2, 9) as (one, two, agent):
        on_outputs = first(failure, lambda output, uid: outputs.append(output.args))
        await agent.attach(Scribe(), on_outputs=on_outputs)
        await asyncio.sleep(0.1)
        for speaker in (one, two):
            await speaker.push_audio_frame(tone(500, 0.5, RATE))
            await asyncio.sleep(1)
        assert outputs == [("loud", 11)]
