"""RTP packets (RFC 3550 section 5.1), as far as audio needs them."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = struct.Struct("!BBHII")
_EXTENSION_HEADER = struct.Struct("!HH")

_VERSION = 0x80
_VERSION_MASK = 0xC0
_PADDING = 0x20
_EXTENSION = 0x10
_CSRC_COUNT = 0x0F
_MARKER = 0x80
_ONE_BYTE = 0xBEDE
_TWO_BYTE = 0x1000
"""Header extensions whose elements begin with one byte, or with two (RFC 8285)."""
_STOP = 15
"""The id after which nothing of an extension is read (RFC 8285 section 4.2)."""


class RtpPacket(NamedTuple):
    """A packet that came in.

    Attributes:
        payload_type: 7 bits.
        sequence_number: 16 bits.
        timestamp: 32 bits.
        ssrc: Its source.
        payload: Without padding.
    """

    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_packet(data: bytes) -> RtpPacket | None:
    """Read a packet; `None` if it is damaged. Header extensions and contributors are skipped."""
    if len(data) < HEADER.size:
        return None
    first, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
    if first & _VERSION_MASK != _VERSION:
        return None
    start = HEADER.size + 4 * (first & _CSRC_COUNT)
    end = len(data)
    if first & _EXTENSION:
        if end < start + _EXTENSION_HEADER.size:
            return None
        _, words = _EXTENSION_HEADER.unpack_from(data, start)
        start += _EXTENSION_HEADER.size + 4 * words
    if first & _PADDING:
        padding = data[-1]
        if not padding:
            return None
        end -= padding
    if start > end:
        return None
    return RtpPacket(second & ~_MARKER, sequence_number, timestamp, ssrc, data[start:end])


def build_packet(
    payload_type: int,
    marker: bool,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    extension: bytes,
    payload: bytes,
) -> bytes:
    """Make a packet.

    Args:
        payload_type: 7 bits.
        marker: Whether it begins a talkspurt (RFC 3551 section 4.1).
        sequence_number: Its last 16 bits are used.
        timestamp: Its last 32 bits are used.
        ssrc: 32 bits.
        extension: The whole header extension, its own header included; may be empty.
        payload: What it carries.
    """
    first = _VERSION | (_EXTENSION if extension else 0)
    second = payload_type | (_MARKER if marker else 0)
    header = HEADER.pack(first, second, sequence_number & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    return header + extension + payload


def find_extension(packet: bytes, number: int) -> bytes | None:
    """An element of the header extension of a packet (RFC 8285 sections 4.2 and 4.3).

    Args:
        packet: A whole packet; damaged ones may have none.
        number: The id that was negotiated.
    """
    if len(packet) < HEADER.size or not packet[0] & _EXTENSION:
        return None
    position = HEADER.size + 4 * (packet[0] & _CSRC_COUNT)
    if len(packet) < position + _EXTENSION_HEADER.size:
        return None
    profile, words = _EXTENSION_HEADER.unpack_from(packet, position)
    position += _EXTENSION_HEADER.size
    end = position + 4 * words
    if end > len(packet):
        return None
    short = profile == _ONE_BYTE
    if not short and profile & 0xFFF0 != _TWO_BYTE:
        return None
    while position < end:
        first = packet[position]
        position += 1
        if not first:  # padding
            continue
        if short:
            name, length = first >> 4, (first & 0x0F) + 1
            if name == _STOP:
                return None
        elif position < end:
            name, length = first, packet[position]
            position += 1
        else:
            return None
        if name == number:
            return packet[position : position + length] if position + length <= end else None
        position += length
    return None
