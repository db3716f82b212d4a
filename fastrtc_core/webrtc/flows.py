"""Which media flow in a session: the client's offer held against the stream's modality and mode."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import MalformedOfferError, ModalityError
from ..handler.functions import Modality, Mode
from ..session import Medium
from .sdp.media import choose
from .sdp.offers import Offer

MEDIA: tuple[Medium, ...] = ("audio", "video")


class Flows(NamedTuple):
    """The media of one session, from the server's point of view."""

    receives: frozenset[Medium]
    sends: frozenset[Medium]


def all_flows(modality: Modality, mode: Mode) -> Flows:
    """What may flow in a session of a stream, whatever the client offers."""
    media: frozenset[Medium] = frozenset(kind for kind in MEDIA if kind in modality.split("-"))
    nothing: frozenset[Medium] = frozenset()
    return Flows(media if mode != "receive" else nothing, media if mode != "send" else nothing)


def negotiate(offer: Offer, modality: Modality, mode: Mode, *, forwarded: bool = False) -> Flows:
    """Decide what flows.

    An offer may lack a medium of the stream: without any, it is a session of messages alone. What
    it brings beyond the stream is left out; of several sections of a medium, one is used.

    Args:
        offer: The offer.
        modality: Of the stream.
        mode: Of the stream.
        forwarded: Whether pictures of others are handed on as they came.

    Raises:
        ModalityError: If media are offered and none would flow; the text says how.
        MalformedOfferError: If none of them has a codec in common with this server.
    """
    media = modality.split("-")
    chosen = choose(
        offer.media,
        receives=media if mode != "receive" else (),
        sends=media if mode != "send" else (),
        forwarded=forwarded,
    )
    offered = [section for section in offer.media if section.kind != "application"]
    if offered and not chosen:
        ours = [section for section in offered if section.kind in media]
        if not ours:
            kind = offered[0].kind
            raise ModalityError(f"this is a stream of {modality}; the offer brings {kind}")
        if not any(section.spoken for section in ours):
            raise MalformedOfferError(
                "the offer has no codec in common with this server: it speaks Opus, VP8 and H.264"
            )
        raise ModalityError(
            f"nothing would flow: with mode={mode!r} the client must "
            f"{'receive' if mode == 'receive' else 'send'} media"
        )
    receives: set[Medium] = set()
    sends: set[Medium] = set()
    for kind, section in chosen.items():
        medium: Medium = "audio" if kind == "audio" else "video"
        if mode != "receive" and section.direction in ("sendrecv", "sendonly"):
            receives.add(medium)
        if mode != "send" and section.direction in ("sendrecv", "recvonly"):
            sends.add(medium)
    return Flows(frozenset(receives), frozenset(sends))
