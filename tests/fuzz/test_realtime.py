"""The OpenAI Realtime API: its events, right and nearly right."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from .strategies import examples, messages
from .support import visit

SOUND = base64.b64encode(bytes(960)).decode()
EVENTS: tuple[dict[str, Any], ...] = (
    {
        "type": "session.update",
        "event_id": "e1",
        "session": {
            "type": "realtime",
            "instructions": "Be kind.",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "turn_detection": {"type": "server_vad", "threshold": 0.5},
                },
                "output": {"format": {"type": "audio/pcmu"}, "voice": "alloy"},
            },
        },
    },
    {"type": "session.update", "session": {"audio": {"input": {"turn_detection": None}}}},
    {"type": "input_audio_buffer.append", "audio": SOUND},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "previous_item_id": None,
        "item": {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "hi"}],
        },
    },
    {"type": "conversation.item.retrieve", "item_id": "x"},
    {"type": "conversation.item.delete", "item_id": "x"},
    {
        "type": "conversation.item.truncate",
        "item_id": "x",
        "content_index": 0,
        "audio_end_ms": 100,
    },
    {"type": "response.create", "response": {"instructions": "Be brief."}},
    {"type": "response.cancel", "response_id": "x"},
    {"type": "output_audio_buffer.clear"},
)


@given(st.lists(messages(EVENTS), max_size=12))
@example([json.dumps(event) for event in EVENTS] * 3)
@examples(120)
def test_a_session_survives_what_it_is_sent(said: list[str | bytes]) -> None:
    """Each event is taken or answered with an `error`; nothing is left of the session."""
    came = visit("/realtime", said)
    assert len(came.handler.copies) == 1
    assert came.code in (None, 1000, 1001, 1008, 1009)
    for sent in came.sent:
        assert isinstance(json.loads(sent)["type"], str)
