"""Offers and candidates: read or refused, answered or refused, and nothing left of them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

import pytest
from aiortc import RTCPeerConnection
from aiortc.sdp import SessionDescription
from hypothesis import example, given
from hypothesis import strategies as st

from fastrtc_core import (
    ConcurrencyLimitError,
    MalformedCandidateError,
    MalformedOfferError,
    OfferError,
    Stream,
)
from fastrtc_core.signaling.bodies import Envelope, TrickledCandidate, parse_envelope
from fastrtc_core.webrtc import peer
from fastrtc_core.webrtc.sdp.candidates import advertise_address, drop_unresolvable
from fastrtc_core.webrtc.sdp.limits import MAX_CANDIDATES, MAX_LINES, MAX_MEDIA_SECTIONS
from fastrtc_core.webrtc.sdp.offers import Offer, read_offer
from fastrtc_core.webrtc.sdp.opus import force_stereo

from ..webrtc.offers import CANDIDATE_MDNS, CANDIDATE_TCP, CANDIDATE_UDP, chromium_offer, edited
from ..webrtc.support import Silent, gone
from .strategies import damaged_json, dumped, examples, json_values, odd_texts
from .support import brief, no_more_threads_than, no_tasks_left


async def offer_of_aiortc() -> str:
    """An offer of aiortc, without candidates."""
    pc = RTCPeerConnection()
    try:
        pc.addTransceiver("audio")
        pc.createDataChannel("text")
        return (await pc.createOffer()).sdp
    finally:
        await pc.close()


CHROMIUM = chromium_offer()
SPOKEN = chromium_offer("audio", "application", candidates=(CANDIDATE_MDNS,), complete=True)
AIORTC = asyncio.run(offer_of_aiortc())

ATTRIBUTES = st.sampled_from(
    [
        *("a=rtpmap:", "a=fmtp:111 ", "a=rtcp-fb:96 ", "a=extmap:", "a=candidate:", "a=group:"),
        *("a=ssrc:", "a=ssrc-group:", "a=mid:", "a=setup:", "a=fingerprint:", "a=sctpmap:"),
        *("a=rtcp:", "a=ice-options:", "a=msid:", "a=max-message-size:", "a=sctp-port:"),
        *("a=ice-ufrag:", "a=ice-pwd:", "a=ice-lite", "a=inactive", "a=rtcp-mux", "a=rid:"),
        *("c=", "m=", "m=audio ", "o=", "t=", "a=", "a", ""),
    ]
)
WORDS = st.sampled_from(
    [" ", ":", "/", "-1", "0", "9" * 30, "65536", "4294967296", "256", "\ud800", "\x00", "::1", "x"]
)


@st.composite
def damaged_offers(draw: st.DrawFn, *originals: str) -> str:
    """An offer with some lines lost, doubled, swapped, cut, written over, or other numbers."""
    lines = draw(st.sampled_from(originals)).split("\r\n")
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(lines) - 1))
        kinds = ["lose", "double", "swap", "cut", "write", "word", "insert", "end"]
        match draw(st.sampled_from(kinds)):
            case "lose":
                del lines[index : index + draw(st.integers(1, 8))]
            case "double":
                lines.insert(draw(st.integers(0, len(lines))), lines[index])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[index], lines[other] = lines[other], lines[index]
            case "cut":
                lines[index] = lines[index][: draw(st.integers(0, len(lines[index])))]
            case "write":
                at = draw(st.integers(0, len(lines[index])))
                new = draw(st.text(max_size=5) | WORDS)
                lines[index] = lines[index][:at] + new + lines[index][at + len(new) :]
            case "word":
                words = lines[index].replace(":", ": ").split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(WORDS)
                lines[index] = " ".join(words).replace(": ", ":")
            case "insert":
                lines.insert(index, draw(ATTRIBUTES) + draw(st.text(max_size=8) | WORDS))
            case _:
                del lines[index:]
        lines = lines or [""]
    return "\r\n".join(lines)


def offer_body(sdp: str, **more: Any) -> dict[str, Any]:
    return {"type": "offer", "sdp": sdp, **more}


def check_envelope(envelope: Envelope) -> None:
    """What is read is as declared."""
    assert envelope.webrtc_id is None or isinstance(envelope.webrtc_id, str)
    assert envelope.args is None or isinstance(envelope.args, list)
    assert isinstance(envelope.params, dict)


def outcome(body: Any) -> Offer | TrickledCandidate | OfferError:
    """What a body is read as, or the refusal."""
    try:
        parsed = parse_envelope(body)
        if isinstance(parsed, TrickledCandidate):
            return parsed
        check_envelope(parsed)
        return read_offer(parsed.sdp)
    except OfferError as error:
        json.dumps(error.body(), ensure_ascii=False).encode()
        brief(error, 300)
        return error


# Read or refused


@given(sdp=damaged_offers(CHROMIUM, AIORTC))
@example(CHROMIUM.replace("a=mid:0", "a=mid:\ud800").replace("BUNDLE 0", "BUNDLE \ud800"))
@example(CHROMIUM.replace("a=extmap:4", "a=extmap:300"))
@example(
    CHROMIUM.replace("a=mid:0", "a=mid:" + "x" * 300).replace("BUNDLE 0", "BUNDLE " + "x" * 300)
)
@examples(300)
def test_a_damaged_offer_is_read_or_refused(sdp: str) -> None:
    """Only `MalformedOfferError` ever comes out, and what is read again can be read again."""
    result = outcome(offer_body(sdp))
    if isinstance(result, Offer):
        again = outcome(offer_body(result.sdp))
        assert isinstance(again, Offer)
        assert (again.sdp, again.media) == (result.sdp, result.media)
        assert len(result.media) <= MAX_MEDIA_SECTIONS
        result.sdp.encode()
    else:
        assert isinstance(result, MalformedOfferError)


@given(
    sdp=odd_texts
    | st.lists(ATTRIBUTES.flatmap(lambda a: (st.text() | WORDS).map(a.__add__))).map("\n".join)
)
@example("m=audio 9 UDP/TLS/RTP/SAVPF 111\na=setup:")
@examples(100)
def test_any_text_in_place_of_an_offer_is_refused(sdp: str) -> None:
    """Text that no browser wrote is a `MalformedOfferError`, not a crash."""
    assert isinstance(outcome(offer_body(sdp)), MalformedOfferError)


@pytest.mark.parametrize(
    "line",
    ["a=rtpmap:1 a/1\r\na=rtcp-fb:* x", "a=ssrc:{} a:", "a=fmtp:111 x", "m=audio 9 X 0", "a="],
)
def test_an_offer_of_many_lines_takes_no_time(line: str) -> None:
    """What costs aiortc the square of the lines is refused before: 3 s and 1 GB in one request."""
    sdp = CHROMIUM + "".join(line.format(number) + "\r\n" for number in range(120_000 // len(line)))
    start = time.process_time()
    assert isinstance(outcome(offer_body(sdp)), MalformedOfferError)
    assert time.process_time() - start < 0.5
    assert CHROMIUM.count("\n") < MAX_LINES / 5


CANDIDATE = {
    "candidate": CANDIDATE_UDP.removeprefix("a="),
    "sdpMid": "0",
    "sdpMLineIndex": 0,
    "usernameFragment": "Qz1x",
}
BODIES: tuple[dict[str, Any], ...] = (
    {"type": "ice-candidate", "webrtc_id": "abc", "candidate": CANDIDATE},
    {"type": "ice-candidate", "webrtc_id": "abc", "candidate": None},
    {**offer_body(CHROMIUM), "webrtc_id": "abc", "args": [1], "params": {"name": "Ada"}},
    {**offer_body(CHROMIUM), "webrtc_id": "abc", "secret": "hush", "tracks": {}, "receives": {}},
)


@given(body=json_values | damaged_json(BODIES))
@example({"type": {}})
@examples(300)
def test_any_json_is_read_or_refused(body: Any) -> None:
    """Whatever JSON is posted, nothing but a refusal escapes, and what is read is as declared."""
    result = outcome(body)
    if isinstance(result, TrickledCandidate):
        assert 0 < len(result.webrtc_id) <= 512


@st.composite
def candidate_lines(draw: st.DrawFn) -> str:
    """A candidate with other words in some places."""
    words = draw(st.sampled_from([CANDIDATE_UDP, CANDIDATE_TCP, CANDIDATE_MDNS])).split()
    for _ in range(draw(st.integers(1, 3))):
        words[draw(st.integers(0, len(words) - 1))] = draw(WORDS | odd_texts)
    return " ".join(words)


@given(line=odd_texts | candidate_lines())
@examples(200)
def test_any_text_in_place_of_a_candidate_is_read_or_refused(line: str) -> None:
    """Nothing but `MalformedCandidateError` escapes, and what is read has an address."""
    body = {**BODIES[0], "candidate": {**CANDIDATE, "candidate": line}}
    result = outcome(body)
    if isinstance(result, TrickledCandidate):
        if result.candidate is not None:
            assert 0 <= result.candidate.port <= 65535
            assert result.candidate.ip.isascii()
    else:
        assert isinstance(result, MalformedCandidateError)


@given(
    sdp=damaged_offers(CHROMIUM, AIORTC) | odd_texts, address=st.sampled_from(["1.2.3.4", "::1"])
)
@examples(100)
def test_what_is_done_to_an_sdp_is_done_once(sdp: str, address: str) -> None:
    """Cleaning and changing takes any text, and a second time changes nothing."""
    for change in (drop_unresolvable, force_stereo):
        assert edited(change, edited(change, sdp)) == edited(change, sdp)
    if isinstance(outcome(offer_body(sdp)), Offer):
        cleaned = edited(drop_unresolvable, sdp)
        for text in (edited(force_stereo, sdp), edited(advertise_address, cleaned, address)):
            assert SessionDescription.parse(text).media


# Answered or refused


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody connects here: sessions wait for that only shortly."""
    monkeypatch.setattr(peer, "CONNECT_TIMEOUT", 0.01)


def post(*bodies: Any) -> tuple[list[dict[str, Any]], Silent]:
    """Offer all of this to a stream with room for one; fails if anything is left in the end."""
    handler = Silent()
    stream = Stream(handler, concurrency_limit=1)
    answers: list[dict[str, Any]] = []

    async def run() -> None:
        for body in bodies:
            answers.append(await stream.offer(body))
            json.dumps(answers[-1], ensure_ascii=False).encode()
        await gone(stream)
        await no_tasks_left()

    threads = threading.active_count()
    asyncio.run(run())
    no_more_threads_than(threads)
    return answers, handler


@pytest.mark.usefixtures("quick")
def test_damaged_offers_are_answered_or_refused() -> None:
    """A slot, a copy, tasks and sockets are there for an answer alone, and go with it."""

    @given(sdp=damaged_offers(SPOKEN, AIORTC))
    @example(SPOKEN.replace("5000", "70000"))
    @example(SPOKEN.replace("a=setup:actpass", "a=setup:passive"))
    @example(SPOKEN.replace("opus/48000", "opus/0"))
    @examples(60)
    def check(sdp: str) -> None:
        (answer,), handler = post(offer_body(sdp))
        parsed = outcome(offer_body(sdp))
        if "sdp" in answer:
            assert isinstance(parsed, Offer)
            assert len(handler.copies) == 1
            assert SessionDescription.parse(answer["sdp"]).media
        else:
            assert answer["meta"]["error"] in ("malformed_offer", "wrong_modality")
            assert isinstance(parsed, Offer) or not handler.copies
        assert not any(copy.calls for copy in handler.copies), "nobody was connected"

    check()


@pytest.mark.usefixtures("quick")
def test_candidates_for_a_live_session_are_taken_or_refused() -> None:
    """Before the offer, after it, and too many: a wrong one costs the session nothing."""
    early = {"type": "ice-candidate", "webrtc_id": "abc"}

    def body(line: str, mid: Any, index: Any, ufrag: Any) -> dict[str, Any]:
        candidate = {"candidate": line, "sdpMid": mid, "sdpMLineIndex": index}
        return {**early, "candidate": {**candidate, "usernameFragment": ufrag}}

    bodies = st.builds(
        body,
        candidate_lines(),
        st.sampled_from(["0", "1", "x", None, "\ud800"]),
        st.sampled_from([0, 1, -1, 10**30, None, True]),
        st.sampled_from(["Qz1x", "other", None, "\ud800"]),
    )

    @given(before=st.lists(bodies, max_size=3), after=st.lists(bodies, max_size=5))
    @example([BODIES[0]] * (MAX_CANDIDATES + 5), [BODIES[0]] * (MAX_CANDIDATES + 5))
    @examples(25)
    def check(before: list[Any], after: list[Any]) -> None:
        answers, _ = post(*before, offer_body(SPOKEN, webrtc_id="abc"), *after)
        assert "sdp" in answers.pop(len(before))
        for answer in answers:
            assert answer == {"status": "success"} or (
                answer["meta"]["error"] == MalformedCandidateError.code
            )

    check()


@pytest.mark.usefixtures("quick")
def test_a_stranger_neither_takes_nor_keeps_a_slot() -> None:
    """With one slot, any number of refused offers leaves it for the next good one."""

    @given(bodies=st.lists(damaged_json(BODIES) | json_values, min_size=1, max_size=6))
    @examples(25)
    def check(bodies: list[Any]) -> None:
        bad = [body for body in bodies if isinstance(outcome(body), OfferError)]
        answers, handler = post(*bad, offer_body(SPOKEN))
        assert "sdp" in answers.pop()
        assert len(handler.copies) == 1
        assert all(a["meta"]["error"] != ConcurrencyLimitError.code for a in answers)
        dumped(answers)

    check()
