"""What a track tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TrackKind = Literal["audio", "video"]

StreamState = Literal["unknown", "active", "paused"]
"""Whether anything flows: `unknown` before the first frame, `paused` while it is muted."""


@dataclass(frozen=True)
class TrackStats:
    """What one transport knows of a track; `None` where it does not know.

    The names are those of W3C WebRTC Statistics, as far as they have one.

    Attributes:
        direction: Whether it comes in or goes out.
        packets: Packets that were received or sent.
        bytes: Bytes of their payloads.
        packets_lost: Packets that the receiver misses; for what goes out, as it reports.
        fraction_lost: The same as a part of those it expected of late, 0 to 1.
        jitter: Of the arrival, in s (RFC 3550 section 6.4.1).
        round_trip_time: In s.
        jitter_buffer_delay: How long frames wait at the moment for those that are late, in s.
        concealed_samples: Samples per channel that stand in for lost ones.
        frames: Frames that were received or sent.
        audio_level: Root mean square of the latest frame, 0 to 1.
    """

    direction: Literal["inbound", "outbound"]
    packets: int | None = None
    bytes: int | None = None
    packets_lost: int | None = None
    fraction_lost: float | None = None
    jitter: float | None = None
    round_trip_time: float | None = None
    jitter_buffer_delay: float | None = None
    concealed_samples: int | None = None
    frames: int | None = None
    audio_level: float | None = None
