"""Bodies of the offer route and the SDP in them: read and checked; answers, adapted."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription

from fastrtc_core import MalformedCandidateError, MalformedOfferError
from fastrtc_core.signaling.bodies import MAX_TEXT, Envelope, TrickledCandidate, parse_envelope
from fastrtc_core.webrtc.sdp.candidates import (
    advertise_address,
    drop_unresolvable,
    parse_candidate,
)
from fastrtc_core.webrtc.sdp.description import Description
from fastrtc_core.webrtc.sdp.limits import MAX_MEDIA_SECTIONS
from fastrtc_core.webrtc.sdp.media import MediaSection
from fastrtc_core.webrtc.sdp.offers import Offer, read_offer
from fastrtc_core.webrtc.sdp.opus import describe_opus, force_stereo

from .offers import CANDIDATE_MDNS, CANDIDATE_TCP, CANDIDATE_UDP, chromium_offer, edited

CHROMIUM = chromium_offer()
END = "a=end-of-candidates"


def offer_body(sdp: str = CHROMIUM, **more: Any) -> dict[str, Any]:
    return {"type": "offer", "sdp": sdp, **more}


def parse_offer(sdp: str = CHROMIUM) -> Offer:
    return read_offer(parse_body(sdp=sdp).sdp)


def parse_body(**more: Any) -> Envelope:
    parsed = parse_envelope(offer_body(**more))
    assert isinstance(parsed, Envelope)
    return parsed


def candidate_body(**more: Any) -> dict[str, Any]:
    candidate = {
        "candidate": CANDIDATE_UDP.removeprefix("a="),
        "sdpMid": "0",
        "sdpMLineIndex": 0,
        "usernameFragment": "Qz1x",
    }
    return {"type": "ice-candidate", "webrtc_id": "abc", "candidate": {**candidate, **more}}


def parse_trickled(body: Any) -> TrickledCandidate:
    parsed = parse_envelope(body)
    assert isinstance(parsed, TrickledCandidate)
    return parsed


# Real offers


def test_an_offer_of_chromium_is_read() -> None:
    """Sections, directions and ICE user names are those of the offer."""
    offer = parse_offer()
    assert offer.media == (
        MediaSection("audio", "sendrecv"),
        MediaSection("video", "recvonly"),
        MediaSection("application", "sendrecv"),
    )
    assert offer.ufrags == {"Qz1x"}
    envelope = parse_body(webrtc_id="abc", args=[1], params={"voice": "alto"})
    assert (envelope.webrtc_id, envelope.args, envelope.params) == ("abc", [1], {"voice": "alto"})


async def test_an_offer_of_aiortc_is_read_and_can_be_answered() -> None:
    """An offer that aiortc makes comes through, and its cleaned text is answered by aiortc."""
    client, server = RTCPeerConnection(), RTCPeerConnection()
    try:
        client.addTransceiver("audio")
        client.addTransceiver("video", direction="recvonly")
        client.createDataChannel("text")
        await client.setLocalDescription(await client.createOffer())
        offer = parse_offer(client.localDescription.sdp)
        assert [section.kind for section in offer.media] == ["audio", "video", "application"]
        assert [section.direction for section in offer.media[:2]] == ["sendrecv", "recvonly"]
        await server.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        answer = await server.createAnswer()
        assert answer.sdp.count("m=") == 3
    finally:
        await asyncio.gather(client.close(), server.close())


async def test_an_offer_of_chromium_can_be_answered() -> None:
    """What is left of Chromium's offer after cleaning is what aiortc understands."""
    server = RTCPeerConnection()
    try:
        sdp = chromium_offer(candidates=(CANDIDATE_MDNS, CANDIDATE_TCP), complete=True)
        await server.setRemoteDescription(RTCSessionDescription(parse_offer(sdp).sdp, "offer"))
        await server.setLocalDescription(await server.createAnswer())
        assert server.localDescription.sdp.count("m=") == 3
        assert "a=candidate:" in server.localDescription.sdp
    finally:
        await server.close()


def test_the_free_parts_of_an_offer_may_be_missing() -> None:
    """Without an id, arguments and parameters, an offer is an offer; an empty id is none."""
    for more in ({}, {"webrtc_id": None, "args": None, "params": None}, {"webrtc_id": ""}):
        envelope = parse_body(**more)
        assert (envelope.webrtc_id, envelope.args, envelope.params) == (None, None, {})


# Cleaning


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_lines_end_as_the_standard_says(ending: str) -> None:
    """Lone newlines are taken (RFC 8866 section 5), and every line leaves with CRLF."""
    cleaned = edited(drop_unresolvable, ending.join(["v=0", "", "s=-", "m=audio 9 X 0"]))
    assert cleaned == "v=0\r\ns=-\r\nm=audio 9 X 0\r\n"


@pytest.mark.parametrize(
    ("candidates", "kept", "end_is_kept"),
    [
        ((), (), False),
        ((CANDIDATE_MDNS,), (), False),
        ((CANDIDATE_TCP,), (CANDIDATE_TCP,), False),
        ((CANDIDATE_MDNS, CANDIDATE_TCP), (CANDIDATE_TCP,), False),
        ((CANDIDATE_UDP,), (CANDIDATE_UDP,), True),
        ((CANDIDATE_MDNS, CANDIDATE_UDP), (CANDIDATE_UDP,), True),
    ],
)
def test_the_end_of_candidates_stays_only_with_a_candidate_of_use(
    candidates: tuple[str, ...], kept: tuple[str, ...], end_is_kept: bool
) -> None:
    """Names under .local go; where nothing for UDP is left, the end of candidates goes too."""
    cleaned = edited(drop_unresolvable, chromium_offer(candidates=candidates, complete=True)).split(
        "\r\n"
    )
    assert [line for line in cleaned if line.startswith("a=candidate:")] == list(kept)
    assert (END in cleaned) == end_is_kept


def test_nothing_else_is_touched() -> None:
    """An offer without anything to clean passes byte by byte."""
    assert edited(drop_unresolvable, CHROMIUM) == CHROMIUM


# Garbage


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "offer",
        1,
        {},
        {"sdp": CHROMIUM},
        {"type": "answer", "sdp": CHROMIUM},
        {"type": ["offer"], "sdp": CHROMIUM},
        {"type": "offer"},
        {"type": "offer", "sdp": None},
        {"type": "offer", "sdp": 5},
        {"type": "offer", "sdp": [CHROMIUM]},
        offer_body(args={"a": 1}),
        offer_body(args="a"),
        offer_body(params=[1]),
        offer_body(webrtc_id=5),
        offer_body(webrtc_id=["a"]),
    ],
)
def test_a_body_that_is_no_offer_is_refused(body: Any) -> None:
    """What has the wrong shape is refused before its SDP is looked at."""
    with pytest.raises(MalformedOfferError):
        parse_envelope(body)


def without(pattern: str) -> str:
    """The offer of Chromium less the lines that match."""
    lines = [line for line in CHROMIUM.split("\r\n") if not re.match(pattern, line)]
    assert len(lines) < CHROMIUM.count("\r\n") + 1
    return "\r\n".join(lines)


@pytest.mark.parametrize(
    ("sdp", "reason"),
    [
        ("", "no media"),
        ("hello", "no media"),
        ("v=0\r\n", "no media"),
        ("\0" * 1000, "no media"),
        ("m=audio", "cannot be read"),
        ("m=audio nine UDP/TLS/RTP/SAVPF 0", "cannot be read"),
        (CHROMIUM.replace("a=rtpmap:111 opus", "a=rtpmap:opus 111"), "cannot be read"),
        (chromium_offer("audio").replace("m=audio", "m=text"), "no media"),
        (without("a=ice-ufrag"), "ICE credentials"),
        (without("a=ice-pwd"), "ICE credentials"),
        (without("a=fingerprint"), "DTLS"),
        (without("a=setup"), "DTLS"),
        (without("a=rtcp-mux"), "rtcp-mux"),
        (without("a=(rtpmap|rtcp-fb|fmtp):(96|97|102|103) "), "video of the offer names no codec"),
        (CHROMIUM + chromium_offer("audio") * MAX_MEDIA_SECTIONS, "more than 8 sections"),
        (chromium_offer(candidates=("a=candidate:1 1 udp",)), "cannot be read"),
        (chromium_offer(candidates=(CANDIDATE_UDP.replace("192.168.1.7", "<b>"),)), "no host"),
        (chromium_offer(candidates=(CANDIDATE_UDP.replace("51472", "99999"),)), "no host and port"),
        (CHROMIUM.replace("a=mid:1", "a=mid:0"), "several sections of the same mid"),
        (CHROMIUM.replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 3"), "bundles a section"),
    ],
)
def test_an_offer_that_cannot_be_used_is_refused_with_the_reason(sdp: str, reason: str) -> None:
    """What aiortc would only notice after it has made a connection is said at once."""
    with pytest.raises(MalformedOfferError, match=reason):
        parse_offer(sdp)


# Candidates


def test_a_trickled_candidate_is_read() -> None:
    """Address, section and user name are there for the peer."""
    trickled = parse_trickled(candidate_body())
    assert (trickled.webrtc_id, trickled.ufrag) == ("abc", "Qz1x")
    candidate = trickled.candidate
    assert candidate is not None
    assert (candidate.ip, candidate.port, candidate.protocol) == ("192.168.1.7", 51472, "udp")
    assert (candidate.sdpMid, candidate.sdpMLineIndex) == ("0", 0)


@pytest.mark.parametrize(
    ("more", "mid", "index"),
    [
        ({"sdpMLineIndex": None}, "0", None),
        ({"sdpMid": None}, None, 0),
        ({"sdpMid": "", "sdpMLineIndex": 1}, "", 1),
        ({"usernameFragment": None}, "0", 0),
    ],
)
def test_a_candidate_names_its_section_either_way(
    more: dict[str, Any], mid: str | None, index: int | None
) -> None:
    """`sdpMid` or `sdpMLineIndex` is enough (W3C WebRTC section 4.8.1.1)."""
    candidate = parse_trickled(candidate_body(**more)).candidate
    assert candidate is not None
    assert (candidate.sdpMid, candidate.sdpMLineIndex) == (mid, index)


@pytest.mark.parametrize("value", [None, "", {"candidate": ""}, {"candidate": "", "sdpMid": "0"}])
def test_the_end_of_candidates_has_many_forms(value: Any) -> None:
    """Browsers send an empty candidate, or none at all."""
    body = {"type": "ice-candidate", "webrtc_id": "abc", "candidate": value}
    assert parse_trickled(body).candidate is None


@pytest.mark.parametrize("line", [CANDIDATE_TCP, CANDIDATE_MDNS])
def test_a_candidate_of_no_use_is_no_error(line: str) -> None:
    """TCP, and names that only multicast resolves, are taken and left aside."""
    assert parse_candidate(line) is None
    assert parse_trickled(candidate_body(candidate=line)).candidate is None


@pytest.mark.parametrize(
    ("line", "ip", "type"),
    [
        ("candidate:1 1 UDP 2113937151 10.0.0.1 5000 typ host", "10.0.0.1", "host"),
        ("a=candidate:1 1 udp 1 2001:db8::1 5000 typ host generation 0", "2001:db8::1", "host"),
        ("1 1 udp 1 1.2.3.4 5000 typ srflx raddr 10.0.0.1 rport 5000", "1.2.3.4", "srflx"),
        ("candidate:1 1 udp 1 1.2.3.4 0 typ relay raddr 0.0.0.0 rport 0", "1.2.3.4", "relay"),
    ],
)
def test_every_kind_of_candidate_for_udp_is_read(line: str, ip: str, type: str) -> None:
    """Host, server-reflexive and relayed ones, IPv4 and IPv6, whatever the case of the protocol."""
    candidate = parse_candidate(line)
    assert candidate is not None
    assert (candidate.ip, candidate.type) == (ip, type)


@pytest.mark.parametrize(
    "line",
    [
        "candidate",
        "candidate:",
        "candidate:1 1 udp 1 1.2.3.4",
        "candidate:1 one udp 1 1.2.3.4 5000 typ host",
        "candidate:1 1 udp high 1.2.3.4 5000 typ host",
        "candidate:1 1 udp 1 1.2.3.4 port typ host",
        "candidate:1 1 udp 1 1.2.3.4 65536 typ host",
        "candidate:1 1 udp 1 1.2.3.4 -1 typ host",
        "candidate:1 1 udp 1 <script> 5000 typ host",
        "candidate:1 1 udp 1 " + "a" * 300 + " 5000 typ host",
        "candidate:1 1 udp 1 1.2.3.4 5000 typ srflx raddr 1.2.3.4 rport x",
    ],
)
def test_a_malformed_candidate_is_refused(line: str) -> None:
    """What is no candidate is a `MalformedCandidateError` that shows the start of it."""
    with pytest.raises(MalformedCandidateError) as caught:
        parse_candidate(line)
    assert len(str(caught.value)) < 120
    with pytest.raises(MalformedCandidateError):
        parse_envelope(candidate_body(candidate=line))


@pytest.mark.parametrize(
    "body",
    [
        {"type": "ice-candidate"},
        {"type": "ice-candidate", "webrtc_id": None, "candidate": None},
        {"type": "ice-candidate", "webrtc_id": "", "candidate": None},
        {"type": "ice-candidate", "webrtc_id": 7, "candidate": None},
        {"type": "ice-candidate", "webrtc_id": "a", "candidate": "candidate:1"},
        {"type": "ice-candidate", "webrtc_id": "a", "candidate": {}},
        {"type": "ice-candidate", "webrtc_id": "a", "candidate": {"candidate": 5}},
        candidate_body(sdpMid=None, sdpMLineIndex=None),
        candidate_body(sdpMid=None, sdpMLineIndex=True),
        candidate_body(sdpMid=0, sdpMLineIndex="0"),
        candidate_body(usernameFragment=5),
        candidate_body(usernameFragment="u" * (MAX_TEXT + 1)),
        candidate_body(sdpMid="m" * (MAX_TEXT + 1)),
        candidate_body(candidate=CANDIDATE_UDP + " x" * MAX_TEXT),
        {**candidate_body(), "webrtc_id": "i" * (MAX_TEXT + 1)},
    ],
)
def test_a_body_that_is_no_candidate_is_refused(body: Any) -> None:
    """Wrong shapes are refused, and so are texts that nobody should have to keep."""
    with pytest.raises(MalformedCandidateError):
        parse_envelope(body)


@pytest.mark.parametrize(
    "more",
    [
        {"sdpMid": ["m"] * 10_000},
        {"sdpMLineIndex": {"i": "i" * 10_000}},
        {"candidate": "", "sdpMid": "m" * 10_000},
        {"more": "x" * 10_000},
    ],
)
def test_what_is_kept_of_a_candidate_is_short(more: dict[str, Any]) -> None:
    """It may wait for its offer: what has no meaning is left out, and it reads as it did."""
    parsed = parse_trickled(candidate_body(**more))
    assert len(json.dumps(parsed.body)) < 1000
    again = parse_trickled(parsed.body)
    assert str(again) == str(parsed)


# What goes into answers


def test_stereo_is_asked_for_once() -> None:
    """The parameters of Opus get `stereo` and `sprop-stereo`, those of other codecs nothing."""
    sdp = edited(force_stereo, CHROMIUM)
    assert "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1\r\n" in sdp
    assert sdp.count("stereo=1;sprop-stereo=1") == 1
    assert edited(force_stereo, sdp) == sdp


def test_stereo_is_asked_for_without_parameters_too() -> None:
    """Opus without an `fmtp` line gets one, after its `rtpmap`, and the SDP still reads."""
    sdp = edited(force_stereo, without("a=fmtp:111"))
    assert "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 stereo=1;sprop-stereo=1\r\n" in sdp
    (opus,) = [c for c in SessionDescription.parse(sdp).media[0].rtp.codecs if c.name == "opus"]
    assert {name: str(value) for name, value in opus.parameters.items()} == {
        "stereo": "1",
        "sprop-stereo": "1",
    }


def test_opus_is_described() -> None:
    """Once, where the other parameters are nobody's yet; the SDP still reads."""
    bare = without("a=fmtp:111")
    for dtx, wish in ((False, "useinbandfec=1"), (True, "useinbandfec=1;usedtx=1")):
        sdp = edited(describe_opus, bare, dtx=dtx)
        assert f"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 {wish}\r\n" in sdp
        assert edited(describe_opus, sdp, dtx=dtx) == sdp
        (opus,) = [c for c in SessionDescription.parse(sdp).media[0].rtp.codecs if c.name == "opus"]
        assert str(opus.parameters["useinbandfec"]) == "1"
    assert edited(describe_opus, CHROMIUM, dtx=True) == CHROMIUM


def test_an_answer_without_opus_stays_as_it_is() -> None:
    """Without audio there is nothing to ask for."""
    sdp = chromium_offer("video", "application")
    assert edited(force_stereo, sdp) == sdp
    assert edited(describe_opus, sdp, dtx=True) == sdp


HOSTS = (
    "a=candidate:1 1 udp 2130706431 172.17.0.2 40001 typ host",
    "a=candidate:2 1 udp 2130706431 fd00::2 40002 typ host",
    "a=candidate:3 1 udp 1694498815 203.0.113.9 40003 typ srflx raddr 172.17.0.2 rport 40001",
)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("198.51.100.4", [HOSTS[0].replace("172.17.0.2", "198.51.100.4"), HOSTS[2]]),
        ("2001:db8::4", [HOSTS[1].replace("fd00::2", "2001:db8::4"), HOSTS[2]]),
    ],
)
def test_the_advertised_address_takes_the_place_of_host_addresses(
    address: str, expected: list[str]
) -> None:
    """Host candidates of its version carry it, those of the other go, the rest stays."""
    sdp = edited(advertise_address, chromium_offer("audio", candidates=HOSTS), address)
    assert [line for line in sdp.split("\r\n") if line.startswith("a=candidate:")] == expected
    others = [line for line in sdp.split("\r\n") if not line.startswith("a=candidate:")]
    assert others == chromium_offer("audio", candidates=()).split("\r\n")


def test_whose_ice_credentials_count() -> None:
    """Those of the first section of the bundle, or of the session; not of a section that is out."""
    text = """v=0
a=group:BUNDLE 1 0
a=ice-ufrag:sess
a=ice-pwd:of-the-session
m=audio 9 UDP/TLS/RTP/SAVPF 111
a=mid:0
m=audio 9 UDP/TLS/RTP/SAVPF 111
a=mid:1
a=ice-ufrag:one1
a=ice-pwd:of-the-first
m=video 0 UDP/TLS/RTP/SAVPF 96
a=mid:2
a=ice-ufrag:two2
a=ice-pwd:of-the-second
"""
    assert list(Description.parse(text).ice_credentials().items()) == [
        ("1", ("one1", "of-the-first")),
        ("0", ("sess", "of-the-session")),
    ]
    without = text.replace("a=ice-pwd:of-the-session\n", "")
    assert list(Description.parse(without).ice_credentials()) == ["1"]
