"""Candidates that come on their own, before or after the offer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiortc import RTCPeerConnection

from fastrtc_core import Stream
from fastrtc_core.webrtc.sdp.limits import MAX_CANDIDATES

from .support import Silent, connected, gone, make_offer, raw_peer, take_answer


def split(offer: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An offer without its candidates, and the candidates as a client would trickle them."""
    lines = offer["sdp"].splitlines()
    kept = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
    candidates = [
        {"candidate": line.removeprefix("a="), "sdpMid": "0", "sdpMLineIndex": 0}
        for line in lines
        if line.startswith("a=candidate:")
    ]
    return {**offer, "sdp": "\r\n".join(kept) + "\r\n"}, candidates


async def trickle(stream: Stream, id: str, candidates: list[Any]) -> None:
    for candidate in candidates:
        body = {"type": "ice-candidate", "candidate": candidate, "webrtc_id": id}
        assert await stream.offer(body) == {"status": "success"}


async def text_peer(pc: RTCPeerConnection, **extra: Any) -> dict[str, Any]:
    pc.createDataChannel("text")
    return await make_offer(pc, **extra)


@pytest.mark.parametrize("end", [None, ""])
async def test_candidates_after_the_offer(end: Any) -> None:
    """The usual trickle, with either form of the end of candidates."""
    stream = Stream(Silent())
    async with raw_peer() as pc:
        offer, candidates = split(await text_peer(pc, webrtc_id="after"))
        assert candidates
        await take_answer(pc, await stream.offer(offer))
        await trickle(stream, "after", [*candidates, end])
        await connected(pc)
    await gone(stream)


async def test_candidates_before_the_offer() -> None:
    """A client that is quicker with its candidates than with its offer."""
    stream = Stream(Silent())
    async with raw_peer() as pc:
        offer, candidates = split(await text_peer(pc, webrtc_id="before"))
        await trickle(stream, "before", candidates)
        assert stream.sessions == 0
        await take_answer(pc, await stream.offer(offer))
        await connected(pc)
    await gone(stream)


async def test_an_offer_with_names_under_local_alone_connects() -> None:
    """The client's own checks reveal its address."""
    stream = Stream(Silent())
    async with raw_peer() as pc:
        offer, _ = split(await text_peer(pc))
        offer["sdp"] += "a=candidate:1 1 udp 2113937151 x-y-z.local 56040 typ host\r\n"
        offer["sdp"] += "a=end-of-candidates\r\n"
        answer = await stream.offer(offer)
        assert "a=candidate:" in answer["sdp"]
        await take_answer(pc, answer)
        await connected(pc)
    await gone(stream)


async def test_candidates_of_strangers_and_floods_are_refused() -> None:
    """A candidate of another offer, and one too many."""
    stream = Stream(Silent())
    async with raw_peer() as pc:
        offer, (candidate, *_) = split(await text_peer(pc, webrtc_id="mine"))
        await take_answer(pc, await stream.offer(offer))
        foreign = {**candidate, "usernameFragment": "somebody"}
        body: dict[str, Any] = {"type": "ice-candidate", "webrtc_id": "mine"}
        refusal = await stream.offer({**body, "candidate": foreign})
        assert refusal["meta"]["error"] == "malformed_candidate"
        answers = await asyncio.gather(
            *(stream.offer({**body, "candidate": candidate}) for _ in range(MAX_CANDIDATES + 1))
        )
        assert answers[-1]["status"] == "failed"
        await connected(pc)
    await gone(stream)
