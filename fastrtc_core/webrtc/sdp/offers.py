"""Offers as they are taken: read and checked before anything is made for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiortc.sdp import SessionDescription

from ...errors import MalformedOfferError
from .candidates import drop_unresolvable, has_address, limit_candidates
from .description import Description, Section
from .limits import MAX_CANDIDATES, MAX_MID, MAX_SDP, check_work
from .media import MediaSection, read_media

NAMELESS = "section-"
"""Begins the mid that a section without one gets, inside this server."""

_BUNDLED = ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:", "a=rtcp-mux")
"""What a section that is sent in a bundle alone leaves to the first one (RFC 9143 section 6)."""


@dataclass(frozen=True)
class Offer:
    """An offer that was read.

    Attributes:
        sdp: The session description, with what aiortc cannot use taken out.
        media: Its sections that can be accepted.
        ufrags: The ICE user names that its candidates may carry.
    """

    sdp: str
    media: tuple[MediaSection, ...]
    ufrags: frozenset[str] = frozenset()


def read_offer(sdp: str) -> Offer:
    """Read the SDP of an offer.

    Raises:
        MalformedOfferError: If it cannot be read, or would be too much work.
    """
    if len(sdp) > MAX_SDP:
        raise MalformedOfferError(f"the SDP of the offer is longer than {MAX_SDP} characters")
    description = Description.parse(sdp)
    drop_unresolvable(description)
    check_work(description)
    normalise(description)
    text = str(description)
    understood = _understand(text, description)
    ufrags = (m.ice.usernameFragment for m in understood.media if m.ice)
    return Offer(text, read_media(description), frozenset(name for name in ufrags if name))


def normalise(offer: Description) -> None:
    """Write out what an offer leaves to the rules, and leave out what is ignored.

    Directions are those of the session, or `sendrecv` (RFC 8866 section 6.7); a section without a
    mid gets one; header extensions that are encrypted (RFC 6904) or have ids beyond one byte, and
    candidates beyond the first `MAX_CANDIDATES`, go. Sections that are not live stay as they are.
    """
    direction = Section(offer.session).direction or "sendrecv"
    group = offer.bundle
    tagged = next((s.lines for s in offer.sections if group and s.mid == group[0]), [])
    for index, section in enumerate(offer.sections):
        if not section.live:
            continue
        lines = section.lines
        if "a=bundle-only" in lines:
            missing = [a for a in _BUNDLED if not any(line.startswith(a) for line in lines)]
            lines += [line for line in tagged if line.startswith(tuple(missing))]
        if section.kind != "application" and section.direction is None:
            lines.append(f"a={direction}")
        if not section.values("mid"):
            lines.append(f"a=mid:{NAMELESS}{index}")
        limit_candidates(section, MAX_CANDIDATES)
        lines[:] = _understood(lines)


def _understood(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if match := re.match(r"a=extmap:(\d{1,9})(/\w+)? (\S+)", line):
            if not 0 < int(match[1]) < 256 or match[3].endswith("rtp-hdrext:encrypt"):
                continue
            line = match[0]  # without attributes of the extension, which aiortc cannot read
        yield line


def _understand(sdp: str, offer: Description) -> SessionDescription:
    try:
        sdp.encode()  # what is no UTF-8 could not be repeated in the answer
        description = SessionDescription.parse(str(offer.live()))
    except (
        AssertionError,
        AttributeError,
        IndexError,
        KeyError,
        StopIteration,
        TypeError,
        ValueError,
    ):
        raise MalformedOfferError("the SDP of the offer cannot be read") from None
    if not description.media:
        raise MalformedOfferError("the offer has no media and no data channel")
    for media in description.media:
        _check_section(media)
    _check_bundle(offer)
    return description


def _check_bundle(offer: Description) -> None:
    mids = [mid for section in offer.sections for mid in section.values("mid")]
    if len(set(mids)) < len(mids):
        raise MalformedOfferError("the offer has several sections of the same mid")
    if not set(offer.bundle) <= set(mids):
        raise MalformedOfferError("the offer bundles a section that it does not have")


def _check_section(media: Any) -> None:
    """Find what aiortc would only notice after it has made a connection."""
    if not media.ice.usernameFragment or not media.ice.password:
        raise MalformedOfferError("the offer lacks ICE credentials (ice-ufrag, ice-pwd)")
    if media.dtls is None or not media.dtls.fingerprints:
        raise MalformedOfferError("the offer lacks a DTLS fingerprint or setup attribute")
    if media.kind != "application" and not media.rtcp_mux:
        raise MalformedOfferError("the offer lacks rtcp-mux (RFC 8834 section 4.5)")
    if media.kind != "application" and not media.rtp.codecs:
        raise MalformedOfferError(f"the {media.kind} of the offer names no codec")
    # It goes into the packets of this side (RFC 8285 section 4.3).
    if len((media.rtp.muxId or "").encode()) > MAX_MID:
        raise MalformedOfferError(f"a mid of the offer is longer than {MAX_MID} bytes")
    if not all(has_address(candidate) for candidate in media.ice_candidates):
        raise MalformedOfferError("a candidate of the offer names no host and port")
