"""The table of the Realtime API in `docs/sockets.md`, carried out by the official client."""

from __future__ import annotations

import functools
import re
import typing
from pathlib import Path
from typing import Any, NamedTuple

from fastrtc_core import AudioFrame
from fastrtc_core.testing import tone
from fastrtc_handlers import ReplyOnPause
from fastrtc_handlers.vad import EnergyVAD

from .test_realtime import RATE, Agent, realtime

DOCS = Path(__file__).parents[2] / "docs" / "sockets.md"
TURNS = "session.audio.input.turn_detection"
VAD = {"type": "server_vad"}
PCM = {"type": "audio/pcm", "rate": 24000}
TEXT = [{"type": "input_text", "text": "Hello"}]
ITEM: Any = {"type": "message", "role": "user", "content": TEXT}
ZEROS = "A" * 6400

OBEYED: dict[tuple[str, str], Any] = {
    ("session.update", "session"): {"type": "realtime"},
    ("session.update", "session.type"): "realtime",
    ("session.update", "session.model"): "gpt-realtime",
    ("session.update", "session.output_modalities"): ["audio"],
    ("session.update", "session.instructions"): "Be brief.",
    ("session.update", "session.tools"): [{"type": "function", "name": "f", "parameters": {}}],
    ("session.update", "session.tool_choice"): "auto",
    ("session.update", "session.parallel_tool_calls"): True,
    ("session.update", "session.max_output_tokens"): 100,
    ("session.update", "session.reasoning"): {"effort": "low"},
    ("session.update", "session.prompt"): {"id": "p"},
    ("session.update", "session.truncation"): "auto",
    ("session.update", "session.tracing"): "auto",
    ("session.update", "session.include"): ["item.input_audio_transcription.logprobs"],
    ("session.update", "session.audio.input.format"): PCM,
    ("session.update", "session.audio.input.transcription"): {"model": "whisper-1"},
    ("session.update", "session.audio.input.noise_reduction"): {"type": "near_field"},
    ("session.update", TURNS): VAD,
    ("session.update", f"{TURNS}.type"): "server_vad",
    ("session.update", f"{TURNS}.silence_duration_ms"): 400,
    ("session.update", f"{TURNS}.prefix_padding_ms"): 200,
    ("session.update", f"{TURNS}.threshold"): 0.6,
    ("session.update", f"{TURNS}.create_response"): True,
    ("session.update", f"{TURNS}.interrupt_response"): True,
    ("session.update", "session.audio.output.format"): PCM,
    ("session.update", "session.audio.output.voice"): "marin",
    ("session.update", "session.audio.output.speed"): 1.2,
    ("input_audio_buffer.append", "audio"): ZEROS,
    ("input_audio_buffer.commit", ""): None,
    ("input_audio_buffer.clear", ""): None,
    ("output_audio_buffer.clear", ""): None,
    ("response.create", "response"): {},
    ("response.create", "response.conversation"): "auto",
    ("response.create", "response.output_modalities"): ["audio"],
    ("response.create", "response.audio"): {"output": {"voice": "marin", "format": PCM}},
    ("response.create", "response.metadata"): {"topic": "weather"},
    ("response.create", "response.input"): [],
    ("response.create", "response.instructions"): "Be brief.",
    ("response.create", "response.tools"): [],
    ("response.create", "response.tool_choice"): "none",
    ("response.create", "response.parallel_tool_calls"): True,
    ("response.create", "response.max_output_tokens"): 100,
    ("response.create", "response.reasoning"): {"effort": "low"},
    ("response.create", "response.prompt"): {"id": "p"},
    ("conversation.item.create", "item"): ITEM,
    ("conversation.item.create", "previous_item_id"): "root",
    ("conversation.item.retrieve", "item_id"): "known",
    ("conversation.item.delete", "item_id"): "deleted",
    ("conversation.item.truncate", "item_id"): "SAID",
    ("conversation.item.truncate", "content_index"): 0,
    ("conversation.item.truncate", "audio_end_ms"): 5,
}
"""A value that is taken, for each field; beside it the event has what it must."""

REFUSED: list[tuple[str, str, Any, str]] = [
    ("session.update", "session.type", "transcription", "unsupported_value"),
    ("session.update", "session.model", "another", "unsupported_value"),
    ("session.update", "session.output_modalities", ["text"], "unsupported_value"),
    ("session.update", "session.input_audio_format", "g711_ulaw", "unknown_parameter"),
    ("session.update", "session.audio.input.format", {"type": "mp3"}, "invalid_value"),
    ("session.update", f"{TURNS}.type", "semantic_vad", "unsupported_value"),
    ("session.update", f"{TURNS}.type", "psychic_vad", "invalid_value"),
    ("session.update", f"{TURNS}.silence_duration_ms", 5, "integer_below_min_value"),
    ("session.update", f"{TURNS}.silence_duration_ms", 99999, "integer_above_max_value"),
    ("session.update", f"{TURNS}.prefix_padding_ms", "much", "invalid_type"),
    ("session.update", f"{TURNS}.threshold", 1.5, "decimal_above_max_value"),
    ("session.update", f"{TURNS}.create_response", False, "unsupported_value"),
    ("session.update", f"{TURNS}.interrupt_response", False, "unsupported_value"),
    ("session.update", f"{TURNS}.idle_timeout_ms", 6000, "unsupported_value"),
    ("session.update", f"{TURNS}.eagerness", "low", "unsupported_value"),
    ("input_audio_buffer.append", "audio", "§", "invalid_value"),
    ("input_audio_buffer.commit", "", None, "input_audio_buffer_commit_empty"),
    ("response.create", "response", {}, "nothing_to_answer"),
    ("response.create", "response.conversation", "none", "unsupported_value"),
    ("response.create", "response.output_modalities", ["text"], "unsupported_value"),
    ("response.create", "response.modalities", ["text"], "unknown_parameter"),
    (
        "response.create",
        "response.audio",
        {"output": {"format": {"type": "audio/pcmu"}}},
        "unsupported_value",
    ),
    ("response.cancel", "response_id", "other", "response_cancel_not_active"),
    ("conversation.item.create", "item", {**ITEM, "id": "known"}, "item_create_duplicate_item_id"),
    (
        "conversation.item.create",
        "previous_item_id",
        "unknown",
        "item_create_invalid_previous_item_id",
    ),
    ("conversation.item.retrieve", "item_id", "unknown", "item_retrieve_invalid_item_id"),
    ("conversation.item.delete", "item_id", "unknown", "item_delete_invalid_item_id"),
    ("conversation.item.truncate", "item_id", "unknown", "item_truncate_invalid_item_id"),
    ("conversation.item.truncate", "item_id", "known", "invalid_value"),
    ("conversation.item.truncate", "content_index", 1, "invalid_value"),
    ("conversation.item.truncate", "audio_end_ms", 60_000, "invalid_value"),
]
"""Values that are not, and the code that says so."""

NO_FIELD = {
    "input_audio_buffer_commit_empty",
    "nothing_to_answer",
    "response_cancel_not_active",
}
"""Codes of what is wrong with no field."""

NEEDED: dict[str, dict[str, Any]] = {
    "conversation.item.create": {"item": ITEM},
    "conversation.item.truncate": {"item_id": "SAID", "content_index": 0, "audio_end_ms": 5},
}


class Row(NamedTuple):
    event: str
    field: str
    text: str


def rows() -> list[Row]:
    pattern = r"^\| `([a-z_.]+)` \| (?:`([a-z_.]+)`)? ?\| (.+) \|$"
    found = re.findall(pattern, DOCS.read_text(), re.MULTILINE)
    known = {event for event, _ in OBEYED} | {"response.cancel"}
    return [Row(*row) for row in found if row[0] in known]


def test_the_table_is_whole() -> None:
    """It has every event and field that the client knows, and a case for each stands above."""
    from openai.types import realtime as types
    from openai.types.realtime import realtime_audio_input_turn_detection as detection

    table = {(row.event, row.field) for row in rows()}
    union: Any = typing.get_args(types.RealtimeClientEvent)[0]
    for model in typing.get_args(union):
        (event,) = typing.get_args(model.model_fields["type"].annotation)
        fields = set(model.model_fields) - {"type", "event_id"}
        assert {(event, field) for field in fields or {""}} <= table
    nested: list[tuple[str, str, Any]] = [
        ("session.update", "session", types.RealtimeSessionCreateRequest),
        ("session.update", "session.audio.input", types.RealtimeAudioConfigInput),
        ("session.update", "session.audio.output", types.RealtimeAudioConfigOutput),
        ("session.update", TURNS, detection.ServerVad),
        ("session.update", TURNS, detection.SemanticVad),
        ("response.create", "response", types.RealtimeResponseCreateParams),
    ]
    for event, path, model in nested:
        fields = {f"{path}.{field}" for field in model.model_fields} - {"session.audio"}
        assert {(event, field) for field in fields} <= table
    refused = {(event, field): code for event, field, _, code in REFUSED}
    for row in rows():
        key = (row.event, row.field)
        assert row.text.startswith(("Obeyed", "For the handler")) == (
            key in OBEYED or row.event == "response.cancel"
        )
        for code in re.findall(r"[Rr]efused with `(\w+)`", row.text):
            assert code in {code for *at, _, code in REFUSED if tuple(at) == key} or (
                code == "conversation_already_has_active_response"
            )
    assert refused.keys() - table == {
        ("session.update", "session.input_audio_format"),
        ("response.create", "response.modalities"),
    }


async def send(agent: Agent, event: str, field: str, value: Any, said: str, id: str) -> None:
    """Send an event with a field by the client's own method for it."""
    method = functools.reduce(getattr, event.split("."), agent.connection)
    fields: dict[str, Any] = {**NEEDED.get(event, {})}
    inside, *path = field.split(".") if field else [""]
    for name in reversed(path):
        value = {name: value}
    if field.startswith(f"{TURNS}.") and not field.endswith(".type"):
        value["audio"]["input"]["turn_detection"].update(VAD)
    if inside:
        fields[inside] = value
    if fields.get("item_id") == "SAID":
        fields["item_id"] = said
    await method(**fields, event_id=id)  # type: ignore[operator]


def reply(audio: AudioFrame) -> AudioFrame:
    return tone(500, 0.06, RATE)


async def test_the_table_holds() -> None:
    """Every row of it is obeyed, or refused with its code, the event and the field."""
    handler = ReplyOnPause(reply, model=EnergyVAD(), input_sample_rate=16000)
    async with realtime(handler) as (agent, _):
        create = agent.connection.conversation.item.create
        for id in ("known", "deleted"):
            item: Any = {**ITEM, "id": id}
            await create(item=item)
        await agent.connection.response.create()
        said = (await agent.wait_for("response.done")).response.output[0].id
        for number, (event, field, value, code) in enumerate(REFUSED, 1):
            await send(agent, event, field, value, said, f"refused {number}")
            error = (await agent.wait_for("error", number)).error
            assert (error.event_id, error.code) == (f"refused {number}", code)
            param = "item.id" if code == "item_create_duplicate_item_id" else field
            nested = (error.param or "").startswith(f"{field}.")
            assert error.param is None if code in NO_FIELD else nested or error.param == param
        assert not agent.of_type("session.updated"), "nothing of it has changed"
        responses = 1
        for (event, field), value in OBEYED.items():
            if event == "response.create":
                await create(item=ITEM)
                responses += 1
            await send(agent, event, field, value, said, f"obeyed {field}")
            if event == "response.create":
                await agent.wait_for("response.done", responses)
        await agent.wait_for("conversation.item.truncated", 3)
        assert [e.error for e in agent.of_type("error")[len(REFUSED) :]] == []
        updates = sum(event == "session.update" for event, _ in OBEYED)
        session = (await agent.wait_for("session.updated", updates)).session
        detection = session.audio.input.turn_detection
        assert detection.silence_duration_ms == 400
        assert (detection.prefix_padding_ms, detection.threshold) == (200, 0.6)
        done = agent.of_type("response.done")
        assert {"topic": "weather"} in [event.response.metadata for event in done]
