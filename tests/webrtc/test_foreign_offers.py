"""Offers of browsers, GStreamer, pion, OBS, gateways and others are answered by the book."""

from __future__ import annotations

from typing import Any

import pytest

from fastrtc_core import Stream
from fastrtc_core.channel import RtcEngine
from fastrtc_core.client import Client
from fastrtc_core.errors import ModalityError
from fastrtc_core.webrtc import peer

from .answers import check_answer
from .battery import MORE
from .foreign import OFFERS, audio, data, offer, video
from .support import connected, eventually, gone, make_offer, raw_peer, take_answer
from .test_directions import Everything


async def answer_to(sdp: str, modality: Any) -> dict[str, Any]:
    """The answer of a stream, or its refusal; the client that offers is not there."""
    stream = Stream(Everything(), modality=modality)
    answer = await stream.offer({"sdp": sdp, "type": "offer"})
    await gone(stream)
    return answer


BATTERY = OFFERS | MORE


@pytest.mark.parametrize("client", BATTERY)
async def test_an_offer_is_answered_by_the_book(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the stream uses is accepted, what it does not is rejected, and all else is echoed."""
    monkeypatch.setattr(peer, "CHECK_TIMEOUT", 0.0)
    modality, sdp, expected = BATTERY[client]
    answer = await answer_to(sdp, modality)
    assert "sdp" in answer, answer
    assert check_answer(sdp, answer["sdp"]) == expected


async def test_pictures_come_upright_and_a_channel_takes_each_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client turns the pictures of a camera that is held sideways, unless `video-orientation` is
    agreed (3GPP TS 26.114 section 7.4.5): it is not, and so neither readers nor viewers have to.
    """
    monkeypatch.setattr(peer, "CHECK_TIMEOUT", 0.0)
    _, sdp, _ = BATTERY["chromium: simulcast by rid"]
    assert "urn:3gpp:video-orientation" in sdp
    async with RtcEngine("app") as engine:
        params = {"channel": "room", "uid": 1}
        there = await engine.accept({"sdp": sdp, "type": "offer", "params": params})
    session = await answer_to(sdp, "audio-video")
    assert "orientation" not in there["sdp"] + session["sdp"]
    assert "a=simulcast:recv h;m;l\r\n" in there["sdp"]
    assert "simulcast" not in session["sdp"]
    assert check_answer(sdp, there["sdp"]) == ["audio", "video"]


@pytest.mark.parametrize(
    ("sdp", "error"),
    [
        (offer(video("0")), "wrong_modality"),
        (offer(video("0"), data("1")), "wrong_modality"),
        (offer(audio(extra="a=inactive\n")), "wrong_modality"),
        (offer(audio(port=0)), "malformed_offer"),
        (offer(audio(body="a=rtcp-mux\na=rtpmap:111 PCMU/8000\n")), "malformed_offer"),
    ],
)
async def test_an_offer_of_which_nothing_is_left_is_refused(sdp: str, error: str) -> None:
    """A stream of audio says what is wrong where it could use no section."""
    answer = await answer_to(sdp, "audio")
    assert answer["meta"]["error"] == error


async def test_a_client_that_cannot_do_without_what_is_rejected_says_so() -> None:
    """The Python client offers what its caller asked for, and raises if it does not get it."""
    stream = Stream(Everything(), modality="audio")
    with pytest.raises(ModalityError, match="no video"):
        async with Client(stream.offer, modality="audio-video"):
            pass
    await gone(stream)


async def test_media_run_beside_a_section_that_is_rejected() -> None:
    """Sections keep their places, and candidates that name theirs by its number find it."""
    stream = Stream(Everything(), modality="audio")
    async with raw_peer() as pc:
        pc.addTransceiver("audio")
        channel = pc.createDataChannel("text")
        body = await make_offer(pc)
        sdp, candidates = _without_candidates(body["sdp"])
        sdp = sdp.replace("BUNDLE 0 1", "BUNDLE camera 0 1")
        camera = video("camera").replace("\n", "\r\n")
        body["sdp"] = sdp.replace("m=audio", f"{camera}m=audio")
        answer = await stream.offer(body)
        assert check_answer(body["sdp"], answer["sdp"]) == ["-", "audio", "application"]
        for line in candidates:
            trickled = {"candidate": line, "sdpMLineIndex": 1}
            request = {"type": "ice-candidate", "webrtc_id": answer["webrtc_id"]}
            await stream.offer({**request, "candidate": trickled})
        head, _, rest = answer["sdp"].partition("m=video")
        answer["sdp"] = head + "m=audio" + rest.partition("m=audio")[2]
        await take_answer(pc, answer)
        await connected(pc)
        await eventually(lambda: channel.readyState == "open", "the data channel")
    await gone(stream)


async def test_sections_without_a_bundle_connect_each_for_itself() -> None:
    """A client that knows no BUNDLE has one transport for each section."""
    stream = Stream(Everything(), modality="audio-video")
    async with raw_peer() as pc:
        pc.addTransceiver("audio")
        pc.addTransceiver("video")
        body = await make_offer(pc)
        body["sdp"] = body["sdp"].replace("a=group:BUNDLE 0 1\r\n", "")
        answer = await stream.offer(body)
        assert check_answer(body["sdp"], answer["sdp"]) == ["audio", "video"]
        await take_answer(pc, answer)
        await connected(pc)
        await eventually(lambda: stream.sessions == 1, "the session")
        for receiver in pc.getReceivers():
            await receiver.track.recv()
    await gone(stream)


def _without_candidates(sdp: str) -> tuple[str, list[str]]:
    """An offer that trickles: its text without candidates, and these."""
    lines = sdp.split("\r\n")
    candidates = [line[2:] for line in lines if line.startswith("a=candidate:")]
    kept = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-cand"))]
    return "\r\n".join(kept), list(dict.fromkeys(candidates))
