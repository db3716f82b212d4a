"""The names of the reference documents, used as they stand there."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrtc_core
from fastrtc_core import (
    AsyncAudioVideoStreamHandler,
    AsyncStreamHandler,
    AudioFrameEvent,
    AudioSource,
    AudioStream,
    AudioVideoStreamHandler,
    ConfigurationError,
    InvalidFrameError,
    LocalAudioTrack,
    LocalVideoTrack,
    StreamHandler,
    sources,
)
from fastrtc_core import channel as rooms
from fastrtc_core.channel import Channel, Chat, ChatMessage, RtcEngine, RtcOptions, check_token
from fastrtc_core.sources import Source, SourceInterface
from fastrtc_core.sources.block import Block
from fastrtc_core.testing import tone

pytestmark = pytest.mark.virtual_clock

SECRET = "a secret of thirty-two characters"


async def test_an_engine_starts_with_the_first_connect() -> None:
    """Channels are made before; it ends with `destroy`, awaited or not, and is not revived."""
    engine = RtcEngine("app", SECRET)
    one = engine.create_channel(RtcOptions(channel_name="room", uid=1, sample_rate=24000))
    two = Channel(engine, RtcOptions(channel_name="room", uid=2))
    late = engine.create_channel(RtcOptions(channel_name="room", uid=3))
    await asyncio.gather(one.connect(), one.connect(), two.connect())
    assert sorted(one.remote_users) == [2]
    assert (one.channelId, one.uid, one.rtc, one.options.channels) == ("room", 1, engine, 1)
    grant = check_token(one.token, "app", SECRET, channel="room", uid=1)
    assert grant.permissions == one.permissions
    engine.destroy()
    await engine.destroy()
    await engine.destroy()
    assert one.state == two.state == "disconnected"
    with pytest.raises(ConfigurationError, match="destroyed"):
        await late.connect()
    async with engine:
        await late.connect()
    assert RtcEngine("app").create_channel(RtcOptions(channel_name="room")).token == ""
    with pytest.raises(ConfigurationError, match="application"):
        RtcEngine("")


async def test_the_chat_of_a_channel() -> None:
    """`ChatMessage(message, msg_id)`, sent by `channel.chat` or a `Chat` of one's own."""
    async with RtcEngine("app") as engine:
        one, two = [
            engine.create_channel(RtcOptions(channel_name="room", uid=uid)) for uid in (1, 2)
        ]
        read: list[ChatMessage] = []

        @two.on("chat_message")
        async def note(message: ChatMessage) -> None:
            read.append(message)

        with pytest.raises(ConfigurationError, match="not connected"):
            await one.chat.send_message(ChatMessage("early", "0"))
        await one.connect()
        await two.connect()
        await one.chat.send_message(ChatMessage("hello", "m1"))
        await Chat(one).send_message(ChatMessage("hello, all", "m1"))
        await one.chat.send_message(ChatMessage("without an id"))
        await asyncio.sleep(0.1)
        assert [(m.message, m.msg_id, m.text, m.id, m.sender) for m in read[:2]] == [
            ("hello", "m1", "hello", "m1", 1),
            ("hello, all", "m1", "hello, all", "m1", 1),
        ]
        assert read[2].msg_id


@pytest.mark.parametrize("channels", [1, 2])
async def test_frames_as_bytes_and_numbers(channels: int) -> None:
    """What is heard can be pushed again as it is."""
    async with RtcEngine("app") as engine:
        options: dict[str, Any] = {"channel_name": "room", "sample_rate": 16000}
        one, two = [
            engine.create_channel(RtcOptions(uid=uid, channels=channels, **options))
            for uid in (1, 2)
        ]
        await one.connect()
        await two.connect()
        sound = tone(500, 0.02, 16000).data.T.repeat(channels, axis=1).astype("<i2").tobytes()
        for data in (sound, bytearray(sound), memoryview(sound)):
            await one.push_audio_frame(data)
        heard = []
        async for frame in two.get_audio_frames(1):
            assert (frame.sample_rate, frame.samples_per_channel) == (16000, 320)
            assert (frame.number_of_channels, frame.bytes_per_sample) == (channels, 2)
            heard.append(frame.data)
            if len(heard) == 3:
                break
        assert heard == [sound] * 3


class Meter(SourceInterface):
    """Emits what a test gives it."""

    sample_rate = 8000

    def start(self) -> None:
        """Nothing runs."""

    def stop(self) -> None:
        """Nothing runs."""


def emitted(data: Any, source: SourceInterface | None = None) -> list[Block]:
    """What reaches the callback of a source."""
    source = source or Meter()
    blocks: list[Block] = []
    source.set_callback(blocks.append)
    source._emit(data)
    source._emit(data)
    return blocks


@pytest.mark.parametrize(
    "data",
    [
        [[1, 2, 3], [4, 5, 6]],
        [np.array([1, 2, 3], np.int16), np.array([4, 5, 6], np.int16)],
        [np.array([1, 2, 3], np.int16), [4, 5, 6]],
        np.array([[1, 2, 3], [4, 5, 6]], np.int16),
        ((1, 2, 3), (4, 5, 6)),
        [np.array([1, 2, 3]) / 32768, np.array([4, 5, 6]) / 32768],
    ],
    ids=["ints", "arrays", "both", "rows", "tuples", "floats"],
)
def test_a_source_emits_samples_of_each_channel(data: Any) -> None:
    """At the rate of the source, one after the other on its clock."""
    first, second = emitted(data)
    assert first.data.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (first.sample_rate, first.pts, second.pts) == (8000, 0, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "one rate and length"),
        ([[1, 2], [3]], "one rate and length"),
        ([[40000]], "int16 values"),
        ([1, 2, 3], "a channel is an array or a list"),
        (["abc"], "a channel is an array or a list"),
        ([None], "not a NoneType"),
        ([[1, [2]]], "one row"),
        ([["x"]], "dtype"),
        ([np.zeros((2, 3), np.int16)], "one row, not of shape"),
        (b"\0\0", "one entry a channel"),
        ("text", "one entry a channel"),
        (5, "one entry a channel"),
        (None, "one entry a channel"),
    ],
    ids=repr,
)
def test_anything_else_is_an_error_in_words(data: Any, message: str) -> None:
    """It says what is wrong with it."""
    with pytest.raises(InvalidFrameError, match=message):
        emitted(data)


def test_samples_need_a_rate() -> None:
    """Of the source, where they have none themselves."""
    source = Meter()
    source.sample_rate = None  # type: ignore[assignment]
    with pytest.raises(InvalidFrameError, match="set its sample_rate"):
        emitted([[1, 2]], source)
    assert Source.start is not SourceInterface.start


async def test_a_stream_over_a_participant() -> None:
    """By the constructor, too; a track or a participant, and not both."""
    async with RtcEngine("app") as engine:
        one = engine.create_channel(RtcOptions(channel_name="room", uid=1))
        await one.connect()
        stream = AudioStream(
            participant=one.participant, track_source="microphone", sample_rate=24000
        )
        await one.push_audio_frame(tone(500, 0.1, 24000))
        assert (await stream.read()).sample_rate == 24000
        await stream.aclose()
        with pytest.raises(ConfigurationError, match="either"):
            AudioStream()


@pytest.mark.parametrize(
    "kind",
    [
        StreamHandler,
        AsyncStreamHandler,
        AudioVideoStreamHandler,
        AsyncAudioVideoStreamHandler,
    ],
)
def test_the_names_of_a_handler(kind: Any) -> None:
    """Arguments by place, what a handler has before it is connected, and what may be left out."""

    class Own(kind):  # type: ignore[misc]
        def copy(self) -> Own:
            return Own()

    with pytest.raises(TypeError, match="abstract"):
        kind()
    with pytest.warns(DeprecationWarning, match="output_frame_size"):
        handler = Own("stereo", 16000, 320, 8000)
    assert (handler.expected_layout, handler.output_sample_rate) == ("stereo", 16000)
    assert (handler.output_frame_size, handler.input_sample_rate) == (320, 8000)
    assert (handler.channel, handler.phone_mode) == (None, False)
    assert handler.latest_args == "not_set"
    assert not handler.channel_set.is_set()
    handler.args_set.set()
    handler.reset()
    assert not handler.args_set.is_set()
    is_async = issubclass(kind, AsyncStreamHandler)
    for name in ("receive", "emit", "start_up"):
        assert inspect.iscoroutinefunction(getattr(handler, name)) == is_async
    assert inspect.iscoroutinefunction(handler.send_message)
    assert not inspect.iscoroutinefunction(handler.send_message_sync)
    for name in ("clear_queue", "send_message_sync", "shutdown"):
        assert callable(getattr(handler, name))


PAGE = Path(__file__).parents[2] / "docs" / "reference-names.md"


class Silence(Source):
    """A source that has nothing to say."""

    sample_rate = 8000

    def _run(self) -> None:
        pass


class Silent(AudioVideoStreamHandler):
    def copy(self) -> Silent:
        return Silent()


def things_of_the_documents() -> dict[str, list[Any]]:
    """Objects and modules of each section of the page, which have the names of its table."""
    channel = RtcEngine("app").create_channel(RtcOptions(channel_name="lobby"))
    track = LocalAudioTrack.create_audio_track("voice", AudioSource(48000, 1))
    event = AudioFrameEvent(tone(500, 0.01))
    return {
        "Agora": [
            rooms,
            channel._engine,
            channel,
            channel.chat,
            channel.options,
            ChatMessage("", ""),
        ],
        "LiveKit": [fastrtc_core, track, LocalVideoTrack, AudioStream, event],
        "FastRTC": [Silent(), AsyncStreamHandler],
        "Audio": [sources, Silence()],
    }


def names_that_are_the_same() -> Iterator[tuple[str, str]]:
    """Section and name, of each row that says that a name is the same."""
    section = ""
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:].split()[0].strip(":")
        there, _, here = line.strip("| ").partition(" | ")
        if here.startswith("the same") and not there.startswith(("event", "argument")):
            for code in re.findall(r"`([^`]+)`", there):
                for name in code.partition("(")[0].split("."):
                    yield section, name


async def test_every_name_of_the_tables_is_there() -> None:
    """Whatever the page calls the same, whichever document it is from."""
    things = things_of_the_documents()
    names = list(names_that_are_the_same())
    assert len(names) > 60
    missing = [
        (section, name)
        for section, name in names
        if not any(name in dir(thing) for thing in things[section])
    ]
    assert not missing
