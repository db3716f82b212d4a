"""Fragments of SDP that carry trickled candidates (RFC 8840 section 9)."""

from __future__ import annotations

from dataclasses import dataclass

from aiortc import RTCIceCandidate

from ..errors import MalformedCandidateError
from ..webrtc.sdp.candidates import parse_candidate

MEDIA_TYPE = "application/trickle-ice-sdpfrag"

MAX_CREDENTIAL = 256
"""Characters of an ICE user name fragment or password (RFC 8839 section 5.4)."""

MIN_PASSWORD = 22
"""Characters of a password, at least."""


@dataclass(frozen=True)
class Fragment:
    """What a client has found since its offer.

    Attributes:
        ufrag: The ICE user name that the candidates belong to.
        password: The ICE password; empty where the fragment names none.
        candidates: Those that are of use, each with the mid or the index of its section.
    """

    ufrag: str
    candidates: tuple[RTCIceCandidate, ...]
    password: str = ""


def parse_fragment(text: str) -> Fragment:
    """Read a fragment.

    Raises:
        MalformedCandidateError: If it names no ICE user name, or more than one, or several
            passwords, or has a candidate that cannot be read or belongs to no section.
    """
    ufrags: set[str] = set()
    passwords: set[str] = set()
    candidates: list[RTCIceCandidate] = []
    index, mid = -1, None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if line.startswith("m="):
            index, mid = index + 1, None
        elif name == "a=mid":
            mid = value
        elif name == "a=ice-ufrag":
            ufrags.add(value)
        elif name == "a=ice-pwd":
            passwords.add(value)
        elif name == "a=candidate":
            if index < 0:
                raise MalformedCandidateError("a candidate must stand behind an 'm=' line")
            candidate = parse_candidate(value)
            if candidate is not None:
                candidate.sdpMid, candidate.sdpMLineIndex = mid, index
                candidates.append(candidate)
    if len(ufrags) != 1:
        raise MalformedCandidateError("a fragment must have one 'a=ice-ufrag', and one alone")
    if len(passwords) > 1:
        raise MalformedCandidateError("a fragment has one 'a=ice-pwd' at most")
    if max(map(len, ufrags | passwords)) > MAX_CREDENTIAL:
        raise MalformedCandidateError(f"ICE credentials have up to {MAX_CREDENTIAL} characters")
    return Fragment(ufrags.pop(), tuple(candidates), passwords.pop() if passwords else "")
