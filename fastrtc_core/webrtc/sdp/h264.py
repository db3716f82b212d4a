"""The forms of H.264 that are taken: FFmpeg decodes them, and this side can send them (RFC 6184).

What is sent is constrained baseline, which a decoder of each of these profiles decodes (ITU-T H.264
annex A.2), in packets of the mode that was answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .description import Section

INFERRED_PROFILE = "42000a"
"""Of a form that names none: baseline at level 1 (RFC 6184 section 8.1)."""

_PROFILE = re.compile(r"[0-9a-f]{6}")

_DECODED = {"42", "4d", "64", "6e", "7a", "f4"}
"""Baseline, Main, High, High 10, High 4:2:2 and High 4:4:4 Predictive, as their `profile_idc`."""

_INTRA = {"6e", "7a", "f4"}
"""Those that `constraint_set3_flag` turns into profiles of intra pictures; these cannot be sent."""

_SHOWN = "packetization-mode=1;profile-level-id=42e01f"
"""What aiortc is shown in place of parameters that it does not know."""

_KNOWN_PROFILES = ("42001f", "42e01f")

_ANSWERED = ("level-asymmetry-allowed", "packetization-mode", "profile-level-id")
"""What both sides say alike. All else is about the side that says it: what it can take, and with
what its stream begins (RFC 6184 section 8.2.2)."""


class Form(NamedTuple):
    """One form of H.264.

    Attributes:
        parameters: Its `fmtp` in an answer; empty for none.
        known: Whether aiortc knows it.
        single: Whether a packet holds one NAL unit, whole: mode 0 (RFC 6184 section 6.2).
    """

    parameters: str
    known: bool
    single: bool


def is_single(parameters: Mapping[str, Any]) -> bool:
    """Whether a packet holds one NAL unit, whole, by the parameters of a codec."""
    return str(parameters.get("packetization-mode", "0")) == "0"


def forms(section: Section) -> dict[int, Form]:
    """The forms in a section that are taken, by payload type.

    One of mode 0 is not, where the same profile is offered in mode 1: fewer packets hold as much.
    """
    described = section.parameters()
    taken: dict[int, tuple[str, Form]] = {}
    for number, codec in section.codecs().items():
        if not codec.startswith("h264/90000"):
            continue
        values = _read(described.get(number, ""))
        profile = values.get("profile-level-id", INFERRED_PROFILE).lower()
        mode = values.get("packetization-mode", "0")
        if mode in ("0", "1") and _is_decoded(profile):
            answered = [f"{name}={values[name]}" for name in _ANSWERED if name in values]
            known = mode == "1" and profile in _KNOWN_PROFILES
            taken[number] = profile[:2], Form(";".join(answered), known, mode == "0")
    better = {profile for profile, form in taken.values() if not form.single}
    return {
        number: form
        for number, (profile, form) in taken.items()
        if not (form.single and profile in better)
    }


def in_known_words(section: Section, *, single: bool = True) -> tuple[Section, dict[int, str]]:
    """A section in which all that is taken is described as aiortc knows it.

    Args:
        section: A section of video.
        single: Whether forms of mode 0 are taken.

    Returns:
        The section, and the parameters to answer in place of those in it, by payload type.
    """
    answered = {
        number: form.parameters
        for number, form in forms(section).items()
        if not form.known and (single or not form.single)
    }
    shown = Section(list(section.lines))
    for number in answered:
        shown.set_parameters(number, _SHOWN)
    return shown, answered


def _read(parameters: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in parameters.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name}


def _is_decoded(profile: str) -> bool:
    if not _PROFILE.fullmatch(profile) or profile[:2] not in _DECODED:
        return False
    return not (profile[:2] in _INTRA and int(profile[2:4], 16) & 0x10)
