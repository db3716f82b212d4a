"""Reading the body of a request, but no more of it than an offer can have."""

from __future__ import annotations

from fastapi import Request
from starlette.requests import ClientDisconnect

from ..errors import MalformedOfferError, OfferError

MAX_BODY_BYTES = 131_072
"""Largest body of an offer or candidate; offers of browsers have 2 to 20 KB."""


class _BodyTooLargeError(OfferError):
    code = "body_too_large"
    http_status = 413


class _WrongTypeError(OfferError):
    code = "unsupported_media_type"
    http_status = 415


async def read_body(request: Request, media_type: str) -> bytes:
    """The body of a request that must be of a type.

    A browser sends to another origin without a preflight only what a form may send (the Fetch
    standard, on CORS-safelisted request headers): a type of one's own keeps such pages out.

    Raises:
        OfferError: If it is too large, of another type, or was not sent to its end.
    """
    type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _BodyTooLargeError(f"the body is larger than {MAX_BODY_BYTES} bytes")
    except ClientDisconnect:
        raise MalformedOfferError("the body was not sent to its end") from None
    # Not before the body is read: uvicorn stumbles over an answer to a body that is damaged.
    if type != media_type:
        raise _WrongTypeError(f"The content type must be {media_type}, not {type[:60]!r}")
    return bytes(body)
