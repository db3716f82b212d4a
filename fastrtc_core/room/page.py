"""What a page is told of an event: the texts of the messages for its data channel.

Each is a message of the type `message` whose data have an `event`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, assert_never

from ..messages import build_message
from ..messaging.assembler import WHOLE, split_message
from ..messaging.chat import ChatMessage
from .events import (
    ActiveSpeaker,
    CallSent,
    ChatWritten,
    ConnectionStateChanged,
    Event,
    MessageSent,
    StreamPacketSent,
    TokenExpired,
    TokenWillExpire,
    TrackMuted,
    TrackPublished,
    TrackUnmuted,
    TrackUnpublished,
    Transcribed,
    UserJoined,
    UserLeft,
    VideoSourceChanged,
)

WELCOME = 1 << 17
"""Bytes of the chat so far that who joins is sent; most data channels take twice as many."""


def text_of(event: str, **data: Any) -> str:
    """One message."""
    return build_message("message", {"event": event, **data})


def texts_of(event: Event) -> tuple[str, ...]:
    """The messages that tell of an event, in their order."""
    match event:
        # What goes to everybody, and may be long, is written once.
        case ChatWritten() | MessageSent() | Transcribed():
            return _shared_texts(event)
        case UserJoined(uid, user):
            text = text_of("user_joined", uid=uid, user=user)
        case UserLeft(uid, reason):
            text = text_of("user_left", uid=uid, reason=reason)
        case TrackPublished(uid, source):
            text = text_of("track_published", uid=uid, source=source)
        case TrackUnpublished(uid, source):
            text = text_of("track_unpublished", uid=uid, source=source)
        case TrackMuted(uid, source):
            text = text_of("track_muted", uid=uid, source=source)
        case TrackUnmuted(uid, source):
            text = text_of("track_unmuted", uid=uid, source=source)
        case ConnectionStateChanged(state):
            text = text_of("connection_state_changed", state=state)
        case ActiveSpeaker(speaker):
            text = text_of("active_speaker", uid=speaker)
        case VideoSourceChanged(shown):
            text = text_of("video_source", uid=shown)
        case TokenWillExpire(seconds):
            text = text_of("token_privilege_will_expire", seconds=seconds)
        case TokenExpired():
            text = text_of("token_privilege_did_expire")
        case CallSent(sender, call):
            text = text_of("rpc", uid=sender, data=call)
        case StreamPacketSent(sender, packet):
            text = text_of("data_stream", uid=sender, data=packet)
        case _:
            assert_never(event)
    return (text,)


@lru_cache(maxsize=8)
def _shared_texts(event: ChatWritten | MessageSent | Transcribed) -> tuple[str, ...]:
    match event:
        case ChatWritten(message):
            return (text_of("chat_message", **_written(message)),)
        case Transcribed(uid, transcript, sender):
            return (text_of("transcript", uid=uid, by=sender, **transcript._asdict()),)
        case MessageSent(sender, text, msg_id) if len(text) <= WHOLE:
            return (text_of("stream_message", uid=sender, data=text, msg_id=msg_id),)
        case MessageSent(sender, text, msg_id):
            parts = split_message(text, msg_id, limit=WHOLE)
            return tuple(text_of("stream_message_part", uid=sender, data=part) for part in parts)


def latest_chat(history: list[ChatMessage], room: float) -> list[dict[str, Any]]:
    """The end of the chat, as much as fits into so many bytes."""
    written: list[dict[str, Any]] = []
    for message in reversed(history):
        entry = _written(message)
        room -= len(json.dumps(entry)) + len(", ")
        if room < 0:
            break
        written.append(entry)
    return written[::-1]


def _written(message: ChatMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "uid": message.sender,
        "text": message.text,
        "time": message.time,
        "final": message.final,
    }
