"""What the sections of an offer bring, and which of them are used."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from . import h264
from .description import Description, Section

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

_SPOKEN = {"audio": "opus/48000/2/", "video": "vp8/90000/"}


@dataclass(frozen=True)
class MediaSection:
    """One `m=` section of an offer.

    Attributes:
        kind: `audio`, `video` or `application`.
        direction: The client's.
        mid: Its name.
        spoken: Whether it has a codec that this server speaks.
        forwarded: Whether it has one in which pictures of others can be handed on as they came.
    """

    kind: str
    direction: str
    mid: str = field(default="", compare=False)
    spoken: bool = field(default=True, compare=False)
    forwarded: bool = field(default=True, compare=False)


def read_media(offer: Description) -> tuple[MediaSection, ...]:
    """The live sections of an offer that was normalised."""
    return tuple(_read(section) for section in offer.sections if section.live)


def choose(
    media: Iterable[MediaSection],
    receives: Collection[str],
    sends: Collection[str],
    *,
    forwarded: bool = False,
) -> dict[str, MediaSection]:
    """The section of each medium that serves most of what may flow; the first of equals.

    Args:
        media: The sections of the offer.
        receives: The media that this side takes.
        sends: The media that it has to send.
        forwarded: Whether pictures of others are handed on as they came.

    Returns:
        The sections through which something flows, by medium.
    """
    chosen: dict[str, MediaSection] = {}
    most: dict[str, int] = {}
    for section in media:
        flows = (section.kind in receives and section.direction in ("sendrecv", "sendonly")) + (
            section.kind in sends and section.direction in ("sendrecv", "recvonly")
        )
        usable = section.spoken and (section.forwarded or not forwarded)
        if usable and flows > most.get(section.kind, 0):
            chosen[section.kind], most[section.kind] = section, flows
    return chosen


def _read(section: Section) -> MediaSection:
    kind, direction = section.kind, section.direction or "sendrecv"
    known = _SPOKEN.get(kind)
    spoken = known is None or any(f"{c}/".startswith(known) for c in section.codecs().values())
    if kind != "video":
        return MediaSection(kind, direction, section.mid, spoken)
    forms = h264.forms(section).values()
    whole = spoken or any(not form.single for form in forms)
    return MediaSection(kind, direction, section.mid, spoken or bool(forms), whole)
