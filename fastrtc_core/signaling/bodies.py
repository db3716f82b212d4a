"""What clients post to the offer route, in FastRTC's words: read before anything is made for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiortc import RTCIceCandidate

from ..errors import MalformedCandidateError, MalformedOfferError
from ..webrtc.sdp.candidates import parse_candidate

MAX_TEXT = 512
"""Characters in any text of a trickled candidate: it may be kept until its offer arrives."""


@dataclass(frozen=True)
class Envelope:
    """An offer whose SDP was not looked at yet.

    Attributes:
        sdp: The session description.
        webrtc_id: The session id that the client wants, or `None`.
        args: Additional inputs, or `None` where none were sent.
        params: Free parameters for the application.
        secret: What a client was told with its answer, where this is a further offer of it.
        tracks: Of such an offer, what the client publishes besides microphone and camera.
        receives: Of such an offer, the sections for tracks of the server.
        resume: Whether the client can come back to its session when its connection is lost; or the
            token with which it does.
    """

    sdp: str
    webrtc_id: str | None
    args: list[Any] | None
    params: Mapping[str, Any]
    secret: str | None = None
    tracks: Any = None
    receives: Any = None
    resume: bool | str = False


@dataclass(frozen=True)
class TrickledCandidate:
    """A candidate that was posted on its own.

    Attributes:
        webrtc_id: The session it is for.
        candidate: The candidate, or `None` for the end of candidates or one of no use.
        ufrag: The ICE user name it belongs to, where the client said so.
        body: What was posted, where it was posted as JSON.
    """

    webrtc_id: str
    candidate: RTCIceCandidate | None
    ufrag: str | None = None
    body: Any = field(default=None, repr=False, compare=False)


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
    secret, resume = body.get("secret"), body.get("resume") or False
    if not isinstance(resume, (bool, str)) or (isinstance(resume, str) and not webrtc_id):
        raise MalformedOfferError(
            "'resume' must be true, or a token that stands beside a 'webrtc_id'"
        )
    if secret is None:
        return Envelope(sdp, webrtc_id or None, args, params or {}, resume=resume)
    if not isinstance(secret, str) or not webrtc_id:
        raise MalformedOfferError("a 'secret' must be a text, and stand beside a 'webrtc_id'")
    further = body.get("tracks"), body.get("receives")
    return Envelope(sdp, webrtc_id, args, params or {}, secret, *further)


def _parse_candidate_body(body: dict[str, Any]) -> TrickledCandidate:
    webrtc_id = body.get("webrtc_id")
    if not isinstance(webrtc_id, str) or not webrtc_id:
        raise MalformedCandidateError("a candidate must name its session with 'webrtc_id'")
    _check_length("webrtc_id", webrtc_id)
    value = body.get("candidate")
    if value is None or value == "":
        return TrickledCandidate(webrtc_id, None, body=_kept(body))
    if not isinstance(value, dict) or not isinstance(value.get("candidate"), str):
        raise MalformedCandidateError("a candidate must be an RTCIceCandidateInit object")
    ufrag = value.get("usernameFragment")
    if ufrag is not None and not isinstance(ufrag, str):
        raise MalformedCandidateError("the 'usernameFragment' of a candidate must be a text")
    _check_length("usernameFragment", ufrag or "")
    _check_length("candidate", value["candidate"])
    if not value["candidate"]:
        return TrickledCandidate(webrtc_id, None, ufrag, _kept(body))
    mid, index = value.get("sdpMid"), value.get("sdpMLineIndex")
    if not isinstance(mid, str) and not (isinstance(index, int) and not isinstance(index, bool)):
        raise MalformedCandidateError("a candidate must have an 'sdpMid' or an 'sdpMLineIndex'")
    _check_length("sdpMid", mid if isinstance(mid, str) else "")
    candidate = parse_candidate(value["candidate"])
    if candidate is not None:
        candidate.sdpMid = mid if isinstance(mid, str) else None
        candidate.sdpMLineIndex = index if isinstance(index, int) else None
    return TrickledCandidate(webrtc_id, candidate, ufrag, _kept(body))


def _kept(body: dict[str, Any]) -> dict[str, Any]:
    """What has a meaning of the body of a candidate; all of it is of bounded length."""
    value = body.get("candidate")
    if value:
        names = ("candidate", "sdpMid", "sdpMLineIndex", "usernameFragment")
        value = {name: value[name] for name in names if _is_short(value.get(name))}
    return {"type": body["type"], "webrtc_id": body["webrtc_id"], "candidate": value}


def _is_short(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and len(value) <= MAX_TEXT)


def _check_length(name: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise MalformedCandidateError(f"the '{name}' is longer than {MAX_TEXT} characters")
