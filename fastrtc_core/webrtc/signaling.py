"""What clients post to the offer route, read and checked before anything is made for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiortc import RTCIceCandidate
from aiortc.sdp import SessionDescription, candidate_from_sdp

from ..errors import MalformedCandidateError, MalformedOfferError
from .sdp import reduction
from .sdp.reduction import MAX_CANDIDATES as MAX_CANDIDATES
from .sdp.reduction import MediaSection as MediaSection

MAX_BODY_BYTES = 131_072
"""Largest body of an offer or candidate; offers of browsers have 2 to 20 KB."""

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
MAX_MID = 255
"""Bytes of the name of a section."""

MAX_TEXT = 512
"""Characters in any text of a trickled candidate: it may be kept until its offer arrives."""

_HOST = re.compile(r"[0-9A-Za-z.:\-]{1,255}")

_STEREO = "stereo=1;sprop-stereo=1"

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]


@dataclass(frozen=True)
class Envelope:
    """An offer whose SDP was not looked at yet; attributes as those of `Offer`."""

    sdp: str
    webrtc_id: str | None
    args: list[Any] | None
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Offer:
    """An offer that was read.

    Attributes:
        sdp: The session description, with what aiortc cannot use taken out.
        media: Its sections that can be accepted.
        ufrags: The ICE user names that its candidates may carry.
        webrtc_id: The session id that the client wants, or `None`.
        args: Additional inputs, or `None` where none were sent.
        params: Free parameters for the application.
    """

    sdp: str
    media: tuple[MediaSection, ...]
    ufrags: frozenset[str] = frozenset()
    webrtc_id: str | None = None
    args: list[Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrickledCandidate:
    """A candidate that was posted on its own.

    Attributes:
        webrtc_id: The session it is for.
        candidate: The candidate, or `None` for the end of candidates or one of no use.
        ufrag: The ICE user name it belongs to, where the client said so.
    """

    webrtc_id: str
    candidate: RTCIceCandidate | None
    ufrag: str | None = None


def parse_envelope(body: Any) -> Envelope | TrickledCandidate:
    """Read the JSON body of a request, but not the SDP in it: that is work.

    Raises:
        MalformedOfferError: If it is no offer.
        MalformedCandidateError: If it is a candidate that cannot be read.
    """
    if not isinstance(body, dict):
        raise MalformedOfferError("the body must be a JSON object")
    if body.get("type") == "ice-candidate":
        return _parse_candidate_body(body)
    if body.get("type") != "offer":
        raise MalformedOfferError("the type must be 'offer' or 'ice-candidate'")
    sdp, args, params = body.get("sdp"), body.get("args"), body.get("params")
    if not isinstance(sdp, str):
        raise MalformedOfferError("an offer must have an 'sdp' text")
    if args is not None and not isinstance(args, list):
        raise MalformedOfferError("the 'args' of an offer must be a list")
    if params is not None and not isinstance(params, dict):
        raise MalformedOfferError("the 'params' of an offer must be an object")
    webrtc_id = body.get("webrtc_id")
    if webrtc_id is not None and not isinstance(webrtc_id, str):
        raise MalformedOfferError("the 'webrtc_id' of an offer must be a text")
    return Envelope(sdp, webrtc_id or None, args, params or {})


def parse_offer(envelope: Envelope) -> Offer:
    """Read the SDP of an offer.

    Raises:
        MalformedOfferError: If it cannot be read, or would be too much work.
    """
    if len(envelope.sdp) > MAX_SDP:
        raise MalformedOfferError(f"the SDP of the offer is longer than {MAX_SDP} characters")
    cleaned = clean_sdp(envelope.sdp)
    check_work(cleaned)
    sdp = reduction.normalise(cleaned)
    description = _parse_sdp(sdp)
    return Offer(
        sdp=sdp,
        media=reduction.read_sections(sdp),
        ufrags=frozenset(
            m.ice.usernameFragment for m in description.media if m.ice and m.ice.usernameFragment
        ),
        webrtc_id=envelope.webrtc_id,
        args=envelope.args,
        params=envelope.params,
    )


def parse_body(body: Any) -> Offer | TrickledCandidate:
    """Read the JSON body of a request, and the SDP in it; raises as the functions above do."""
    envelope = parse_envelope(body)
    return envelope if isinstance(envelope, TrickledCandidate) else parse_offer(envelope)


def clean_sdp(sdp: str) -> str:
    """Take out of an offer what aiortc would stumble over.

    Names under `.local` resolve only by multicast, which costs a second and then fails; the
    client's own checks reveal its address (RFC 8445 section 7.3.1.3). Where no candidate for UDP is
    left, `end-of-candidates` goes too: with it, aiortc would give up and answer without candidates.
    """
    lines = [line for line in sdp.splitlines() if line and not _is_mdns_candidate(line)]
    if not any(_is_udp_candidate(line) for line in lines):
        lines = [line for line in lines if line != "a=end-of-candidates"]
    return "\r\n".join(lines) + "\r\n"


def parse_candidate(text: str) -> RTCIceCandidate | None:
    """Read the `candidate` line of an ICE candidate (RFC 8839 section 5.1).

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
    if not _has_address(candidate):
        raise MalformedCandidateError(f"{text[:60]!r} names no host and port")
    if candidate.protocol.lower() != "udp" or candidate.ip.endswith(".local"):
        return None
    return candidate


def describe_opus(sdp: str, *, dtx: bool) -> str:
    """Say how this side likes to be sent Opus (RFC 7587 section 7).

    Args:
        sdp: Of this side.
        dtx: Whether pauses are to be left out; otherwise packets keep coming.

    Returns:
        The SDP, in which this side takes forward error correction, too.
    """
    wish = "useinbandfec=1;usedtx=1" if dtx else "useinbandfec=1"
    described = set(re.findall(r"^a=fmtp:(\d+) ", sdp, re.MULTILINE))

    def describe(line: re.Match[str]) -> str:
        return line[0] if line[1] in described else f"{line[0]}\r\na=fmtp:{line[1]} {wish}"

    return re.sub(r"^a=rtpmap:(\d+) opus/48000/2(?=\r?$)", describe, sdp, flags=re.MULTILINE)


def force_stereo(sdp: str) -> str:
    """Ask the other side to send Opus in stereo and say that it may expect it (RFC 7587 §7)."""
    opus = re.findall(r"^a=rtpmap:(\d+) opus/48000/2\s*$", sdp, re.IGNORECASE | re.MULTILINE)
    described = re.findall(r"^a=fmtp:(\d+) ", sdp, re.MULTILINE)
    lines: list[str] = []
    for line in sdp.splitlines():
        match = re.match(r"a=(rtpmap|fmtp):(\d+) ", line)
        if match is None or match[2] not in opus:
            lines.append(line)
        elif match[1] == "fmtp":
            lines.append(line if "stereo=1" in re.split("[ ;]", line) else f"{line};{_STEREO}")
        else:
            lines += [line] + [f"a=fmtp:{match[2]} {_STEREO}"] * (match[2] not in described)
    return "\r\n".join(lines) + "\r\n"


def advertise_address(sdp: str, address: str) -> str:
    """Put one address into every host candidate, for a server behind a one-to-one NAT."""
    version = 6 if ":" in address else 4

    def replace(line: str) -> str | None:
        if not line.startswith("a=candidate:") or " typ host" not in line:
            return line
        bits = line.split(" ")
        if (":" in bits[4]) != (version == 6):
            return None
        bits[4] = address
        return " ".join(bits)

    lines = [new for line in sdp.splitlines() if (new := replace(line)) is not None]
    return "\r\n".join(lines) + "\r\n"


def check_work(sdp: str) -> int:
    """Find out whether an SDP can be read without holding up everybody else.

    Returns:
        The steps that it takes.

    Raises:
        MalformedOfferError: If it would take too many.
    """
    if sdp.count("\n") > MAX_LINES:
        raise MalformedOfferError(f"the SDP of the offer has more than {MAX_LINES} lines")
    _, *sections = re.split(r"^m=", sdp, flags=re.MULTILINE)
    if len(sections) > MAX_MEDIA_SECTIONS:
        raise MalformedOfferError(f"the offer has more than {MAX_MEDIA_SECTIONS} sections")
    work = 0
    for section in sections:
        sources = re.findall(r"^a=ssrc:(\S*)", section, re.MULTILINE)
        codecs, feedback, wildcards, distinct = counts = (
            section.count("\na=rtpmap:"),
            section.count("\na=rtcp-fb:"),
            section.count("\na=rtcp-fb:*"),
            len(set(sources)),
        )
        limits = (MAX_CODECS, MAX_FEEDBACK, MAX_WILDCARDS, MAX_SOURCES)
        if any(count > limit for count, limit in zip(counts, limits, strict=True)):
            raise MalformedOfferError(
                f"a section of the offer has more than {MAX_CODECS} codecs, {MAX_FEEDBACK} kinds "
                f"of feedback, {MAX_WILDCARDS} of them for all codecs, or {MAX_SOURCES} sources"
            )
        described = section.count("\na=fmtp:") // 2  # it stops where it finds the codec
        work += codecs * (feedback + described + WILDCARD_STEPS * wildcards)
        work += distinct * len(sources)
    if work > MAX_WORK:
        raise MalformedOfferError("the SDP of the offer is too much work: offer fewer codecs")
    return work


def _parse_sdp(sdp: str) -> SessionDescription:
    try:
        sdp.encode()  # what is no UTF-8 could not be repeated in the answer
        description = SessionDescription.parse(reduction.live(sdp))
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
    _check_bundle(sdp)
    return description


def _check_bundle(sdp: str) -> None:
    session, _ = reduction.split(sdp)
    mids = re.findall(r"^a=mid:(.*?)\r?$", sdp, re.MULTILINE)
    if len(set(mids)) < len(mids):
        raise MalformedOfferError("the offer has several sections of the same mid")
    if not set(reduction.bundle(session)) <= set(mids):
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
    if not all(_has_address(candidate) for candidate in media.ice_candidates):
        raise MalformedOfferError("a candidate of the offer names no host and port")


def _has_address(candidate: RTCIceCandidate) -> bool:
    return bool(_HOST.fullmatch(candidate.ip)) and 0 <= candidate.port <= 65535


def _parse_candidate_body(body: dict[str, Any]) -> TrickledCandidate:
    webrtc_id = body.get("webrtc_id")
    if not isinstance(webrtc_id, str) or not webrtc_id:
        raise MalformedCandidateError("a candidate must name its session with 'webrtc_id'")
    _check_length("webrtc_id", webrtc_id)
    value = body.get("candidate")
    if value is None or value == "":
        return TrickledCandidate(webrtc_id, None)
    if not isinstance(value, dict) or not isinstance(value.get("candidate"), str):
        raise MalformedCandidateError("a candidate must be an RTCIceCandidateInit object")
    ufrag = value.get("usernameFragment")
    if ufrag is not None and not isinstance(ufrag, str):
        raise MalformedCandidateError("the 'usernameFragment' of a candidate must be a text")
    _check_length("usernameFragment", ufrag or "")
    _check_length("candidate", value["candidate"])
    if not value["candidate"]:
        return TrickledCandidate(webrtc_id, None, ufrag)
    mid, index = value.get("sdpMid"), value.get("sdpMLineIndex")
    if not isinstance(mid, str) and not (isinstance(index, int) and not isinstance(index, bool)):
        raise MalformedCandidateError("a candidate must have an 'sdpMid' or an 'sdpMLineIndex'")
    _check_length("sdpMid", mid if isinstance(mid, str) else "")
    candidate = parse_candidate(value["candidate"])
    if candidate is not None:
        candidate.sdpMid = mid if isinstance(mid, str) else None
        candidate.sdpMLineIndex = index if isinstance(index, int) else None
    return TrickledCandidate(webrtc_id, candidate, ufrag)


def _check_length(name: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise MalformedCandidateError(f"the '{name}' is longer than {MAX_TEXT} characters")


def _is_mdns_candidate(line: str) -> bool:
    bits = _candidate_fields(line)
    return len(bits) > 4 and bits[4].endswith(".local")


def _is_udp_candidate(line: str) -> bool:
    bits = _candidate_fields(line)
    return len(bits) > 4 and bits[2].lower() == "udp"


def _candidate_fields(line: str) -> list[str]:
    return line.split() if line.startswith("a=candidate:") else []
