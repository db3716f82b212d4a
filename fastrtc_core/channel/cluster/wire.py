"""What servers send each other: a kind, the server that sends, and a note or a packet of audio.

A note is a JSON object with a `type`; see `link`. A packet of audio is what came over RTP, or what
an encoder of the server made, with its numbers: whoever gets it has a jitter buffer.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from ...errors import MessageError
from ...media.rtp import RtpPacket

ID_SIZE = 8
"""Bytes of the id of a server."""

_HEADER = struct.Struct(f"!B{ID_SIZE}s")
_AUDIO = struct.Struct("!IHII")
_NOTE_KIND, _AUDIO_KIND = 0, 1


class Voice(NamedTuple):
    """A packet of what a user says.

    Attributes:
        uid: Who says it.
        packet: Opus.
    """

    uid: int
    packet: RtpPacket


def pack_note(server: bytes, note: dict[str, Any]) -> bytes:
    """A note, as bytes."""
    body = json.dumps(note, separators=(",", ":"), ensure_ascii=False)
    return _HEADER.pack(_NOTE_KIND, server) + body.encode(errors="replace")


def pack_voice(server: bytes, voice: Voice) -> bytes:
    """A packet of audio, as bytes."""
    packet = voice.packet
    numbers = _AUDIO.pack(voice.uid, packet.sequence_number, packet.timestamp, packet.ssrc)
    return _HEADER.pack(_AUDIO_KIND, server) + numbers + packet.payload


def unpack(data: bytes) -> tuple[bytes, Voice | dict[str, Any]]:
    """Which server sent it, and what.

    Raises:
        MessageError: If it is none of these.
    """
    try:
        kind, server = _HEADER.unpack_from(data)
        if kind == _AUDIO_KIND:
            uid, number, timestamp, ssrc = _AUDIO.unpack_from(data, _HEADER.size)
            payload = data[_HEADER.size + _AUDIO.size :]
            return server, Voice(uid, RtpPacket(0, number, timestamp, ssrc, payload))
        note = json.loads(data[_HEADER.size :]) if kind == _NOTE_KIND else None
    except (struct.error, ValueError, RecursionError):
        raise MessageError("what came over the bus cannot be read") from None
    if not isinstance(note, dict) or not isinstance(note.get("type"), str):
        raise MessageError("what came over the bus is no note")
    return server, note
