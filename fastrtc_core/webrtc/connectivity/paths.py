"""What an ICE agent knows of the ways to the other side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from .stun import Address, TcpAddress

HOST_PREFERENCE = 126
"""Type preference of a host candidate (RFC 8445 section 5.1.2.2)."""

REFLEXIVE_PREFERENCE = 110
"""Type preference of a peer-reflexive one, for the PRIORITY of a check (section 7.1.1)."""

TCP_PREFERENCE = 90
"""Of a host candidate of TCP: below all of UDP but relays, so that UDP is preferred where it works
(RFC 6544 section 4.2)."""

REFLEXIVE_TCP_PREFERENCE = 80
"""Of a peer-reflexive one of TCP."""

PASSIVE = 4
"""Direction preference of a host candidate that accepts connections (RFC 6544 section 4.2)."""


class Credentials(NamedTuple):
    """User name fragment and password of one side (RFC 8445 section 5.3)."""

    ufrag: str
    password: str


class Base(NamedTuple):
    """A socket of this side: its address, and the priority of its host candidate."""

    address: Address
    priority: int

    @property
    def passive(self) -> bool:
        """Whether it accepts connections, and begins none (RFC 6544 section 4.1)."""
        return isinstance(self.address, TcpAddress)


class RemoteCandidate(NamedTuple):
    """A candidate that the other side has named."""

    address: Address
    priority: int


class PairState(Enum):
    """Of a candidate pair (RFC 8445 section 6.1.2.6), but for frozen ones: there is one stream."""

    WAITING = "waiting"
    CHECKING = "checking"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(eq=False)
class Path:
    """A candidate pair: one of our sockets, and one address of the other side.

    Attributes:
        base: Our socket.
        remote: Their address.
        remote_priority: Of their candidate, named or learnt from a check.
        state: Of our own checks.
        heard: When an authenticated check of theirs came last, in s.
        answered: When a check of ours was answered last, in s. Only this shows that whoever is
            there knows what we send: the source of a check can be forged.
        wanted: Whether they have nominated it.
        flagged: Whether their latest check has nominated it.
        lively: Whether a check came since another path was nominated.
        asked: Checks sent there before anything came from there.
    """

    base: Base
    remote: Address
    remote_priority: int
    state: PairState = PairState.WAITING
    heard: float | None = None
    answered: float | None = None
    wanted: bool = False
    flagged: bool = False
    lively: bool = False
    asked: int = 0

    @property
    def trusted(self) -> bool:
        """Whether what comes from there may be theirs (RFC 8445 section 11)."""
        return self.heard is not None or self.answered is not None

    def priority(self, controlling: bool) -> int:
        """Of the pair (RFC 8445 section 6.1.2.3)."""
        ours, theirs = self.base.priority, self.remote_priority
        of_controlling, of_controlled = (ours, theirs) if controlling else (theirs, ours)
        low, high = sorted((ours, theirs))
        return (low << 32) + 2 * high + (of_controlling > of_controlled)


@dataclass(eq=False)
class Check:
    """A check that was sent and may still be answered."""

    path: Path
    generation: Generation
    request: bytes
    controlling: bool
    nominating: bool
    sent: float
    due: float
    """When it is sent again, or has failed."""
    timeout: float
    left: int
    """How often it may be sent again."""


@dataclass(eq=False)
class Generation:
    """What belongs to one pair of credentials; a restart begins another one."""

    local: Credentials
    remote: Credentials | None = None
    paths: dict[tuple[Address, Address], Path] = field(default_factory=dict)
    """By the address of our socket, and theirs."""
    named: dict[Address, int] = field(default_factory=dict)
    """The candidates that the other side has named, and that may be checked."""
    asked: int = 0
    """Checks sent to addresses from which nothing has come."""
    asked_bytes: int = 0
    first_answer: float | None = None


def host_priority(rank: int) -> int:
    """The priority of a host candidate, by the rank of its address; 0 is the preferred one."""
    return HOST_PREFERENCE << 24 | max(0, 65535 - rank) << 8 | 255


def passive_priority(rank: int) -> int:
    """The priority of a host candidate of TCP that accepts connections (RFC 6544 section 4.2)."""
    return TCP_PREFERENCE << 24 | (PASSIVE << 13 | max(0, 8191 - rank)) << 8 | 255


def check_priority(base: Base) -> int:
    """The priority of what a check from this socket would reveal."""
    preference = REFLEXIVE_TCP_PREFERENCE if base.passive else REFLEXIVE_PREFERENCE
    return preference << 24 | base.priority & 0xFFFFFF


MayCheck = Callable[[str, int], bool]
"""Whether checks may go to a candidate of the other side, by its host and port."""
