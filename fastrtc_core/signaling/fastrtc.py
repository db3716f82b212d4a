"""FastRTC's dialect: JSON bodies that are offers or candidates, and JSON answers."""

from __future__ import annotations

from typing import Any

from ..context import Caller
from .acceptor import Acceptor, Answer
from .bodies import TrickledCandidate, parse_envelope
from .trickling import Trickling


async def handle(
    body: Any, caller: Caller, acceptor: Acceptor, trickling: Trickling
) -> dict[str, Any]:
    """Serve one request to the offer route; returns the JSON body of the answer.

    Raises:
        OfferError: If the offer or candidate is refused.
    """
    request = parse_envelope(body)
    if isinstance(request, TrickledCandidate):
        await trickling.take(request)
        return {"status": "success"}
    return body_of(await acceptor.accept(request, caller))


def body_of(answer: Answer) -> dict[str, Any]:
    """An answer as JSON."""
    return {
        "sdp": answer.sdp,
        "type": "answer",
        "webrtc_id": answer.id,
        "secret": answer.secret,
        **answer.more,
    }
