"""What clients say over a WebSocket, and how we say it."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from fastrtc_core.errors import MalformedOfferError
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
        ({"args": {}}, "list"),
        ({"params": []}, "dict"),
        ({"websocket_id": 5}, "str"),
    ],
)
def test_a_start_that_asks_for_what_there_is_not(fields: dict[str, Any], message: str) -> None:
    """The error says what there is."""
    with pytest.raises(MalformedOfferError, match=message):
        start(**fields)
