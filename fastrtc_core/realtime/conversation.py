"""The items and responses of a conversation, and the events that tell of them; without I/O."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any, Literal, NamedTuple

ITEMS = 100
"""Items that are remembered for `conversation.item.retrieve`; then the oldest are forgotten."""

ITEM_BYTES = 1 << 21
"""Characters of their JSON, all together."""

ROOT = "root"
"""What an item follows that is to come first."""


class _Response(NamedTuple):
    """What is being said.

    Attributes:
        id: Its id.
        item_id: Of the item that it is.
        said: Its sentences so far.
        is_speech: Whether it is a speech, whose end is told; the end of what `emit` made is found.
        metadata: What the client attached to it.
    """

    id: str
    item_id: str
    said: list[str]
    is_speech: bool
    metadata: Any

    def place(self) -> dict[str, Any]:
        """Where its only part stands."""
        return {
            "response_id": self.id,
            "item_id": self.item_id,
            "output_index": 0,
            "content_index": 0,
        }


class Conversation:
    """Writes the events of the API; every method returns those that are to be sent, in order."""

    def __init__(self) -> None:
        self._response: _Response | None = None
        self._numbers = itertools.count(1)
        self._items: dict[str, dict[str, Any]] = {}
        self._sizes: dict[str, int] = {}
        """Characters of each of them."""
        self._lengths: dict[str, float] = {}
        """Length in s of the audio of those that the assistant says."""
        self._latest: tuple[str, float] = "", 0.0
        """The item whose audio was sent last, and the length of that in s."""
        self._heard_item: str | None = None
        """The item for what the user is saying."""

    def event(self, type: str, **fields: Any) -> str:
        """Write any event."""
        return json.dumps({"type": type, "event_id": self._id("event"), **fields})

    def custom(self, fields: dict[str, Any]) -> str:
        """Write an event that the handler made."""
        return json.dumps({"event_id": self._id("event"), **fields})

    def error(
        self,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str,
        param: str | None = None,
        asked: Any = None,
    ) -> str:
        """Write an error; `param` is the field, and `asked` the `event_id`, that it is about."""
        asked = asked if isinstance(asked, str) else None
        error = {"type": kind, "code": code, "message": message, "param": param, "event_id": asked}
        return self.event("error", error=error)

    # The user

    def speech_started(self, milliseconds: int) -> list[str]:
        """The user speaks, since so many ms after the beginning."""
        item_id = self._heard_item = self._id("item")
        name = "input_audio_buffer.speech_started"
        return [self.event(name, audio_start_ms=milliseconds, item_id=item_id)]

    def speech_stopped(self, milliseconds: int) -> list[str]:
        """The turn of the user is over."""
        item_id = self._heard_item = self._heard_item or self._id("item")
        name = "input_audio_buffer.speech_stopped"
        return [self.event(name, audio_end_ms=milliseconds, item_id=item_id)]

    def commit(self) -> list[str]:
        """What was said so far becomes an item."""
        item_id, self._heard_item = self._heard_item or self._id("item"), None
        previous = self._last()
        content = {"type": "input_audio", "transcript": None}
        return [
            self.event("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous),
            *self.add_item(
                {"id": item_id, "type": "message", "role": "user", "content": [content]}
            ),
        ]

    def discard(self) -> list[str]:
        """What was said so far is forgotten."""
        self._heard_item = None
        return [self.event("input_audio_buffer.cleared")]

    def user_transcript(self, text: str) -> list[str]:
        """What the user said is known."""
        item_id = self._heard_item or self._last_heard() or self._id("item")
        return [
            self.event(
                "conversation.item.input_audio_transcription.completed",
                item_id=item_id,
                content_index=0,
                transcript=text,
                usage={"type": "duration", "seconds": 0},
            )
        ]

    # Items

    def is_last(self, previous: str | None) -> bool:
        """Whether what follows an item comes last."""
        return previous is None or previous == (self._last() or ROOT)

    def add_item(self, item: dict[str, Any], after: str | None = None) -> list[str]:
        """An item that is complete; `after` is the id before it, `ROOT`, or the last."""
        before = self._last() if after is None else after
        previous = None if before == ROOT else before
        item = self._remember(item, "completed")
        self._move(item["id"], previous)
        return [
            self.event("conversation.item.added", item=item, previous_item_id=previous),
            self.event("conversation.item.done", item=item, previous_item_id=previous),
        ]

    def item(self, id: Any) -> dict[str, Any] | None:
        """An item that was not forgotten."""
        return self._items.get(id) if isinstance(id, str) else None

    def delete_item(self, id: str) -> None:
        """Forget an item."""
        self._items.pop(id, None)
        self._sizes.pop(id, None)
        self._lengths.pop(id, None)

    def length(self, id: str) -> float | None:
        """Length in s of the audio of an item that the assistant says; `None` of any other."""
        return self._lengths.get(id)

    def unheard(self, id: str, end: float) -> float:
        """How much in s was sent last of an item, after so many s of it; 0 if others followed."""
        latest, sent = self._latest
        return max(0.0, sent - end) if latest == id else 0.0

    def truncate_item(self, id: str, milliseconds: int) -> str:
        """Nothing after so many ms of an item was heard; its words go, as in the API."""
        self._lengths[id] = milliseconds / 1000
        item = self._items[id]
        if item["status"] != "in_progress":
            self._items[id] = {**item, "content": [{"type": "output_audio", "transcript": ""}]}
        return self.event(
            "conversation.item.truncated", item_id=id, content_index=0, audio_end_ms=milliseconds
        )

    # The reply

    @property
    def responding(self) -> bool:
        """Whether there is a response that has not ended."""
        return self._response is not None

    @property
    def response_id(self) -> str | None:
        """Of that response."""
        return self._response.id if self._response is not None else None

    @property
    def responding_with_speech(self) -> bool:
        """Whether the end of that response is told."""
        return self._response is not None and self._response.is_speech

    def begin_response(self, *, is_speech: bool, metadata: Any = None) -> list[str]:
        """Something is being said."""
        events = self.end_response()
        response = _Response(self._id("resp"), self._id("item"), [], is_speech, metadata)
        self._response = response
        previous = self._last()
        self._lengths[response.item_id] = 0.0
        item = self._remember(
            {"id": response.item_id, "type": "message", "role": "assistant", "content": []},
            "in_progress",
        )
        place = {"response_id": response.id, "output_index": 0}
        described = _described(response, "in_progress", [])
        return [
            *events,
            self.event("response.created", response=described),
            self.event("response.output_item.added", item=item, **place),
            self.event("conversation.item.added", item=item, previous_item_id=previous),
            self.event(
                "response.content_part.added",
                part={"type": "audio", "transcript": ""},
                **response.place(),
            ),
        ]

    def audio(self, data: bytes, seconds: float) -> list[str]:
        """So much of it."""
        events = [] if self._response else self.begin_response(is_speech=False)
        assert self._response is not None
        latest, sent = self._latest
        id = self._response.item_id
        self._latest = id, seconds + (sent if latest == id else 0.0)
        if id in self._lengths:
            self._lengths[id] += seconds
        delta = base64.b64encode(data).decode()
        place = self._response.place()
        events.append(self.event("response.output_audio.delta", delta=delta, **place))
        return events

    def bot_transcript(self, text: str) -> list[str]:
        """A sentence of it."""
        if self._response is None:
            return []
        delta = f" {text}" if self._response.said else text
        self._response.said.append(text)
        place = self._response.place()
        return [self.event("response.output_audio_transcript.delta", delta=delta, **place)]

    def end_response(
        self,
        status: Literal["completed", "cancelled", "failed"] = "completed",
        reason: str | None = None,
    ) -> list[str]:
        """Nothing more of it comes; nothing if there is none."""
        response, self._response = self._response, None
        if response is None:
            return []
        transcript = " ".join(response.said)
        item = {
            "id": response.item_id,
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_audio", "transcript": transcript}],
        }
        whole = "completed" if status == "completed" else "incomplete"
        item = self._remember(item, whole)
        place = response.place()
        part = {"type": "audio", "transcript": transcript}
        details = None if status == "completed" else {"type": status, "reason": reason}
        return [
            self.event("response.output_audio.done", **place),
            self.event("response.output_audio_transcript.done", transcript=transcript, **place),
            self.event("response.content_part.done", part=part, **place),
            self.event(
                "response.output_item.done", item=item, response_id=response.id, output_index=0
            ),
            self.event("conversation.item.done", item=item),
            self.event("response.done", response=_described(response, status, [item], details)),
        ]

    def _remember(self, item: dict[str, Any], status: str) -> dict[str, Any]:
        id = item.get("id")
        if not isinstance(id, str) or not id:
            id = self._id("item")
        item = {**item, "id": id, "object": "realtime.item", "status": status}
        self._items[id] = item
        self._sizes[id] = len(json.dumps(item))
        while len(self._items) > ITEMS or sum(self._sizes.values()) > ITEM_BYTES:
            self.delete_item(next(iter(self._items)))
        return item

    def _last(self) -> str | None:
        return next(reversed(self._items), None)

    def _move(self, id: str, previous: str | None) -> None:
        """Put an item, which is the last, behind another, or before all."""
        if id not in self._items or (previous is not None and previous not in self._items):
            return  # what is too large, or too long ago, is forgotten
        others = list(self._items)[:-1]
        for other in others[0 if previous is None else others.index(previous) + 1 :]:
            self._items[other] = self._items.pop(other)

    def _last_heard(self) -> str | None:
        heard = (id for id, item in reversed(self._items.items()) if item.get("role") == "user")
        return next(heard, None)

    def _id(self, kind: str) -> str:
        return f"{kind}_{next(self._numbers):06}"


def _described(
    response: _Response, status: str, output: list[Any], details: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "id": response.id,
        "object": "realtime.response",
        "status": status,
        "status_details": details,
        "output": output,
        "output_modalities": ["audio"],
        "usage": None,
        "metadata": response.metadata,
    }
