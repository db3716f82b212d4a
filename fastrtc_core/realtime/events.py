"""The events of a client: which there are, and which fields they have."""

from __future__ import annotations

from typing import Any

from ..errors import MessageError
from ..websocket.dialect import MAX_MESSAGE, load
from .checks import RefusedError, check_known, check_type, required

MAX_EVENT = 21 << 20
"""Characters of the largest event: 15 MiB of audio in base64, as the API takes it."""

_QUOTES = 64
"""Quotation marks in an event of audio at most; it has but a few fields."""

_FIELDS: dict[str, tuple[dict[str, type], dict[str, type]]] = {
    "session.update": ({"session": dict}, {}),
    "input_audio_buffer.append": ({"audio": str}, {}),
    "input_audio_buffer.commit": ({}, {}),
    "input_audio_buffer.clear": ({}, {}),
    "output_audio_buffer.clear": ({}, {}),
    "response.create": ({}, {"response": dict}),
    "response.cancel": ({}, {"response_id": str}),
    "conversation.item.create": ({"item": dict}, {"previous_item_id": str}),
    "conversation.item.retrieve": ({"item_id": str}, {}),
    "conversation.item.delete": ({"item_id": str}, {}),
    "conversation.item.truncate": (
        {"item_id": str, "content_index": int, "audio_end_ms": int},
        {},
    ),
}
"""The fields that each must have, and those that it may have, beside `type` and `event_id`."""

_RESPONSE = frozenset(
    [
        "audio",
        "conversation",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "output_modalities",
        "parallel_tool_calls",
        "prompt",
        "reasoning",
        "tool_choice",
        "tools",
    ]
)

_ITEMS = frozenset(
    [
        "message",
        "function_call",
        "function_call_output",
        "mcp_approval_response",
        "mcp_list_tools",
        "mcp_call",
        "mcp_approval_request",
    ]
)
"""Types of items."""

_ROLES = frozenset({"user", "assistant", "system"})


def read_event(data: str | bytes) -> dict[str, Any]:
    """Read an event. Only audio may be long: all else would take many times its length as objects.

    Raises:
        MessageError: If it is no JSON object, or too large.
    """
    if isinstance(data, bytes):
        try:
            data = data.decode()
        except UnicodeDecodeError:
            problem = "a binary message is no event: audio goes into input_audio_buffer.append"
            raise MessageError(problem) from None
    if len(data) <= MAX_MESSAGE:
        return load(data)
    if data.count('"') > _QUOTES or "[" in data or data.count("{") > 1:
        raise MessageError(f"only audio may be larger than {MAX_MESSAGE} characters")
    return load(data, MAX_EVENT)


def check_fields(event: dict[str, Any]) -> str:
    """Check which fields an event has, and of which types; returns its type.

    Raises:
        RefusedError: If that is not what the API knows.
    """
    kind = event.get("type")
    if kind is None:
        raise RefusedError("The 'type' field is missing.", "invalid_event", "type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        known = ", ".join(f"'{known}'" for known in _FIELDS)
        text = f"Invalid value: '{str(kind)[:60]}'. Supported values are: {known}."
        raise RefusedError(text, "invalid_value", "type")
    needed, possible = _FIELDS[kind]
    check_known(event, needed.keys() | possible.keys() | {"type", "event_id"}, "")
    for name, type in needed.items():
        required(event, name, type)
    for name, type in possible.items():
        if event.get(name) is not None:
            check_type(event[name], type, name)
    if kind == "response.create":
        _check_response(event.get("response") or {})
    if kind == "conversation.item.create":
        _check_item(event["item"])
    return kind


def text_of_user(item: dict[str, Any]) -> str | None:
    """What the user typed, if an item is that and nothing else."""
    if item["type"] != "message" or item["role"] != "user":
        return None
    if not all(part.get("type") == "input_text" for part in item["content"]):
        return None
    return " ".join(str(part.get("text", "")) for part in item["content"])


def _check_response(response: dict[str, Any]) -> None:
    check_known(response, _RESPONSE, "response")
    for name in ("audio", "metadata"):
        if response.get(name) is not None:
            check_type(response[name], dict, f"response.{name}")
    audio = response.get("audio") or {}
    check_known(audio, {"output"}, "response.audio")
    if audio.get("output") is not None:
        check_type(audio["output"], dict, "response.audio.output")
        check_known(audio["output"], {"format", "voice"}, "response.audio.output")


def _check_item(item: dict[str, Any]) -> None:
    kind = required(item, "type", str, "item")
    if kind not in _ITEMS:
        text = f"Invalid value: '{kind[:60]}'. Supported values are: {', '.join(sorted(_ITEMS))}."
        raise RefusedError(text, "invalid_value", "item.type")
    if item.get("id") is not None:
        check_type(item["id"], str, "item.id")
    if kind != "message":
        return
    role = required(item, "role", str, "item")
    if role not in _ROLES:
        text = f"Invalid value: '{role[:60]}'. Supported values are: {', '.join(sorted(_ROLES))}."
        raise RefusedError(text, "invalid_value", "item.role")
    for number, part in enumerate(required(item, "content", list, "item")):
        check_type(part, dict, f"item.content[{number}]")
