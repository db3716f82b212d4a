"""One validator of answers: what RFC 3264, RFC 8829, RFC 9143 and RFC 8842 ask of an answer."""

from __future__ import annotations

from fastrtc_core.webrtc.sdp.description import Description

DIRECTIONS = {
    "sendrecv": {"sendrecv", "sendonly", "recvonly", "inactive"},
    "sendonly": {"recvonly", "inactive"},
    "recvonly": {"sendonly", "inactive"},
    "inactive": {"inactive"},
}
"""What may answer each direction (RFC 3264 section 6.1)."""


def check_answer(offer: str, answer: str) -> list[str]:
    """Hold an answer against its offer.

    Returns:
        The kind of each section that was accepted, `-` for each one that was rejected.
    """
    offer_read, answer_read = Description.parse(offer), Description.parse(answer)
    offered_session, offered = offer_read.session, [s.lines for s in offer_read.sections]
    session, answered = answer_read.session, [s.lines for s in answer_read.sections]
    assert answer.endswith("\r\n")
    assert len(answered) == len(offered), "one section for each (RFC 3264 section 6)"
    accepted: list[str] = []
    kinds: list[str] = []
    for theirs, ours in zip(offered, answered, strict=True):
        kind, port, protocol, formats = ours[0][2:].split(" ", 3)
        their_kind, their_port, their_protocol, their_formats = theirs[0][2:].split(" ", 3)
        assert kind == their_kind
        assert protocol == their_protocol, "the protocol is echoed (RFC 8829 section 5.3.1)"
        assert _values(ours, "mid") == _values(theirs, "mid"), "RFC 5888 section 9.1"
        assert set(formats.split()) <= set(their_formats.split()) or kind == "application"
        assert formats, "at least one format (RFC 3264 section 6)"
        if port == "0":
            kinds.append("-")
            continue
        kinds.append(kind)
        accepted += _values(ours, "mid")
        rejected_before = their_port == "0" and "a=bundle-only" not in theirs
        assert not rejected_before, "rejected stays rejected (RFC 3264 section 8.2)"
        _check_transport(offered_session, theirs, ours)
        if kind != "application":
            _check_media(offered_session, theirs, ours, formats.split())
    assert any(kind != "-" for kind in kinds)
    group, theirs_too = answer_read.bundle, offer_read.bundle
    assert set(group) <= set(theirs_too), "no group that was not offered (RFC 9143 section 7.3)"
    assert set(group) <= set(accepted), "no rejected section in it (RFC 9143 section 7.3.3)"
    assert group or not any(line.startswith("a=group:BUNDLE") for line in session)
    assert len(set(group)) == len(group)
    assert set(theirs_too) & set(accepted) <= set(group), "a group that was offered is taken"
    return kinds


def _check_transport(session: list[str], theirs: list[str], ours: list[str]) -> None:
    for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        assert _values(ours, name), f"an accepted section has {name}"
    setup = next(iter(_values(theirs, "setup") + _values(session, "setup")), "actpass")
    allowed = {"actpass": {"active", "passive"}, "active": {"passive"}, "passive": {"active"}}
    assert set(_values(ours, "setup")) <= allowed[setup], "RFC 8842 section 5.3"


def _check_media(
    session: list[str], theirs: list[str], ours: list[str], formats: list[str]
) -> None:
    (direction,) = _directions(ours)
    their_direction = next(iter(_directions(theirs) + _directions(session)), "sendrecv")
    assert direction in DIRECTIONS[their_direction]
    assert "a=rtcp-mux" in ours
    maps = dict(line.split(" ", 1) for line in _values(ours, "rtpmap"))
    their_maps = dict(line.split(" ", 1) for line in _values(theirs, "rtpmap"))
    assert set(maps) == set(formats)
    for number, codec in maps.items():
        assert their_maps[number].lower().split("/")[:2] == codec.lower().split("/")[:2]
    described = {line.split(" ")[0] for line in _values(ours, "fmtp")}
    assert described <= set(formats)
    offered_feedback = set(_values(theirs, "rtcp-fb"))
    for line in _values(ours, "rtcp-fb"):
        kind = line.split(" ", 1)[1]
        assert {line, f"* {kind}"} & offered_feedback, "RFC 4585 section 4.2"
    for line in _values(ours, "fmtp"):
        number, text = line.split(" ", 1)
        assert "sprop-parameter-sets" not in text, "it is of the stream that this side sends"
        if maps[number].lower().startswith("rtx"):
            assert text.removeprefix("apt=") in formats, "RFC 4588 section 8.6"
    assert not _values(ours, "crypto"), "RFC 8827 section 6.5"
    for number, codec in maps.items():
        if codec.startswith("H264"):
            assert _h264(ours, number) == _h264(theirs, number), "RFC 6184 section 8.2.2"
    extensions = {tuple(v.split()[:2]) for v in _values(theirs, "extmap")}
    extensions = {(number.split("/")[0], uri) for number, uri in extensions}
    assert {tuple(v.split()) for v in _values(ours, "extmap")} <= extensions, "RFC 8285 section 6"


def _h264(section: list[str], number: str) -> tuple[str, str]:
    """What must be equal on both sides: profile and mode; the level may differ."""
    text = next((v for v in _values(section, "fmtp") if v.startswith(f"{number} ")), "0 ")
    pairs = dict(part.strip().partition("=")[::2] for part in text.split(" ", 1)[1].split(";"))
    profile = pairs.get("profile-level-id", "420010").lower()
    return profile[:2], pairs.get("packetization-mode", "0")


def _values(lines: list[str], name: str) -> list[str]:
    start = f"a={name}:"
    return [line.removeprefix(start) for line in lines if line.startswith(start)]


def _directions(lines: list[str]) -> list[str]:
    return [line[2:] for line in lines if line[2:] in DIRECTIONS]
