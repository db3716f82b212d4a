"""How this side likes to be sent Opus (RFC 7587 section 7)."""

from __future__ import annotations

from .description import Description

OPUS = "opus/48000/2"
"""As it is named whatever the rate and the channels of the audio (RFC 7587 section 4.1)."""


def describe_opus(description: Description, *, dtx: bool) -> None:
    """Ask for forward error correction, where nothing is said of Opus yet.

    Args:
        description: Of this side.
        dtx: Whether pauses are to be left out; otherwise packets keep coming.
    """
    wish = "useinbandfec=1;usedtx=1" if dtx else "useinbandfec=1"
    for section in description.sections:
        section.describe(OPUS, wish)


def force_stereo(description: Description) -> None:
    """Ask the other side to send Opus in stereo, and say that it may expect it."""
    for section in description.sections:
        section.describe(OPUS, "stereo=1;sprop-stereo=1", add=True)
