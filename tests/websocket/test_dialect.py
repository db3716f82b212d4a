"""What clients say over a WebSocket, and how we say it."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from fastrtc_core.errors import MalformedOfferError, MessageError
from fastrtc_core.realtime import RealtimeDialect
from fastrtc_core.telephone.dialect import CallDialect, parse_call
from fastrtc_core.testing import fit_sine, tone
from fastrtc_core.websocket.dialect import (
    JsonDialect,
    Media,
    Reply,
    Start,
    Stop,
    Text,
    parse_start,
)
from fastrtc_handlers import Echo


def start(**fields: Any) -> Start:
    return parse_start(json.dumps({"event": "start", **fields}))


def test_fastrtcs_clients_get_the_rates_of_the_handler() -> None:
    """µ-law in base64, and no answer to `start` that they do not know."""
    dialect = JsonDialect(start(websocket_id="me"), Echo(sample_rate=16000))
    assert dialect.started("me") is None
    (written,) = dialect.audio(tone(500, 0.02, 16000))
    assert isinstance(written, str)
    message = json.loads(written)
    assert message["event"] == "media"
    assert len(base64.b64decode(message["media"]["payload"])) == 320
    event = dialect.parse(written)
    assert isinstance(event, Media)
    assert event.frame.sample_rate == 16000
    assert fit_sine(event.frame.data[0], 500, 16000).snr > 30


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("binary", [False, True])
def test_pcm_at_any_rate(binary: bool, channels: int) -> None:
    """As `start` asks for it; the answer says what was agreed."""
    asked = start(encoding="pcm16", sample_rate=22050, channels=channels, binary=binary)
    dialect = JsonDialect(asked, Echo())
    assert json.loads(dialect.started("me") or "") == {
        "event": "started",
        "websocket_id": "me",
        "encoding": "pcm16",
        "input_sample_rate": 22050,
        "output_sample_rate": 22050,
        "channels": channels,
        "binary": binary,
    }
    sound = tone(500, 0.1, 22050, num_channels=channels)
    (written,) = dialect.audio(sound)
    assert isinstance(written, bytes) is binary
    event = dialect.parse(written)
    assert isinstance(event, Media)
    assert event.frame.sample_rate == 22050
    assert np.array_equal(event.frame.data, sound.data)


def test_everything_else() -> None:
    """Pings, the end, and messages as on a data channel."""
    dialect = JsonDialect(Start(), Echo())
    assert dialect.parse('{"event": "ping"}') == Reply('{"event": "pong"}')
    assert dialect.parse('{"event": "stop"}') == Stop()
    text = '{"type": "message", "data": 1}'
    assert dialect.parse(text) == Text(text)
    assert dialect.message(text) == (text,)
    (clear,) = dialect.clear()
    assert json.loads(clear) == {"event": "clear"}


def test_binary_frames_are_audio_unless_they_are_asked_to_be_messages() -> None:
    """Bytes travel in an event where frames are audio, and as they are where frames are messages;
    audio and the like are told apart either way."""
    data = bytes(range(256))
    as_audio = JsonDialect(start(encoding="pcm16", binary=True), Echo())
    as_messages = JsonDialect(start(encoding="pcm16", binary="messages"), Echo())
    assert isinstance(as_audio.parse(data), Media)
    assert as_messages.parse(data) == Text(data)
    (event,) = as_audio.binary(data)
    assert json.loads(event) == {"event": "bytes", "payload": base64.b64encode(data).decode()}
    assert as_messages.binary(data) == (data,)
    for dialect in (as_audio, as_messages, JsonDialect(Start(), Echo())):
        assert dialect.parse(event) == Text(data)
    (sound,) = as_messages.audio(tone(500, 0.02, 24000))
    assert isinstance(sound, str)
    assert isinstance(as_messages.parse(sound), Media)
    assert json.loads(as_messages.started("me") or "")["binary"] == "messages"
    for wrong in ({"payload": 1}, {}, {"payload": "!"}):
        with pytest.raises(MessageError, match="bytes"):
            as_audio.parse(json.dumps({"event": "bytes", **wrong}))


@pytest.mark.parametrize("binary", [False, True, "messages"])
def test_json_in_a_binary_frame_is_read_as_json(binary: Any) -> None:
    """From the `start` on; audio that looks like JSON for some bytes is audio."""
    dialect = JsonDialect(
        parse_start(json.dumps({"event": "start", "binary": binary}).encode()), Echo()
    )
    assert dialect.parse(b'{"event": "ping"}\n') == Reply('{"event": "pong"}')
    message = b' {"type": "message", "data": "gr\xc3\xbcn"}'
    assert dialect.parse(message) == Text(message)
    media = dialect.parse(b'{"event": "media", "media": {"payload": "AAAA"}}')
    assert isinstance(media, Media)
    for data in (b"{}", b"{\xff}", b'{"a": 1}', b"{" * 40, b"[1]", b"}"):
        event = dialect.parse(data)
        assert event == Text(data) if binary == "messages" else isinstance(event, Media)


def test_other_protocols_read_json_in_binary_frames_and_nothing_else() -> None:
    """The telephone shows no messages of any kind; the Realtime API refuses them in words."""
    first = {"event": "start", "start": {"streamSid": "MZ1"}}
    call = parse_call(json.dumps(first).encode())
    assert call is not None
    phone = CallDialect(call)
    assert phone.parse(b'{"event": "stop"}') == Stop()
    assert phone.binary(b"\x00") == ()
    with pytest.raises(MessageError, match="the binary message is not JSON"):
        phone.parse(b"\xff\xff")
    realtime = RealtimeDialect("me", {}, Echo())
    with pytest.raises(MessageError, match="Realtime API has no binary messages"):
        realtime.binary(b"\x00")
    refused = realtime.parse(b"\xff\xff")
    assert isinstance(refused, Reply)
    error = json.loads(refused.text)["error"]
    assert error["code"] == "invalid_event"
    assert "input_audio_buffer.append" in error["message"]
    append = {
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(bytes(96_000)).decode(),
    }
    event = realtime.parse(json.dumps(append).encode())
    assert isinstance(event, Media)
    assert event.frame.samples_per_channel == 48_000


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"event": "media"}, "first message"),
        ({"encoding": "opus"}, "mulaw, alaw, pcm16"),
        ({"sample_rate": 100}, "8000"),
        ({"sample_rate": True}, "int"),
        ({"sample_rate": "8000"}, "int"),
        ({"channels": 3}, "1 or 2"),
        ({"binary": 1}, "bool"),
        ({"binary": "audio"}, "true or false .audio., or 'messages'"),
        ({"args": {}}, "list"),
        ({"params": []}, "dict"),
        ({"websocket_id": 5}, "str"),
    ],
)
def test_a_start_that_asks_for_what_there_is_not(fields: dict[str, Any], message: str) -> None:
    """The error says what there is."""
    with pytest.raises(MalformedOfferError, match=message):
        start(**fields)
