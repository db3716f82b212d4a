"""Candidates that arrive before the offer they belong to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Set

from .bodies import TrickledCandidate

MAX_SESSIONS = 256
"""Offers for which candidates are kept; then the oldest is forgotten."""

MAX_EARLY = 32
"""Candidates that are kept for one offer."""

LIFETIME = 10.0
"""How long in s they wait for their offer."""

_Key = tuple[str, str | None]


class EarlyCandidates:
    """A bounded store; what nobody asks for is forgotten.

    It is kept by id and ICE user name, so that whoever posts candidates for the id of somebody else
    neither spoils the offer that comes with that id nor takes the place of its candidates.

    Args:
        clock: The time in s.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._store: OrderedDict[_Key, tuple[float, list[TrickledCandidate]]] = OrderedDict()

    def __len__(self) -> int:
        self._expire()
        return len(self._store)

    def add(self, candidate: TrickledCandidate) -> None:
        """Keep a candidate; beyond the bounds, the oldest offer or this candidate is dropped."""
        self._expire()
        key = candidate.webrtc_id, candidate.ufrag
        _, candidates = self._store.setdefault(key, (self._clock(), []))
        if len(candidates) < MAX_EARLY:
            candidates.append(candidate)
        while len(self._store) > MAX_SESSIONS:
            self._store.popitem(last=False)

    def take(self, webrtc_id: str, ufrags: Set[str | None]) -> list[TrickledCandidate]:
        """The candidates of an offer, which are then no longer kept.

        Args:
            webrtc_id: The id of the offer.
            ufrags: Its ICE user names. Candidates that name none come last.
        """
        self._expire()
        taken: list[TrickledCandidate] = []
        for ufrag in (*ufrags, None):
            taken += self._store.pop((webrtc_id, ufrag), (0.0, []))[1]
        return taken[:MAX_EARLY]

    def of(self, webrtc_id: str) -> list[TrickledCandidate]:
        """What is kept for a session, whatever its ICE user name; it stays."""
        self._expire()
        kept = [(key, candidates) for key, (_, candidates) in self._store.items()]
        return [one for key, candidates in kept if key[0] == webrtc_id for one in candidates]

    def _expire(self) -> None:
        horizon = self._clock() - LIFETIME
        while self._store and next(iter(self._store.values()))[0] < horizon:
            self._store.popitem(last=False)
