"""Candidates that come on their own, before their offer or after its answer."""

from __future__ import annotations

import time
from collections.abc import Set
from typing import Any

from ..errors import MalformedCandidateError
from ..webrtc.peer import Peer
from ..webrtc.sdp.limits import MAX_CANDIDATES
from .bodies import TrickledCandidate
from .early import EarlyCandidates


class Trickling:
    """Hands candidates to the peers that they are for."""

    def __init__(self) -> None:
        self._early = EarlyCandidates(time.monotonic)
        self._answered: dict[str, _Answered] = {}

    @property
    def peers(self) -> dict[str, Peer]:
        """Those that have answered, by the id of their session."""
        return {id: answered.peer for id, answered in self._answered.items()}

    def ufrags(self, id: str) -> Set[str]:
        """The ICE user names of the offer of a session; none where it has not been answered."""
        answered = self._answered.get(id)
        return frozenset() if answered is None else answered.current()

    async def take(self, trickled: TrickledCandidate) -> None:
        """Hand a candidate on, or keep it for its offer.

        Raises:
            MalformedCandidateError: If it belongs to another offer, or there are too many.
        """
        answered = self._answered.get(trickled.webrtc_id)
        if answered is None:
            self._early.add(trickled)
        else:
            await answered.add(trickled)

    def early_bodies(self, id: str) -> list[Any]:
        """What clients sent here of a session whose offer has not come here, as they sent it."""
        return [early.body for early in self._early.of(id) if early.body is not None]

    def forget(self, trickled: TrickledCandidate) -> None:
        """Keep a candidate no longer for an offer that may come here."""
        self._early.take(trickled.webrtc_id, {trickled.ufrag})

    async def begin(self, id: str, peer: Peer, ufrags: Set[str]) -> None:
        """A peer has answered: hand it what came early, and from now on what comes.

        Args:
            id: Of its session.
            peer: The peer.
            ufrags: The ICE user names of the offer.

        Raises:
            MalformedCandidateError: If there were too many.
        """
        answered = self._answered[id] = _Answered(peer, ufrags)
        for early in self._early.take(id, ufrags):
            await answered.add(early)

    def end(self, id: str, peer: Peer) -> None:
        """A peer takes no more; idempotent."""
        if (answered := self._answered.get(id)) is not None and answered.peer is peer:
            del self._answered[id]


class _Answered:
    """A peer that has answered, and the candidates that it was told since."""

    def __init__(self, peer: Peer, ufrags: Set[str]) -> None:
        self.peer = peer
        self._ufrags = ufrags
        self._counted: Set[str] = frozenset()
        self._count = 0

    def current(self) -> Set[str]:
        """The ICE user names that candidates may carry: of the offer, and of the latest restart."""
        return self._ufrags | self.peer.remote_ufrags

    async def add(self, trickled: TrickledCandidate) -> None:
        current = self.current()
        if trickled.ufrag is not None and trickled.ufrag not in current:
            raise MalformedCandidateError("the candidate belongs to another offer")
        if current != self._counted:  # ICE was restarted
            self._counted, self._count = current, 0
        self._count += 1
        if self._count > MAX_CANDIDATES:
            raise MalformedCandidateError(f"more than {MAX_CANDIDATES} candidates were sent")
        if trickled.candidate is not None:
            await self.peer.add_candidate(trickled.candidate)
