"""How a client hands its offer to a server."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from .. import errors, strict_json
from ..errors import ConnectionFailedError, OfferError

TIMEOUT = 15.0
"""How long in s the server may take to answer an offer."""

REFUSALS = (401, 403, 429)
"""Statuses with which something before the offer route refuses whoever asks."""

_ERRORS: dict[str, type[OfferError]] = {
    error.code: error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, OfferError)
}


async def post_offer(
    url: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> dict[str, Any]:
    """Post an offer and read the answer.

    Raises:
        OfferError: The error that the server refused it with.
        ConnectionFailedError: If the server cannot be reached or answers something else.
    """
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"content-type": "application/json", **headers},
        method="POST",
    )
    status, text = await asyncio.to_thread(_exchange, request)
    try:
        answer = strict_json.load(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ConnectionFailedError(f"{url} answered with status {status} and no JSON object")
    raise_refusal(answer)
    if status in REFUSALS:  # of a dependency of the application, say
        raise OfferError(str(answer.get("detail", f"status {status}")), status=status)
    if status != 200 or not isinstance(answer.get("sdp"), str):
        raise ConnectionFailedError(f"{url} answered with status {status} and no SDP")
    return answer


def raise_refusal(answer: Mapping[str, Any]) -> None:
    """Raise the error that an answer carries, if it is a refusal."""
    if answer.get("status") != "failed":
        return
    meta = dict(answer.get("meta") or {})
    code = meta.pop("error", "offer_refused")
    message = meta.pop("message", code)
    raise _ERRORS.get(code, OfferError)(message, **meta)


def _exchange(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError as error:
        raise ConnectionFailedError(f"{request.full_url} cannot be reached: {error}") from None
