"""How this side likes to be sent video."""

from __future__ import annotations

from .description import Description

_SPOKEN = ("vp8/90000", "h264/90000")


def describe_video(description: Description, bit_rate: int | None) -> None:
    """Ask a client to begin with a bit rate, in place of the 300 kb/s of libwebrtc.

    Browsers on libwebrtc read it; no standard names it, and others ignore it (RFC 8866 section
    6.15).

    Args:
        description: Of this side.
        bit_rate: In bit/s; `None` asks for nothing.
    """
    if bit_rate is None:
        return
    for section in description.sections:
        if section.kind == "video":
            for codec in _SPOKEN:
                section.describe(codec, f"x-google-start-bitrate={bit_rate // 1000}", add=True)
