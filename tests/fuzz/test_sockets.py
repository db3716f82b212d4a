"""The WebSocket: what comes first, what comes later, and audio in any pieces."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastrtc_core import AudioFrame, MessageError
from fastrtc_core.errors import MalformedOfferError, OriginError
from fastrtc_core.media.g711 import decode_mulaw, encode_mulaw
from fastrtc_core.origins import OriginRule
from fastrtc_core.testing import run_virtual, tone
from fastrtc_core.websocket.codecs import CODECS, Encoding
from fastrtc_core.websocket.dialect import (
    BACKLOG,
    MAX_MESSAGE,
    JsonDialect,
    Key,
    Mark,
    Media,
    Reply,
    Start,
    Stop,
    Text,
    parse_start,
)
from fastrtc_core.websocket.intake import Intake
from fastrtc_handlers import Echo

from .strategies import examples, json_values, messages, odd_texts
from .support import brief, visit

STARTS: tuple[dict[str, Any], ...] = (
    {"event": "start", "websocket_id": "any-id"},
    {
        "event": "start",
        "websocket_id": "x1",
        "encoding": "pcm16",
        "sample_rate": 22050,
        "channels": 2,
        "binary": True,
        "args": [1, "two"],
        "params": {"user": "ada"},
    },
)
SOUND = base64.b64encode(bytes(range(256))).decode()
EVENTS: tuple[dict[str, Any], ...] = (
    {"event": "media", "media": {"payload": SOUND}},
    {"event": "ping"},
    {"event": "stop"},
    {"type": "message", "data": {"a": 1}},
    {"type": "send_input", "data": [1]},
    *STARTS,
)
AN_EVENT = (Media, Text, Reply, Stop, Key, Mark)


# The first message


@given(messages(STARTS))
@example("[" * 100_000)
@example('{"event": "start", "params": [' + "[]," * (MAX_MESSAGE // 3) + "[]]}")
@examples(200)
def test_a_start_is_read_or_refused(data: str | bytes) -> None:
    """Nothing but `MalformedOfferError` escapes; what is longer than a message is not read."""
    try:
        asked = parse_start(data)
    except MalformedOfferError as error:
        brief(error)
    else:
        assert len(data) <= MAX_MESSAGE
        assert isinstance(asked, Start)


@given(
    st.fixed_dictionaries(
        {"event": st.just("start")},
        optional={
            "websocket_id": odd_texts | json_values,
            "encoding": st.sampled_from([*CODECS, "opus"]) | json_values,
            "sample_rate": st.integers(7990, 192_010) | json_values,
            "channels": st.integers(0, 3) | json_values,
            "binary": st.booleans() | st.just("messages") | json_values,
            "args": json_values,
        },
    )
)
@examples(150)
def test_no_start_is_taken_that_cannot_be_served(fields: dict[str, Any]) -> None:
    """What is taken makes a dialect that reads what it writes, at any rate."""
    try:
        asked = parse_start(json.dumps(fields))
    except (MalformedOfferError, ValueError):
        return
    dialect = JsonDialect(asked, Echo())
    sound = tone(500, 0.02, dialect.output_sample_rate, num_channels=dialect.num_channels)
    (written,) = dialect.audio(sound)
    event = dialect.parse(written)
    assert isinstance(event, Media)
    assert event.frame.data.shape == sound.data.shape
    if asked.encoding == "pcm16":
        assert np.array_equal(event.frame.data, sound.data)
    started = dialect.started("id")
    assert started is None or json.loads(started)["event"] == "started"


# What comes later


@given(messages(EVENTS), st.sampled_from(list(CODECS)), st.sampled_from([1, 2]))
@examples(300)
def test_an_event_is_read_or_refused(data: str | bytes, encoding: Encoding, channels: int) -> None:
    """Nothing but `MessageError` escapes, and audio has the shape that was agreed."""
    dialect = JsonDialect(Start(encoding=encoding, num_channels=channels), Echo())
    try:
        event = dialect.parse(data)
    except MessageError as error:
        brief(error)
        return
    assert event is None or isinstance(event, AN_EVENT)
    if isinstance(event, Media):
        assert event.frame.data.shape[0] == channels
        assert event.frame.data.dtype == np.int16


@given(
    first=st.sampled_from(STARTS).map(json.dumps) | messages(STARTS),
    later=st.lists(messages(EVENTS), max_size=8),
)
@example("{}", [])
@example(json.dumps({"event": "start", "sample_rate": 8001}), [bytes(5001)] * 3)
@example(json.dumps({"event": "start", "args": [1e999, "\ud800"]}), ['{"type": "message"}'] * 300)
@examples(100)
def test_a_session_survives_what_it_is_sent(first: str | bytes, later: list[str | bytes]) -> None:
    """Every message is taken or answered; a refused start leaves no slot, copy, task or thread."""
    came = visit("/websocket/offer", [first, *later, '{"event": "ping"}'])
    try:
        asked = parse_start(first)
    except MalformedOfferError:
        assert came.refusal() == "malformed_offer"
        return
    if not came.handler.copies:
        assert asked.websocket_id is not None, "only an id can be wrong with what was read"
        assert came.refusal() == "malformed_offer"
        return
    assert came.code in (None, 1000, 1001, 1008, 1009)
    for sent in came.sent:
        if isinstance(sent, str):
            assert json.loads(sent).keys() & {"event", "type"}


# Audio in pieces


@pytest.mark.parametrize("encoding", CODECS)
@given(
    pieces=st.lists(st.binary(max_size=400), max_size=8),
    channels=st.sampled_from([1, 2]),
)
@examples(60)
def test_bytes_in_any_pieces_are_whole_samples(
    encoding: Encoding, pieces: list[bytes], channels: int
) -> None:
    """Odd ends wait for the rest; nothing is lost, doubled, or swapped between channels."""
    decoder = CODECS[encoding](channels)
    parts = [decoder.decode(piece) for piece in pieces]
    joined = np.concatenate([np.zeros((channels, 0), np.int16), *parts], axis=1)
    everything = b"".join(pieces)
    width = channels * (2 if encoding == "pcm16" else 1)
    assert joined.shape == (channels, len(everything) // width)
    written = CODECS[encoding](channels).encode(joined)
    if encoding == "pcm16":
        assert written == everything[: len(written)]
    assert np.array_equal(CODECS[encoding](channels).decode(written), joined)


@given(st.binary(max_size=2000))
@examples(60)
def test_mulaw_of_any_bytes_means_itself(data: bytes) -> None:
    """Decoded, encoded and decoded again it is the same sound: only zero has two codes."""
    samples = decode_mulaw(data)
    assert np.array_equal(decode_mulaw(encode_mulaw(samples)), samples)
    assert encode_mulaw(samples) == data.replace(b"\x7f", b"\xff")


class Sink:
    """A track that counts."""

    def __init__(self) -> None:
        self.samples = 0

    def push(self, frame: AudioFrame) -> None:
        """Count a frame."""
        self.samples += frame.samples_per_channel


@given(
    rate=st.integers(8000, 192_000),
    lengths=st.lists(st.integers(0, 3) | st.integers(0, 1 << 20), max_size=12),
)
@examples(60)
def test_what_waits_is_bounded(rate: int, lengths: list[int]) -> None:
    """However much is sent at once, ten seconds wait, and the rest is counted."""
    sink: Any = Sink()
    told: list[int] = []

    async def heard() -> None:
        """Nobody reads."""

    async def push() -> Intake:
        intake = Intake(
            sink,
            1,
            BACKLOG,
            room=lambda: 0.1 - sink.samples / rate,
            heard=heard,
            on_full=lambda: told.append(1),
        )
        for length in lengths:
            intake.push(AudioFrame(rate, np.zeros((1, length), np.int16)))
        return intake

    intake = run_virtual(push())
    waiting = round(intake.queued * rate)
    assert waiting <= BACKLOG * rate + 1
    assert sink.samples + waiting + intake.dropped == sum(lengths)
    assert len(told) == (intake.dropped > 0)


# Headers


@given(
    origin=st.sampled_from(["http://[", "http://a", "null", "//a", "http://a@b", "\x00"])
    | odd_texts
    | st.text().map("http://".__add__),
    host=st.sampled_from(["a", "[", "a:1"]) | odd_texts,
)
@example("http://[", "a")
@examples(150)
def test_only_the_page_of_the_same_host_may_connect(origin: str, host: str) -> None:
    """Whatever an `Origin` holds, the answer is yes or no."""
    headers = {"origin": origin, "host": host}
    with suppress(OriginError):
        OriginRule().check(headers, ("8.8.8.8", 80))
        assert host.lower().partition(":")[0] in origin.lower()
    OriginRule(["*"]).check(headers)
