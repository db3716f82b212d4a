"""Encoded pictures, put together from RTP packets."""

from __future__ import annotations

import re
from typing import NamedTuple

VIDEO_CLOCK_RATE = 90_000
"""RTP clock rate of video in Hz (RFC 7741 section 4.1, RFC 6184 section 5.1)."""

PATIENCE = 0.5
"""How long in s a lost packet is asked for, and waited for."""

MAX_PACKETS = 1024
"""Packets that may wait for one that is lost; a keyframe in high resolution has some 200."""

_VP8_START = b"\x9d\x01\x2a"
_H264_START = b"\x00\x00\x01"
_H264_EMPTY = re.compile(rb"\x00\x00\x01\x00*(?:\x00\x00\x01|\Z)")
_H264_DELIMITER, _H264_PARAMETERS = 9, 7


class EncodedVideoFrame(NamedTuple):
    """One picture as it travels.

    Attributes:
        codec: Its MIME type in lower case, such as `video/vp8`.
        data: The whole picture: a VP8 frame, or NAL units with start codes.
        timestamp: At `VIDEO_CLOCK_RATE`, modulo 2**32.
        keyframe: Whether a decoder can begin with it.
        layer: Which size of its camera it is, by its `rid` (RFC 8851); empty if that has one only.
    """

    codec: str
    data: bytes
    timestamp: int
    keyframe: bool
    layer: str = ""


def is_sound(codec: str, data: bytes) -> bool:
    """Whether a picture can be sent on: one of H.264 must not have an empty NAL unit."""
    return bool(data) and not (codec == "video/h264" and _H264_EMPTY.search(data))


def is_keyframe(codec: str, data: bytes) -> bool:
    """Whether a decoder can begin with a picture.

    Args:
        codec: `video/vp8` or `video/h264`; of others it is not known.
        data: The picture.
    """
    if codec == "video/vp8":  # RFC 6386 section 9.1
        return len(data) > 9 and not data[0] & 1 and data[3:6] == _VP8_START
    if codec == "video/h264":  # its parameters come first (ITU-T H.264 section 7.4.1.2.3)
        start = data.find(_H264_START)
        while 0 <= start < len(data) - 3:
            kind = data[start + 3] & 0x1F
            if kind != _H264_DELIMITER:
                return kind == _H264_PARAMETERS
            start = data.find(_H264_START, start + 3)
    return False


def picture_area(codec: str, keyframe: bytes) -> int:
    """Width times height of a keyframe of VP8 (RFC 6386 section 9.1); 0 of other codecs."""
    if codec != "video/vp8" or len(keyframe) < 10:
        return 0
    # The upper two bits of each are for a scaling that nobody does.
    width, height = (int.from_bytes(keyframe[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return width * height


def vp8_payload(payload: bytes) -> bytes:
    """What a packet of VP8 carries, without its descriptor (RFC 7741 section 4.2).

    Raises:
        ValueError: If it is too short.
    """
    start = 1
    if payload[0] & 0x80:  # there are extensions
        flags = payload[1] if len(payload) > 1 else 0
        start = 2
        if flags & 0x80:  # the number of the picture, in one byte or two
            start += 2 if len(payload) > 2 and payload[2] & 0x80 else 1
        start += bool(flags & 0x40) + bool(flags & 0x30)
    if len(payload) < start:
        raise ValueError("a descriptor of VP8 is too short")
    return payload[start:]


def elapsed_ticks(earlier: int, later: int) -> int:
    """From one RTP timestamp to another, which may have wrapped, or be earlier after all."""
    return (later - earlier + (1 << 31)) % (1 << 32) - (1 << 31)


class WholeFrame(NamedTuple):
    """The payloads of one picture, joined.

    Attributes:
        data: What they hold.
        timestamp: Of its packets.
        after_gap: Whether something before it is missing.
    """

    data: bytes
    timestamp: int
    after_gap: bool


class _Packet(NamedTuple):
    timestamp: int
    marker: bool
    data: bytes


def unwrap(sequence_number: int, reference: int) -> int:
    """The number, counted on beyond 16 bits, that is nearest to another one so counted."""
    return reference + (sequence_number - reference + (1 << 15)) % (1 << 16) - (1 << 15)


class FrameAssembler:
    """Puts pictures together, in order, each as soon as its last packet is there.

    It does no I/O and has no clock: every call is told the time.
    """

    def __init__(self) -> None:
        self.lost = 0
        """Packets that were not waited for any longer."""
        self._next: int | None = None
        """The packet that is due, by its number since the beginning."""
        self._packets: dict[int, _Packet] = {}
        self._parts: list[_Packet] = []
        """The beginning of a picture."""
        self._gap = True
        self._partial = False
        """Whether the beginning of the current picture was lost."""
        self._missing_since: float | None = None
        self._beginnings: list[int] = []
        """Packets that wait, with which a decoder can begin."""

    @property
    def due(self) -> int | None:
        """The packet that is waited for, by its number, counted on beyond 16 bits."""
        return self._next

    def __len__(self) -> int:
        """How many packets it holds."""
        return len(self._packets)

    def push(
        self,
        sequence_number: int,
        timestamp: int,
        marker: bool,
        data: bytes,
        now: float,
        beginning: bool = False,
    ) -> list[WholeFrame]:
        """Take a packet.

        Args:
            sequence_number: Of RTP.
            timestamp: Of RTP.
            marker: Whether it says that it is the last one of its picture.
            data: Its payload, without the header of the codec.
            now: When it came, in s.
            beginning: Whether it is the first one of a keyframe. As soon as that is whole, what was
                lost before it is not waited for any longer.

        Returns:
            The pictures that are whole now.
        """
        if self._next is None:
            self._next = sequence_number
        number = unwrap(sequence_number, self._next)
        if self._next - MAX_PACKETS <= number < self._next:
            return []  # late, or a copy
        if abs(number - self._next) >= MAX_PACKETS:  # another beginning
            self.lost += 1
            self._packets.clear()
            self._beginnings.clear()
            self._begin(number)
        self._packets[number] = _Packet(timestamp, marker, data)
        if beginning and number > self._next:
            self._beginnings.append(number)
        frames = self._take()
        if self._beginnings:
            frames += self._skip_to_keyframe()
        if not self._packets:
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = now
        elif now - self._missing_since >= PATIENCE or len(self._packets) >= MAX_PACKETS:
            first = min(self._packets)
            self.lost += first - self._next
            self._begin(first)
            frames += self._take()
            self._missing_since = now if self._packets else None
        return frames

    def _begin(self, number: int) -> None:
        """Go on behind a gap, most likely amid a picture."""
        self._next = number
        self._parts.clear()
        self._gap = self._partial = True

    def _skip_to_keyframe(self) -> list[WholeFrame]:
        """Go on with the latest keyframe that is whole, if there is one."""
        assert self._next is not None
        self._beginnings = [first for first in self._beginnings if first > self._next]
        for first in reversed(self._beginnings):
            number = first
            while (packet := self._packets.get(number)) is not None and not packet.marker:
                number += 1
            if packet is not None:
                self.lost += sum(other not in self._packets for other in range(self._next, first))
                for other in [other for other in self._packets if other < first]:
                    del self._packets[other]
                self._begin(first)
                self._partial = False
                return self._take()
        return []

    def _take(self) -> list[WholeFrame]:
        frames: list[WholeFrame] = []
        assert self._next is not None
        while (packet := self._packets.pop(self._next, None)) is not None:
            self._missing_since = None
            self._next += 1
            if self._parts and packet.timestamp != self._parts[0].timestamp:
                self._finish(frames)
            self._parts.append(packet)
            if packet.marker:
                self._finish(frames)
        return frames

    def _finish(self, frames: list[WholeFrame]) -> None:
        data = b"".join(part.data for part in self._parts)
        if data and not self._partial:
            frames.append(WholeFrame(data, self._parts[0].timestamp, self._gap))
            self._gap = False
        self._parts.clear()
        self._partial = False
