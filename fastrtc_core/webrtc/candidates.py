"""Candidates that arrive before the offer they belong to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from .signaling import TrickledCandidate

MAX_SESSIONS = 256
"""Ids for which candidates are kept; then the oldest is forgotten."""

MAX_EARLY = 32
"""Candidates that are kept for one id."""

LIFETIME = 10.0
"""How long in s they wait for their offer."""


class EarlyCandidates:
    """A bounded store; what nobody asks for is forgotten.

    Args:
        clock: The time in s.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._store: OrderedDict[str, tuple[float, list[TrickledCandidate]]] = OrderedDict()

    def __len__(self) -> int:
        self._expire()
        return len(self._store)

    def add(self, candidate: TrickledCandidate) -> None:
        """Keep a candidate; beyond the bounds, the oldest id or this candidate is dropped."""
        self._expire()
        _, candidates = self._store.setdefault(candidate.webrtc_id, (self._clock(), []))
        if len(candidates) < MAX_EARLY:
            candidates.append(candidate)
        while len(self._store) > MAX_SESSIONS:
            self._store.popitem(last=False)

    def take(self, webrtc_id: str) -> list[TrickledCandidate]:
        """The candidates of an id, which are then no longer kept."""
        self._expire()
        return self._store.pop(webrtc_id, (0.0, []))[1]

    def _expire(self) -> None:
        horizon = self._clock() - LIFETIME
        while self._store and next(iter(self._store.values()))[0] < horizon:
            self._store.popitem(last=False)
