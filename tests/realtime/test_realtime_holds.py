"""The OpenAI Realtime API: what the server confirms holds, and all else is refused in words."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import fit_sine, tone
from fastrtc_handlers import Echo, ReplyOnPause, TurnOptions
from fastrtc_handlers.vad import EnergyVAD

from ..handlers.turns.test_taking import LoudIsSpeech
from .test_realtime import RATE, SILENCE, SPEECH, Agent, answering, realtime


def reply(audio: AudioFrame) -> AudioFrame:
    return tone(500, 0.5, RATE)


def seconds(duration: float) -> AudioFrame:
    return AudioFrame(RATE, np.zeros((1, round(duration * RATE)), np.int16))


async def turns(agent: Agent, **fields: Any) -> Any:
    """Set `turn_detection`, and return the session that holds then."""
    detection: Any = {"type": "server_vad", **fields}
    await agent.connection.session.update(
        session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    )
    return (await agent.wait_for("session.updated")).session


async def by_hand(agent: Agent) -> None:
    """Switch turn detection off."""
    await agent.connection.session.update(
        session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    )
    await agent.wait_for("session.updated")


async def refused(agent: Agent, **event: Any) -> Any:
    """Send an event and return what it is refused with."""
    count = len(agent.of_type("error"))
    await agent.connection.send({"event_id": "mine", **event})  # type: ignore[arg-type]
    error = (await agent.wait_for("error", count + 1)).error
    assert error.event_id == "mine"
    return error


async def test_silence_and_padding_are_obeyed() -> None:
    """A turn ends after `silence_duration_ms`, and begins `prefix_padding_ms` before its speech."""
    heard: list[AudioFrame] = []

    def note(audio: AudioFrame) -> AudioFrame:
        heard.append(audio)
        return reply(audio)

    async with realtime(answering(note)) as (agent, _):
        created = await agent.wait_for("session.created")
        assert created.session.audio.input.turn_detection.silence_duration_ms == 300
        session = await turns(agent, silence_duration_ms=800, prefix_padding_ms=100)
        assert session.audio.input.turn_detection.silence_duration_ms == 800
        assert session.audio.input.turn_detection.prefix_padding_ms == 100
        await agent.speak(seconds(0.5))
        await agent.speak(SPEECH)
        await agent.speak(seconds(0.6))
        await agent.speak(SPEECH)
        await agent.speak(seconds(1))
        await agent.wait_for("response.done")
        (begun,) = agent.of_type("input_audio_buffer.speech_started")
        (over,) = agent.of_type("input_audio_buffer.speech_stopped")
    assert begun.audio_start_ms == pytest.approx(400, abs=21)
    assert over.audio_end_ms == pytest.approx(2300 + 800, abs=41)
    (audio,) = heard
    assert audio.duration == pytest.approx(0.1 + 1.8 + 0.8, abs=0.05)


async def test_the_threshold_is_obeyed() -> None:
    """What is too quiet for a high one is no speech, and is for a low one."""
    quiet = AudioFrame(RATE, np.random.default_rng(1).normal(0, 20, (1, RATE)).astype(np.int16))
    voice = AudioFrame(RATE, np.random.default_rng(2).normal(0, 80, (1, RATE)).astype(np.int16))
    prototype = ReplyOnPause(
        reply, model=EnergyVAD(), algo_options=TurnOptions(silence=0.3), input_sample_rate=16000
    )
    found = []
    for threshold in (1.0, 0.3):
        async with realtime(prototype) as (agent, _):
            session = await turns(agent, threshold=threshold)
            assert session.audio.input.turn_detection.threshold == threshold
            for audio in (quiet, voice, quiet):
                await agent.append(audio)
            await asyncio.sleep(1.5)
            found.append(len(agent.of_type("input_audio_buffer.speech_started")))
    assert found == [0, 1]


async def test_times_are_those_of_the_audio() -> None:
    """A file that comes at once has the times of its sound; so has what follows a `clear`."""
    async with realtime(answering(reply)) as (agent, _):
        file = np.concatenate(
            [seconds(1).data, SPEECH.data, seconds(2).data, SPEECH.data, seconds(1).data], axis=1
        )
        await agent.append(AudioFrame(RATE, file))
        await agent.wait_for("input_audio_buffer.speech_stopped", 2)
        started = [e.audio_start_ms for e in agent.of_type("input_audio_buffer.speech_started")]
        stopped = [e.audio_end_ms for e in agent.of_type("input_audio_buffer.speech_stopped")]
        assert started == pytest.approx([500, 3100], abs=21)
        assert stopped == pytest.approx([1900, 4500], abs=41)
        await agent.append(seconds(20))  # most of it is cleared before the handler hears it
        await agent.connection.input_audio_buffer.clear()
        await agent.wait_for("input_audio_buffer.cleared")
        await agent.append(AudioFrame(RATE, np.concatenate([seconds(1).data, SPEECH.data], axis=1)))
        begun = await agent.wait_for("input_audio_buffer.speech_started", 3)
    assert begun.audio_start_ms == pytest.approx(5200 + 20000 + 500, abs=21)


async def test_an_empty_buffer_is_not_committed() -> None:
    """Nor what turn detection has committed; there is no item for it."""
    async with realtime(answering(reply)) as (agent, _):
        error = await refused(agent, type="input_audio_buffer.commit")
        assert error.code == "input_audio_buffer_commit_empty"
        await agent.append(SPEECH)
        await agent.append(seconds(0.3))
        await agent.wait_for("input_audio_buffer.committed")
        error = await refused(agent, type="input_audio_buffer.commit")
        assert error.code == "input_audio_buffer_commit_empty"
        assert len(agent.of_type("conversation.item.added")) <= 2
        await agent.wait_for("response.done")
        await by_hand(agent)
        await agent.append(SPEECH)
        await agent.connection.input_audio_buffer.commit()
        await agent.wait_for("input_audio_buffer.committed", 2)
        error = await refused(agent, type="input_audio_buffer.commit")
        assert error.code == "input_audio_buffer_commit_empty"


async def test_nothing_to_answer() -> None:
    """`response.create` says so; and there is no item for a turn that was typed alone."""
    async with realtime(answering(reply)) as (agent, _):
        error = await refused(agent, type="response.create")
        assert error.code == "nothing_to_answer"
        await agent.append(seconds(0.5))
        error = await refused(agent, type="response.create")
        assert error.code == "nothing_to_answer", "silence is no turn"
        content: Any = [{"type": "input_text", "text": "Hello"}]
        await agent.connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": content}
        )
        await agent.connection.response.create(response={"metadata": {"topic": "greeting"}})
        done = await agent.wait_for("response.done")
        assert done.response.metadata == {"topic": "greeting"}
        assert not agent.of_type("input_audio_buffer.committed")
    async with realtime(Echo()) as (agent, _):
        error = await refused(agent, type="response.create")
        assert error.code == "unsupported_value"


async def test_truncation() -> None:
    """Of what the assistant has said, and no more than that."""
    async with realtime(answering(reply)) as (agent, _):
        await agent.append(SPEECH)
        await agent.append(seconds(0.3))
        done = await agent.wait_for("response.done")
        said = done.response.output[0].id
        heard = agent.of_type("input_audio_buffer.committed")[0].item_id
        truncate = {"type": "conversation.item.truncate", "content_index": 0}
        error = await refused(agent, **truncate, item_id=heard, audio_end_ms=10)
        assert (error.code, error.param) == ("invalid_value", "item_id")
        error = await refused(agent, **truncate, item_id="other", audio_end_ms=10)
        assert (error.code, error.param) == ("item_truncate_invalid_item_id", "item_id")
        error = await refused(agent, **truncate, item_id=said, audio_end_ms=2000)
        assert (error.code, error.param) == ("invalid_value", "audio_end_ms")
        assert "is already shorter than 2000ms" in error.message
        error = await refused(agent, **truncate, item_id=said, audio_end_ms=-1)
        assert (error.code, error.param) == ("integer_below_min_value", "audio_end_ms")
        assert not agent.of_type("conversation.item.truncated")
        await agent.connection.conversation.item.truncate(
            item_id=said, content_index=0, audio_end_ms=200
        )
        await agent.wait_for("conversation.item.truncated")
        error = await refused(agent, **truncate, item_id=said, audio_end_ms=300)
        assert error.param == "audio_end_ms", "it is shorter now"


async def test_items_have_their_place() -> None:
    """`previous_item_id` is where an item goes; an id is taken once."""
    async with realtime(answering(reply)) as (agent, _):

        def item(id: str) -> Any:
            content = [{"type": "input_text", "text": id}]
            return {"id": id, "type": "message", "role": "user", "content": content}

        create = agent.connection.conversation.item.create
        for id, after in (("a", None), ("c", "a"), ("b", "a"), ("first", "root"), ("last", None)):
            if after is None:
                await create(item=item(id))
            else:
                await create(item=item(id), previous_item_id=after)
        await agent.wait_for("conversation.item.done", 5)
        previous = [event.previous_item_id for event in agent.of_type("conversation.item.added")]
        assert previous == [None, "a", "a", None, "c"]
        event = {"type": "conversation.item.create"}
        error = await refused(agent, **event, item=item("b"))
        assert (error.code, error.param) == ("item_create_duplicate_item_id", "item.id")
        error = await refused(agent, **event, item=item("new"), previous_item_id="unknown")
        assert error.code == "item_create_invalid_previous_item_id"
        assert error.param == "previous_item_id"
        long = {**item("long"), "content": [{"type": "input_text", "text": "a" * 70_000}]}
        error = await refused(agent, **event, item=long)
        assert error.code == "string_above_max_length"


@pytest.mark.parametrize("drops", ["input_audio_buffer.clear", "input_audio_buffer.commit"])
async def test_half_a_sample(drops: str) -> None:
    """It is kept for the next append, and dropped with the buffer."""
    heard: list[AudioFrame] = []

    def note(audio: AudioFrame) -> AudioFrame:
        heard.append(audio)
        return reply(audio)

    async with realtime(answering(note)) as (agent, _):
        await by_hand(agent)
        data = tone(300, 1, RATE).data.tobytes()

        async def append(part: bytes) -> None:
            audio = base64.b64encode(part).decode()
            await agent.connection.input_audio_buffer.append(audio=audio)

        await append(seconds(0.1).data.tobytes() + b"\x55")
        await agent.connection.send({"type": drops})  # type: ignore[arg-type]
        for start in range(0, len(data), 961):
            await append(data[start : start + 961])
        await agent.connection.session.update(
            session={"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm"}}}}
        )
        await agent.connection.input_audio_buffer.commit()
        await agent.connection.response.create()
        await agent.wait_for("response.done")
    (audio,) = heard
    assert fit_sine(audio.data[0, -8000:], 300, 16000).snr > 20


async def test_the_largest_append() -> None:
    """15 MiB of audio at once, as in the API; anything else of that size is refused."""
    async with realtime(Echo(), server={"ws_max_size": 21 << 20}) as (agent, _):
        await by_hand(agent)
        audio = base64.b64encode(bytes(15 << 20)).decode()
        await agent.connection.input_audio_buffer.append(audio=audio)
        await agent.connection.input_audio_buffer.commit()
        await agent.wait_for("input_audio_buffer.committed")
        error = await agent_error(agent, {"type": "nonsense", "many": [""] * 400_000})
        assert error.code == "invalid_event"
        assert not [event for event in agent.of_type("error") if "lost" in event.error.message]


async def agent_error(agent: Agent, event: Any) -> Any:
    await agent.connection.send(event)
    return (await agent.wait_for("error")).error


async def test_what_is_no_event() -> None:
    """An error of the client's, whatever it is."""
    async with realtime(Echo()) as (agent, _):
        for number, text in enumerate(("{", "[]", '{"event_id": "x"}'), 1):
            await agent.connection._connection.send(text)
            error = (await agent.wait_for("error", number)).error
            assert (error.type, error.code) == ("invalid_request_error", "invalid_event")


async def test_who_detects_no_turns_cannot_be_told_how() -> None:
    """A handler without turn-taking refuses the fields, and one whose detector has no threshold."""
    async with realtime(Echo()) as (agent, _):
        detection = {"type": "server_vad", "silence_duration_ms": 200}
        session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        error = await refused(agent, type="session.update", session=session)
        assert error.code == "unsupported_parameter"
        assert error.param == "session.audio.input.turn_detection.silence_duration_ms"
        session = {"type": "realtime", "instructions": "Be brief."}
        error = await refused(agent, type="session.update", session=session)
        assert (error.code, error.param) == ("unsupported_parameter", "session.instructions")
    async with realtime(ReplyOnPause(reply, model=LoudIsSpeech())) as (agent, _):
        detection = {"type": "server_vad", "threshold": 0.5}
        session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        error = await refused(agent, type="session.update", session=session)
        assert error.param == "session.audio.input.turn_detection.threshold"
        assert not agent.of_type("session.updated")


async def test_a_commit_in_the_midst_of_a_turn() -> None:
    """What the client has committed is not committed again when the turn ends."""
    async with realtime(answering(reply)) as (agent, _):
        await agent.speak(SPEECH)
        await agent.connection.input_audio_buffer.commit()
        committed = await agent.wait_for("input_audio_buffer.committed")
        begun = agent.of_type("input_audio_buffer.speech_started")[0]
        assert committed.item_id == begun.item_id
        await agent.speak(SILENCE)
        await agent.wait_for("response.done")
        assert len(agent.of_type("input_audio_buffer.speech_stopped")) == 1
