"""Candidates that arrive before their offer: kept for a while, and within bounds."""

from __future__ import annotations

import pytest

from fastrtc_core.signaling.bodies import TrickledCandidate
from fastrtc_core.signaling.early import LIFETIME, MAX_EARLY, MAX_SESSIONS, EarlyCandidates
from fastrtc_core.webrtc.sdp.candidates import parse_candidate


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> EarlyCandidates:
    return EarlyCandidates(clock)


def candidate(id: str, name: str = "0", ufrag: str | None = "ours") -> TrickledCandidate:
    address = parse_candidate("candidate:1 1 udp 1 10.0.0.1 5000 typ host")
    assert address is not None
    address.sdpMid = name
    return TrickledCandidate(id, address, ufrag)


def names(candidates: list[TrickledCandidate]) -> list[str | None]:
    """What tells the candidates apart: their section stands for them."""
    return [trickled.candidate.sdpMid for trickled in candidates if trickled.candidate]


OURS = frozenset({"ours"})


def test_candidates_are_given_once_and_in_order(store: EarlyCandidates) -> None:
    """`take` returns what came for an offer, and keeps nothing of it."""
    for number in range(3):
        store.add(candidate("a", str(number)))
    store.add(candidate("b"))
    assert names(store.take("a", OURS)) == ["0", "1", "2"]
    assert store.take("a", OURS) == []
    assert len(store) == 1


def test_an_unknown_id_has_none(store: EarlyCandidates) -> None:
    """Most offers come before their candidates."""
    assert store.take("a", OURS) == []
    assert len(store) == 0


def test_strangers_cannot_spoil_an_offer(store: EarlyCandidates) -> None:
    """Candidates for the same id under another user name stay out of it, however many they are."""
    for number in range(2 * MAX_EARLY):
        store.add(candidate("a", str(number), ufrag="theirs"))
    store.add(candidate("a", "mine"))
    assert names(store.take("a", OURS)) == ["mine"]


def test_candidates_without_a_user_name_come_last(store: EarlyCandidates) -> None:
    """Old clients name none: their candidates are taken, after those that surely belong."""
    for _ in range(MAX_EARLY):
        store.add(candidate("a", "anonymous", ufrag=None))
    store.add(candidate("a", "mine"))
    taken = names(store.take("a", OURS))
    assert taken[0] == "mine"
    assert taken.count("anonymous") == MAX_EARLY - 1
    assert len(store) == 0


def test_an_offer_may_have_several_user_names(store: EarlyCandidates) -> None:
    """Sections that are not bundled have credentials of their own."""
    store.add(candidate("a", "1", ufrag="one"))
    store.add(candidate("a", "2", ufrag="two"))
    assert sorted(map(str, names(store.take("a", {"one", "two"})))) == ["1", "2"]


def test_candidates_expire(store: EarlyCandidates, clock: Clock) -> None:
    """What nobody asks for in time is forgotten; later candidates do not keep it alive."""
    store.add(candidate("a", "first"))
    clock.now += LIFETIME - 1
    store.add(candidate("a", "second"))
    store.add(candidate("b", "third"))
    assert len(store) == 2
    clock.now += 1
    assert len(store) == 2
    clock.now += 0.5
    assert len(store) == 1
    assert store.take("a", OURS) == []
    assert names(store.take("b", OURS)) == ["third"]


def test_an_expired_id_may_come_again(store: EarlyCandidates, clock: Clock) -> None:
    """A retry with the same id starts with a store of its own."""
    store.add(candidate("a", "stale"))
    clock.now += LIFETIME + 1
    store.add(candidate("a", "fresh"))
    assert names(store.take("a", OURS)) == ["fresh"]


def test_one_offer_keeps_a_bounded_number(store: EarlyCandidates) -> None:
    """Beyond the bound the newest are dropped: the first ones are the hosts."""
    for number in range(MAX_EARLY + 10):
        store.add(candidate("a", str(number)))
    assert names(store.take("a", OURS)) == [str(k) for k in range(MAX_EARLY)]


def test_the_number_of_offers_is_bounded(store: EarlyCandidates) -> None:
    """Beyond the bound the oldest is forgotten, however many come."""
    for number in range(MAX_SESSIONS + 10):
        store.add(candidate(str(number), "x"))
        assert len(store) <= MAX_SESSIONS
    assert store.take("9", OURS) == []
    assert len(store.take("10", OURS)) == 1
    assert len(store.take(str(MAX_SESSIONS + 9), OURS)) == 1
