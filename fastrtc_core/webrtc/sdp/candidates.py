"""ICE candidates in descriptions and on their own (RFC 8839 section 5.1)."""

from __future__ import annotations

import re

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from ...errors import MalformedCandidateError
from .description import Description, Section

_HOST = re.compile(r"[0-9A-Za-z.:\-]{1,255}")


def parse_candidate(text: str) -> RTCIceCandidate | None:
    """Read the `candidate` line of an ICE candidate.

    Returns:
        The candidate, or `None` for one that is of no use here: TCP, or a name under `.local`.

    Raises:
        MalformedCandidateError: If it cannot be read.
    """
    text = text.removeprefix("a=").removeprefix("candidate:")
    try:
        candidate = candidate_from_sdp(text)
    except (AssertionError, ValueError, IndexError):
        raise MalformedCandidateError(f"{text[:60]!r} is not an ICE candidate") from None
    if not has_address(candidate):
        raise MalformedCandidateError(f"{text[:60]!r} names no host and port")
    if candidate.protocol.lower() != "udp" or candidate.ip.endswith(".local"):
        return None
    return candidate


def has_address(candidate: RTCIceCandidate) -> bool:
    """Whether a candidate names a host and a port."""
    return bool(_HOST.fullmatch(candidate.ip)) and 0 <= candidate.port <= 65535


def drop_unresolvable(description: Description) -> None:
    """Take out what aiortc would stumble over.

    Names under `.local` resolve only by multicast, which costs a second and then fails; the
    client's own checks reveal its address (RFC 8445 section 7.3.1.3). Where no candidate for UDP is
    left, `end-of-candidates` goes too: with it, aiortc would give up and answer without candidates.
    """
    for lines in _all(description):
        lines[:] = [line for line in lines if not _is_mdns(line)]
    if not any(_is_udp(line) for line in description.lines()):
        for lines in _all(description):
            lines[:] = [line for line in lines if line != "a=end-of-candidates"]


def advertise_address(description: Description, address: str) -> None:
    """Put one address into every host candidate, for a server behind a one-to-one NAT.

    Host candidates of the other IP version are left out.
    """
    for lines in _all(description):
        lines[:] = [new for line in lines if (new := _advertised(line, address)) is not None]


def limit_candidates(section: Section, most: int) -> None:
    """Leave out the candidates of a section beyond the first so many."""
    candidates = [line for line in section.lines if line.startswith("a=candidate:")]
    if len(candidates) > most:
        left = iter(range(most))
        section.lines[:] = [
            line
            for line in section.lines
            if not line.startswith("a=candidate:") or next(left, None) is not None
        ]


def _all(description: Description) -> list[list[str]]:
    return [description.session, *(section.lines for section in description.sections)]


def _advertised(line: str, address: str) -> str | None:
    if not line.startswith("a=candidate:") or " typ host" not in line:
        return line
    bits = line.split(" ")
    if (":" in bits[4]) != (":" in address):
        return None
    bits[4] = address
    return " ".join(bits)


def _is_mdns(line: str) -> bool:
    bits = _fields(line)
    return len(bits) > 4 and bits[4].endswith(".local")


def _is_udp(line: str) -> bool:
    bits = _fields(line)
    return len(bits) > 4 and bits[2].lower() == "udp"


def _fields(line: str) -> list[str]:
    return line.split() if line.startswith("a=candidate:") else []
