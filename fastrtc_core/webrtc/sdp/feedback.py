"""Feedback about all packets of a transport, as it is negotiated.

It is two lines: a header extension for the numbers of packets, and the feedback about them
(draft-holmer-rmcat-transport-wide-cc-extensions-01). Only what is sent to steer its bit rate needs
it. So it is agreed for video, whichever way it goes, and where it comes in for the audio beside it
too, since both share a line. A connection of audio alone is spared the packets: Opus has one rate,
whatever the line.
"""

from __future__ import annotations

from .description import Description, Section

URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

FEEDBACK = "transport-cc"

_MEDIA = ("audio", "video")
_RECEIVING = ("sendrecv", "recvonly")
_MAX_SHORT = 14
"""The highest id of a header extension with one byte before each element (RFC 8285 §4.2)."""


def answer_feedback(answer: Description, offer: Description) -> dict[str, int]:
    """Accept feedback where it is offered.

    Args:
        answer: Of this side, complete otherwise; its lines are added to.
        offer: What it answers.

    Returns:
        The id of the header extension, by the mid of each section that has it.
    """
    offered = {section.mid: section for section in offer.sections}
    agreed: dict[str, int] = {}
    for section in _steered(answer):
        theirs = offered.get(section.mid)
        if theirs is None or (number := _number(theirs)) is None:
            continue
        if _add(section, number, _told_of(theirs)):
            agreed[section.mid] = number
    return agreed


def offer_feedback(offer: Description) -> None:
    """Offer feedback.

    Args:
        offer: Of this side, complete otherwise; its lines are added to.
    """
    everything, sections = _media(offer), _steered(offer)
    known = {number for section in everything for number in section.extensions().values()}
    agreed = (number for section in everything if (number := _number(section)) is not None)
    free = (number for number in range(1, _MAX_SHORT + 1) if number not in known)
    number = next(agreed, None) or next(free, None)
    if number is not None:
        for section in sections:
            if _number(section) is None:
                _add(section, number, {"*"})


def agreed_feedback(answer: Description) -> dict[str, int]:
    """What the other side has accepted, as `answer_feedback` has it."""
    return {
        section.mid: number
        for section in _media(answer)
        if (number := _number(section)) is not None and _told_of(section)
    }


def _steered(description: Description) -> list[Section]:
    """The sections of a description of this side that there is to be feedback for."""
    media = _media(description)
    video = [section for section in media if section.kind == "video"]
    if any(section.direction in _RECEIVING for section in video):
        return [s for s in media if s.kind == "audio" or s.direction != "inactive"]
    return [section for section in video if section.direction == "sendonly"]


def _media(description: Description) -> list[Section]:
    return [s for s in description.sections if s.live and s.kind in _MEDIA]


def _number(section: Section) -> int | None:
    return section.extensions().get(URI)


def _told_of(section: Section) -> set[str]:
    """The payload types that there is to be feedback for; `*` for all (RFC 4585 section 4.2)."""
    pairs = (value.partition(" ") for value in section.values("rtcp-fb"))
    return {number for number, _, kind in pairs if kind.strip() == FEEDBACK}


def _add(section: Section, number: int, told: set[str]) -> bool:
    """Add the lines to a section of this side; whether there is feedback for one of its codecs."""
    codecs = [
        payload_type
        for payload_type, codec in section.codecs().items()
        if not codec.startswith("rtx/") and not told.isdisjoint({"*", str(payload_type)})
    ]
    if codecs:
        section.lines.append(f"a=extmap:{number} {URI}")
        section.lines += [f"a=rtcp-fb:{payload_type} {FEEDBACK}" for payload_type in codecs]
    return bool(codecs)
