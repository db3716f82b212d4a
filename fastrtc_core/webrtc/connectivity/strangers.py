"""Connections that have not passed a check yet: not many of them, and not for long.

Where there are too many, the one that has waited for longest goes. Whoever has a password sends its
check at once, and is in before those who open connections and keep them (as Slowloris does) have
filled the room anew.
"""

from __future__ import annotations

from .stun import TcpAddress

PATIENCE = 5.0
"""How long in s a connection may take to pass a check."""

MAX_STRANGERS = 512
"""How many there may be in all."""

MAX_EACH = 32
"""How many of one network: behind one address there may be a whole office."""


class Strangers:
    """Who has not passed a check yet.

    Args:
        patience: How long in s one may take.
        most: How many there may be.
        most_each: How many of one network.
    """

    def __init__(
        self,
        patience: float = PATIENCE,
        most: int = MAX_STRANGERS,
        most_each: int = MAX_EACH,
    ) -> None:
        self._patience = patience
        self._most = most
        self._most_each = most_each
        # In the order in which they came.
        self._since: dict[TcpAddress, tuple[float, str]] = {}
        self._by_network: dict[str, dict[TcpAddress, None]] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, one: TcpAddress) -> bool:
        return one in self._since

    def enter(self, one: TcpAddress, network: str, now: float) -> TcpAddress | None:
        """Somebody comes.

        Args:
            one: Its address.
            network: What belongs to one client: an address, or a network of IPv6.
            now: The time in s, no earlier than before.

        Returns:
            Who goes for it, if somebody must.
        """
        gone = None
        neighbours = self._by_network.get(network, {})
        if len(neighbours) >= self._most_each:
            gone = next(iter(neighbours))
        elif len(self._since) >= self._most:
            gone = next(iter(self._since))
        if gone is not None:
            self.leave(gone)
        self._since[one] = now, network
        self._by_network.setdefault(network, {})[one] = None
        return gone

    def leave(self, one: TcpAddress) -> None:
        """It is no stranger any more, or gone; idempotent."""
        if (entry := self._since.pop(one, None)) is None:
            return
        _, network = entry
        neighbours = self._by_network[network]
        del neighbours[one]
        if not neighbours:
            del self._by_network[network]

    def next_timeout(self) -> float | None:
        """When somebody's time is over, in s; `None` if nobody is here."""
        for since, _ in self._since.values():
            return since + self._patience
        return None

    def expire(self, now: float) -> list[TcpAddress]:
        """Have those go whose time is over; who they were."""
        gone = []
        for one, (since, _) in self._since.items():
            if since + self._patience > now:
                break
            gone.append(one)
        for one in gone:
            self.leave(one)
        return gone
