"""Which media flow in a session: the client's offer held against the stream's modality and mode."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from ..errors import ModalityError
from ..functions import Modality, Mode
from ..session import Medium
from .signaling import Offer


class Flows(NamedTuple):
    """The media of one session, from the server's point of view."""

    receives: frozenset[Medium]
    sends: frozenset[Medium]


def negotiate(offer: Offer, modality: Modality, mode: Mode) -> Flows:
    """Decide what flows.

    An offer may lack a medium of the stream: without any, it is a session of messages alone. It
    may not bring one that the stream does not have, nor one twice.

    Raises:
        ModalityError: If the offer does not fit; the text says how.
    """
    receives: set[Medium] = set()
    sends: set[Medium] = set()
    counts = Counter(section.kind for section in offer.media)
    for section in offer.media:
        if section.kind == "application":
            continue
        if section.kind not in modality.split("-"):
            raise ModalityError(f"this is a stream of {modality}; the offer brings {section.kind}")
        if counts[section.kind] > 1:
            raise ModalityError(f"the offer brings {section.kind} {counts[section.kind]} times")
        medium: Medium = "audio" if section.kind == "audio" else "video"
        if mode != "receive" and section.direction in ("sendrecv", "sendonly"):
            receives.add(medium)
        if mode != "send" and section.direction in ("sendrecv", "recvonly"):
            sends.add(medium)
    if not receives and not sends and set(counts) != {"application"}:
        raise ModalityError(
            f"nothing would flow: with mode={mode!r} the client must "
            f"{'receive' if mode == 'receive' else 'send'} media"
        )
    return Flows(frozenset(receives), frozenset(sends))
