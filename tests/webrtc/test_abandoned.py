"""Offers that cost: those with much SDP, and those whose client never comes."""

from __future__ import annotations

from typing import Any

import pytest

from fastrtc_core import ConcurrencyLimitError, Stream
from fastrtc_core.client import Client
from fastrtc_core.context import Caller
from fastrtc_core.errors import MalformedOfferError, UnavailableError
from fastrtc_core.registry import Entering
from fastrtc_core.webrtc import internals, peer
from fastrtc_core.webrtc.sdp import limits, offers
from fastrtc_core.webrtc.sdp.description import Description
from fastrtc_core.webrtc.sdp.offers import read_offer

from ..inside import registry_of
from .offers import chromium_offer
from .support import Silent, eventually, gone, make_offer, raw_peer


def section(codecs: int, feedback: int, wildcards: int, sources: int, mid: int = 0) -> str:
    """A section of audio with so many of each."""
    lines = chromium_offer("audio").split("m=audio", 1)[1].splitlines()
    head = [line for line in lines if not line.startswith(("a=rtpmap", "a=rtcp-fb", "a=fmtp"))]
    head = [line for line in head if not line.startswith("a=ssrc")]
    text = "\r\n".join(["m=audio" + head[0], *head[1:]]).replace("a=mid:0", f"a=mid:{mid}")
    text += "\r\n" + "".join(f"a=rtpmap:{i} opus/48000/2\r\n" for i in range(codecs))
    text += f"a=rtcp-fb:{codecs - 1} nack\r\n" * feedback + "a=rtcp-fb:* nack\r\n" * wildcards
    return text + "".join(f"a=ssrc:{i} cname:x\r\n" for i in range(sources))


def offer(*sections: str) -> dict[str, Any]:
    """The body of an offer of these sections."""
    session = chromium_offer("audio").split("m=audio", 1)[0]
    names = " ".join(str(mid) for mid in range(len(sections)))
    return {
        "type": "offer",
        "sdp": session.replace("BUNDLE 0", f"BUNDLE {names}") + "".join(sections),
    }


def work_of(sdp: str) -> int:
    """The steps that it takes to read it."""
    return limits.check_work(Description.parse(sdp))


async def abandoned() -> dict[str, Any]:
    """An offer of a peer that is gone by now."""
    async with raw_peer() as pc:
        pc.addTransceiver("audio")
        return await make_offer(pc)


@pytest.mark.parametrize(
    "sections",
    [
        [section(65, 0, 0, 0)],
        [section(2, 257, 0, 0)],
        [section(2, 0, 9, 0)],
        [section(2, 0, 0, 33)],
        [section(64, 100, 8, 0, mid) for mid in range(4)],
        [section(64, 60, 8, 0, mid) for mid in range(5)],
        [section(1, 0, 0, 0, mid) for mid in range(9)],
    ],
)
def test_what_would_be_much_work_is_not_begun(
    sections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiortc does not get to see it: it takes time with the product of codecs and feedback."""
    monkeypatch.setattr(offers, "SessionDescription", None)
    with pytest.raises(MalformedOfferError):
        read_offer(offer(*sections)["sdp"])
    for long in ("a=x:" + "y" * 70_000, "a=x\r\n" * 1001):
        with pytest.raises(MalformedOfferError, match=r"more than|longer"):
            read_offer(offer(section(1, 0, 0, 0) + long)["sdp"])


def test_the_most_that_is_taken_makes_few_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some thousand, where 12 KB made a hundred thousand before."""
    made = 0
    original = offers.SessionDescription.parse.__func__.__globals__["RTCRtcpFeedback"]  # type: ignore[attr-defined]

    def count(**fields: Any) -> Any:
        nonlocal made
        made += 1
        return original(**fields)

    monkeypatch.setattr("aiortc.sdp.RTCRtcpFeedback", count)
    body = offer(*(section(64, 40, 4, 0, mid) for mid in range(6)))
    assert work_of(body["sdp"]) > 0.85 * limits.MAX_WORK
    read_offer(body["sdp"])
    assert made < 5_000


def test_browsers_are_far_from_the_limits() -> None:
    """Chromium 156 with all it has in audio and video: a tenth of the work."""
    body = offer(section(8, 2, 0, 1), section(23, 50, 0, 4, 1))
    assert work_of(body["sdp"]) < limits.MAX_WORK / 10
    assert work_of(chromium_offer()) < limits.MAX_WORK / 100


async def test_a_full_server_reads_no_sdp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one that is draining."""
    stream = Stream(Silent(), concurrency_limit=1)
    body = await abandoned()
    async with Client(stream.offer, modality=None):
        monkeypatch.setattr(offers, "SessionDescription", None)
        with pytest.raises(ConcurrencyLimitError):
            await stream._take_offer(body, Caller())
    await gone(stream)
    await stream.drain(1)
    with pytest.raises(UnavailableError):
        await stream._take_offer(body, Caller())


async def test_an_abandoned_offer_gives_its_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers the server's checks: it waits for seconds, not as long as ICE may take."""
    monkeypatch.setattr(peer, "CHECK_TIMEOUT", 0.05)
    assert peer.CONNECT_TIMEOUT > 10
    stream = Stream(Silent(), concurrency_limit=1)
    assert "sdp" in await stream.offer(await abandoned())
    await gone(stream, within=2)


async def test_who_answers_a_check_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handshake may take longer than that."""
    looks: list[Any] = []

    def look(pc: Any) -> bool:
        looks.append(pc)
        return True

    monkeypatch.setattr(internals, "was_reached", look)
    monkeypatch.setattr(peer, "CHECK_TIMEOUT", 0.02)
    monkeypatch.setattr(peer, "CONNECT_TIMEOUT", 0.1)
    stream = Stream(Silent())
    assert "sdp" in await stream.offer(await abandoned())
    await gone(stream)
    assert len(looks) == 2


def test_one_address_does_not_take_all_the_room() -> None:
    """Each has its own; of IPv6, a client has 64 bits; one that is not known has no limit."""
    entering = Entering(2)
    with entering.count("10.0.0.1"), entering.count("::ffff:10.0.0.1"), entering.count("10.0.0.2"):
        with pytest.raises(ConcurrencyLimitError) as refused, entering.count("10.0.0.1"):
            pass
        assert refused.value.meta["limit"] == 2
        assert len(entering) == 3
    with entering.count("2001:db8::1"), entering.count("2001:db8::2%eth0"):
        with pytest.raises(ConcurrencyLimitError), entering.count("2001:db8:0:0:5::"):
            pass
        with entering.count("2001:db8:0:1::"):
            pass
    with entering.count(None), entering.count(None), entering.count(None), entering.count("proxy"):
        assert len(entering) == 4
    assert len(entering) == 0


async def test_offers_count_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """While they connect, and no longer."""
    monkeypatch.setattr(peer, "CHECK_TIMEOUT", 0.02)
    stream = Stream(Silent(), connecting_per_address=1)
    entering = registry_of(stream).entering
    body = await abandoned()
    with entering.count("10.0.0.1"):
        refused = await stream.offer(body, address="10.0.0.1")
        assert refused["meta"]["error"] == "concurrency_limit_reached"
        assert "sdp" in await stream.offer(body, address="10.0.0.2")
        assert len(entering) == 2
        await gone(stream)
    assert len(entering) == 0
    monkeypatch.undo()
    async with Client(stream.offer, modality=None):
        await eventually(lambda: len(entering) == 0, "who is in counts no longer")
    await gone(stream)
