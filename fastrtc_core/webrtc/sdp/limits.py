"""What an offer may have: reading one takes time, and must not hold up everybody else."""

from __future__ import annotations

from ...errors import MalformedOfferError
from .description import Description, Section

MAX_SDP = 65_536
"""Characters of an SDP; those of browsers have 2 to 20 KB."""

MAX_LINES = 1000
"""Lines of an SDP. Browsers write 100 to 300."""

MAX_CODECS = 64
"""Codecs (`rtpmap`) of one section. Chromium names 23 for video, up to some 50 with hardware."""

MAX_FEEDBACK = 256
"""Kinds of feedback (`rtcp-fb`) of one section. Chromium names 50, five for each codec of video."""

MAX_WILDCARDS = 8
"""Those that are for all codecs: `rtcp-fb:*`."""

MAX_SOURCES = 32
"""Sources (`ssrc`) of one section; browsers name one or two, seven with simulcast."""

MAX_WORK = 32_768
"""Steps that an SDP may take to be read, which is 5 ms at most: aiortc looks at each codec for each
kind of feedback, and at each source for each line about one. Chromium's with audio and video takes
1,400."""

WILDCARD_STEPS = 8
"""Steps for each codec that a wildcard is for: an object is made for it."""

MAX_MEDIA_SECTIONS = 8

MAX_CANDIDATES = 64
"""Candidates of one section that are looked at; further ones are left out."""

MAX_MID = 255
"""Bytes of the name of a section."""


def check_work(description: Description) -> int:
    """Find out whether an offer can be read without holding up everybody else.

    Returns:
        The steps that it takes.

    Raises:
        MalformedOfferError: If it would take too many.
    """
    if sum(1 for _ in description.lines()) > MAX_LINES:
        raise MalformedOfferError(f"the SDP of the offer has more than {MAX_LINES} lines")
    if len(description.sections) > MAX_MEDIA_SECTIONS:
        raise MalformedOfferError(f"the offer has more than {MAX_MEDIA_SECTIONS} sections")
    work = sum(_work(section) for section in description.sections)
    if work > MAX_WORK:
        raise MalformedOfferError("the SDP of the offer is too much work: offer fewer codecs")
    return work


def _work(section: Section) -> int:
    feedback = section.values("rtcp-fb")
    sources = [value.split(" ", 1)[0] for value in section.values("ssrc")]
    counts = (
        codecs := len(section.values("rtpmap")),
        len(feedback),
        wildcards := sum(1 for value in feedback if value.startswith("*")),
        distinct := len(set(sources)),
    )
    limits = (MAX_CODECS, MAX_FEEDBACK, MAX_WILDCARDS, MAX_SOURCES)
    if any(count > limit for count, limit in zip(counts, limits, strict=True)):
        raise MalformedOfferError(
            f"a section of the offer has more than {MAX_CODECS} codecs, {MAX_FEEDBACK} kinds "
            f"of feedback, {MAX_WILDCARDS} of them for all codecs, or {MAX_SOURCES} sources"
        )
    described = len(section.values("fmtp")) // 2  # it stops where it finds the codec
    work = codecs * (len(feedback) + described + WILDCARD_STEPS * wildcards)
    return work + distinct * len(sources)
