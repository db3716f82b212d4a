"""An offer as aiortc is shown it, and its answer as the client gets it (RFC 3264, 8829, 9143).

aiortc answers every section that it is shown, in a BUNDLE group of its own, and knows one protocol
and two profiles of H.264. So it is shown the sections that are used, put in the words that it
knows; the rest is rejected in the text of its answer, and what was offered is echoed there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from . import h264

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
KINDS = ("audio", "video", "application")

MAX_CANDIDATES = 64
"""Candidates of one section that are looked at; further ones are left out."""

NAMELESS = "section-"
"""Begins the mid that a section without one gets, inside this server."""

_BUNDLED = ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:", "a=rtcp-mux")
"""What a section that is sent in a bundle alone leaves to the first one (RFC 9143 section 6)."""

_SPOKEN = {
    "audio": re.compile(r"a=rtpmap:\d+ opus/48000/2\b", re.I),
    "video": re.compile(r"a=rtpmap:\d+ VP8/90000", re.I),
}


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


def normalise(sdp: str) -> str:
    """Write out what an offer leaves to the rules, and leave out what is ignored.

    Directions are those of the session, or `sendrecv` (RFC 8866 section 6.7); a section without a
    mid gets one; header extensions that are encrypted (RFC 6904) or have ids beyond one byte, and
    candidates beyond the first `MAX_CANDIDATES`, go. Sections that are not live stay as they are.
    """
    session, sections = split(sdp)
    direction = next((line[2:] for line in session if line[2:] in DIRECTIONS), "sendrecv")
    group = bundle(session)
    tagged = next((s for s in sections if group and _value(s, "mid") == group[0]), [])
    for index, section in enumerate(sections):
        if not is_live(section):
            continue
        kind = section[0][2:].split(" ", 1)[0]
        if "a=bundle-only" in section:
            missing = [a for a in _BUNDLED if not any(line.startswith(a) for line in section)]
            section += [line for line in tagged if line.startswith(tuple(missing))]
        if kind != "application" and not any(line[2:] in DIRECTIONS for line in section):
            section.append(f"a={direction}")
        if not any(line.startswith("a=mid:") for line in section):
            section.append(f"a=mid:{NAMELESS}{index}")
        section[:] = _understood(section)
    return _join(session, sections)


def live(sdp: str) -> str:
    """An offer without the sections that are rejected by the client, or of an unknown kind."""
    session, sections = split(sdp)
    return _join(*_only(session, [section for section in sections if is_live(section)]))


def read_sections(sdp: str) -> tuple[MediaSection, ...]:
    """The live sections of an offer that was normalised."""
    return tuple(_read(section) for section in split(sdp)[1] if is_live(section))


def all_mids(sdp: str) -> list[str]:
    """The names of all sections of an offer, the rejected ones too; empty where one has none."""
    return [_value(section, "mid") for section in split(sdp)[1]]


def is_live(section: list[str]) -> bool:
    """Whether a section can be accepted (RFC 3264 section 8.2; RFC 9143 section 6)."""
    bits = section[0][2:].split(" ")
    if len(bits) < 4:
        return True  # it cannot be read, which is for the reader to say
    if bits[0] == "application" and "SCTP" not in bits[2]:
        return False  # it controls something else, such as who may speak (BFCP)
    return bits[0] in KINDS and (bits[1] != "0" or "a=bundle-only" in section)


class Reduction:
    """One offer, and the answer to it.

    Args:
        offer: The offer, normalised.
        keep: The mids of the sections that are used.
        forwarded: Whether pictures of others are handed on as they came.

    Attributes:
        sdp: What aiortc is shown.
        mids: The sections in it, in their order.
        h264: The parameters of H.264 to answer in place of aiortc's, by mid and payload type.
    """

    def __init__(self, offer: str, keep: Collection[str], *, forwarded: bool = False) -> None:
        self._session, self._offered = split(offer)
        kept = [s for s in self._offered if is_live(s) and _value(s, "mid") in keep]
        self.mids = [_value(section, "mid") for section in kept]
        self.h264: dict[str, dict[int, str]] = {}
        shown: list[list[str]] = []
        for mid, section in zip(self.mids, kept, strict=True):
            section, self.h264[mid] = h264.in_known_words(section, single=not forwarded)
            shown.append(section)
        self.sdp = _join(*_only(self._session, shown))

    def complete(self, answer: str) -> str:
        """The answer to the whole offer.

        Args:
            answer: That of aiortc, to what it was shown.
        """
        session, answered = split(answer)
        by_mid = {_value(section, "mid"): section for section in answered}
        sections: list[list[str]] = []
        accepted: set[str] = set()
        for offered in self._offered:
            mid = _value(offered, "mid")
            section = by_mid.get(mid) if mid in self.mids else None
            if section is None:
                sections.append(_rejected(offered))
            else:
                accepted.add(mid)
                sections.append(_echoing(section, offered))
        group = [mid for mid in bundle(self._session) if mid in accepted]
        session = [line for line in session if not line.startswith("a=group:")]
        if group:
            session.append(f"a=group:BUNDLE {' '.join(group)}")
        return _join(session, sections)


def split(sdp: str) -> tuple[list[str], list[list[str]]]:
    """The lines of the session, and those of each section."""
    session: list[str] = []
    sections: list[list[str]] = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections.append([line])
        elif line:
            (sections[-1] if sections else session).append(line)
    return session, sections


def bundle(session: list[str]) -> list[str]:
    """The mids of the first BUNDLE group; this server makes no second one."""
    groups = (line.split()[1:] for line in session if line.startswith("a=group:BUNDLE"))
    return next(groups, [])


def _join(session: list[str], sections: list[list[str]]) -> str:
    return "".join(f"{line}\r\n" for lines in (session, *sections) for line in lines)


def _only(session: list[str], sections: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """A description of these sections alone, and a group of those of them that were in it."""
    mids = [_value(section, "mid") for section in sections]
    group = [mid for mid in bundle(session) if mid in mids]
    kept = [line for line in session if not line.startswith("a=group:BUNDLE")]
    return kept + [f"a=group:BUNDLE {' '.join(group)}"] * bool(group), sections


def _value(section: list[str], name: str) -> str:
    start = f"a={name}:"
    return next((line.removeprefix(start) for line in section if line.startswith(start)), "")


def _read(section: list[str]) -> MediaSection:
    kind = section[0][2:].split(" ", 1)[0]
    direction = next((line[2:] for line in section if line[2:] in DIRECTIONS), "sendrecv")
    pattern = _SPOKEN.get(kind)
    spoken = pattern is None or any(pattern.match(line) for line in section)
    if kind != "video":
        return MediaSection(kind, direction, _value(section, "mid"), spoken)
    forms = h264.forms(section).values()
    whole = spoken or any(not form.single for form in forms)
    return MediaSection(kind, direction, _value(section, "mid"), spoken or bool(forms), whole)


def _understood(section: list[str]) -> Iterator[str]:
    candidates = 0
    for line in section:
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > MAX_CANDIDATES:
                continue
        elif match := re.match(r"a=extmap:(\d{1,9})(/\w+)? (\S+)", line):
            if not 0 < int(match[1]) < 256 or match[3].endswith("rtp-hdrext:encrypt"):
                continue
            line = match[0]  # without attributes of the extension, which aiortc cannot read
        yield line


def _rejected(offered: list[str]) -> list[str]:
    """The answer to a section that is not used (RFC 3264 section 6; RFC 8829 section 5.3.1)."""
    kind, _, rest = offered[0][2:].split(" ", 2)
    lines = [f"m={kind} 0 {rest}", "c=IN IP4 0.0.0.0"]
    lines += [line for line in offered if line.startswith("a=mid:") and not _is_nameless(line)]
    return [*lines, *(["a=inactive"] if kind in ("audio", "video") else [])]


def _echoing(section: list[str], offered: list[str]) -> list[str]:
    """An accepted section in the protocol of the offer, and without a mid that it had not."""
    kind, port, _, formats = section[0][2:].split(" ", 3)
    protocol = offered[0].split(" ")[2]
    return [f"m={kind} {port} {protocol} {formats}"] + [
        line for line in section[1:] if not (line.startswith("a=mid:") and _is_nameless(line))
    ]


def _is_nameless(line: str) -> bool:
    return line.startswith(f"a=mid:{NAMELESS}")
