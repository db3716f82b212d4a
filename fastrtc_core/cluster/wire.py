"""What servers send each other: a kind, the server that sends, and a note, a packet or a picture.

A note is a JSON object with a `type`; see `link`. A packet of audio is what came over RTP, or what
an encoder of the server made, with its numbers: whoever gets it has a jitter buffer.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from .. import strict_json
from ..errors import MessageError
from ..media.rtp import RtpPacket
from ..media.video_frames import EncodedVideoFrame
from ..room.video_router import CODECS

ID_SIZE = 8
"""Bytes of the id of a server."""

_HEADER = struct.Struct(f"!B{ID_SIZE}s")
_AUDIO = struct.Struct("!IHII")
_VIDEO = struct.Struct("!IHIB?")
_NOTE_KIND, _AUDIO_KIND, _VIDEO_KIND = range(3)


class Voice(NamedTuple):
    """A packet of what a user says.

    Attributes:
        uid: Who says it.
        packet: Opus.
    """

    uid: int
    packet: RtpPacket


class Picture(NamedTuple):
    """A picture of somebody's camera.

    Attributes:
        uid: Whose.
        number: 16 bits, one more than that of the picture before.
        frame: The picture.
    """

    uid: int
    number: int
    frame: EncodedVideoFrame


def pack_note(server: bytes, note: dict[str, Any]) -> bytes:
    """A note, as bytes."""
    body = json.dumps(note, separators=(",", ":"), ensure_ascii=False)
    return _HEADER.pack(_NOTE_KIND, server) + body.encode(errors="replace")


def pack_voice(server: bytes, voice: Voice) -> bytes:
    """A packet of audio, as bytes."""
    packet = voice.packet
    numbers = _AUDIO.pack(voice.uid, packet.sequence_number, packet.timestamp, packet.ssrc)
    return _HEADER.pack(_AUDIO_KIND, server) + numbers + packet.payload


def pack_picture(server: bytes, picture: Picture) -> bytes:
    """A picture, as bytes."""
    frame = picture.frame
    codec = CODECS.index(frame.codec)
    numbers = _VIDEO.pack(picture.uid, picture.number, frame.timestamp, codec, frame.keyframe)
    return _HEADER.pack(_VIDEO_KIND, server) + numbers + frame.data


def unpack(data: bytes) -> tuple[bytes, Voice | Picture | dict[str, Any]]:
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
        if kind == _VIDEO_KIND:
            uid, number, timestamp, codec, keyframe = _VIDEO.unpack_from(data, _HEADER.size)
            content = data[_HEADER.size + _VIDEO.size :]
            frame = EncodedVideoFrame(CODECS[codec], content, timestamp, keyframe)
            return server, Picture(uid, number, frame)
        note = strict_json.load(data[_HEADER.size :]) if kind == _NOTE_KIND else None
    except (struct.error, ValueError, IndexError):
        raise MessageError("what came over the bus cannot be read") from None
    if not isinstance(note, dict) or not isinstance(note.get("type"), str):
        raise MessageError("what came over the bus is no note")
    return server, note
