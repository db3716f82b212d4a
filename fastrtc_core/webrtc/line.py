"""What joins an ICE agent, and the ports that it shares with others."""

from __future__ import annotations

import asyncio
import errno
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from .connectivity.agent import Agent, Expired, Forgotten, Selected, Transmit, Trusted
from .connectivity.paths import Base
from .connectivity.stun import Address, Attribute, Class, StunMessage, TcpAddress
from .sockets import PortNumber

logger = logging.getLogger(__name__)


class SharedPort(ABC):
    """A port with all who use it.

    Attributes:
        loop: The event loop that it belongs to.
        bases: Its sockets, the preferred one first.
        claims: Which agent waits for the answer to which check.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.bases: list[Base] = []
        self.claims: dict[bytes, Agent] = {}
        self._by_ufrag: dict[str, Line] = {}
        self._by_agent: dict[Agent, Line] = {}
        self._dropped: Counter[str] = Counter()

    def follow(self, addresses: Sequence[str]) -> None:
        """Have a socket on each of these addresses, and name no others from now on.

        A machine may get and lose addresses while sessions keep the port open. An address on which
        the port is taken is left out.

        Raises:
            OSError: If none is left.
        """
        known = {address[0] for address in self._addresses()}
        for address in addresses:
            if address not in known:
                try:
                    self._open(address)
                except OSError as error:
                    logger.info("%s is left out: %s", address, error)
        ranks = {address: rank for rank, address in enumerate(addresses)}
        mine = [address for address in self._addresses() if address[0] in ranks]
        if not mine:
            raise OSError(errno.EADDRNOTAVAIL, "none of the addresses of this machine can be used")
        mine.sort(key=lambda address: ranks[address[0]])
        self.bases = [Base(address, self._priority(rank)) for rank, address in enumerate(mine)]

    def serves(self, ufrag: str) -> bool:
        """Whether checks with this user name belong to somebody."""
        return ufrag in self._by_ufrag

    def join(self, line: Line) -> None:
        """Serve one more."""
        self._by_agent[line.agent] = line
        self.rename(line)

    def rename(self, line: Line) -> None:
        """Take the user names that its agent has by now for its own, and no others."""
        for ufrag in [ufrag for ufrag, other in self._by_ufrag.items() if other is line]:
            del self._by_ufrag[ufrag]
        self._by_ufrag.update(dict.fromkeys(line.agent.ufrags, line))

    def leave(self, line: Line) -> None:
        """Serve it no longer; the last one closes the port. Idempotent."""
        if self._by_agent.pop(line.agent, None) is None:
            return
        for ufrag in [ufrag for ufrag, other in self._by_ufrag.items() if other is line]:
            del self._by_ufrag[ufrag]
        self.close_if_unused()

    def close_if_unused(self) -> None:
        """Close it if there is nobody; idempotent."""
        if not self._by_agent:
            self._close()

    def _addressed(self, message: StunMessage) -> Line | None:
        """Whom a check, or the answer to one, is for."""
        if message.message_class is Class.REQUEST:
            ufrag = (message.text(Attribute.USERNAME) or "").partition(":")[0]
            return self._by_ufrag.get(ufrag)
        agent = self.claims.get(message.transaction)
        return None if agent is None else self._by_agent.get(agent)

    @abstractmethod
    def _addresses(self) -> Iterable[Address]:
        """Those of its sockets."""

    @abstractmethod
    def _open(self, address: str) -> None:
        """Open a socket on one more address; raises `OSError`."""

    @staticmethod
    @abstractmethod
    def _priority(rank: int) -> int:
        """That of a candidate, by the rank of its address."""

    @abstractmethod
    def claim(self, line: Line, address: Address, *, proven: bool) -> None:
        """Take what comes from an address for theirs, which has passed a check."""

    @abstractmethod
    def release(self, line: Line, address: Address) -> None:
        """Take nothing from an address any more, if it was theirs."""

    @abstractmethod
    def send(self, data: bytes, local: Address, destination: Address) -> None:
        """Send a datagram; dropped and counted where that cannot be."""

    @abstractmethod
    def _close(self) -> None:
        """Close the sockets; idempotent."""


def close_abandoned(
    ports: Mapping[tuple[asyncio.AbstractEventLoop, PortNumber], SharedPort],
) -> None:
    """Close the ports of event loops that were closed while somebody used them.

    Whoever did can leave no more; the sockets would stay open for as long as the process.
    """
    for (loop, _), port in list(ports.items()):
        if loop.is_closed():
            port._close()


class Line:
    """What joins an agent and its ports, until it leaves them.

    Args:
        agent: One with the bases of the ports, the claims of the first, and a user name that is
            free.
        ports: That of UDP, and that of TCP if there is one.
        take: Takes data from its addresses.
        changed: Called after the agent was given something, with whether that was a sign of life.

    Attributes:
        agent: The agent; whoever tells it something calls `settle` afterwards.
        take: Takes data from its addresses.
        changed: Told of what the agent was given.
        way: From which of our addresses data goes to which of theirs.
        expired: Whether the other side no longer consents.
    """

    def __init__(
        self,
        agent: Agent,
        ports: Sequence[SharedPort],
        take: Callable[[bytes], None],
        changed: Callable[[bool], None],
    ) -> None:
        self.agent = agent
        self.take = take
        self.changed = changed
        self.way: tuple[Address, Address] | None = None
        self.expired = False
        self._ports = tuple(ports)
        self._over = self._ports[0]
        """The port of the way."""
        self._loop = self._over.loop
        self._timer: asyncio.TimerHandle | None = None
        # uvloop's handle of a timer that is due already does not know when it was.
        self._due = 0.0
        for port in self._ports:
            port.join(self)

    def send(self, data: bytes) -> bool:
        """Send data the selected way; whether there is one."""
        if self.way is None:
            return False
        self._over.send(data, *self.way)
        return True

    def rename(self) -> None:
        """The agent has other user names: have the ports know them."""
        for port in self._ports:
            port.rename(self)

    def settle(self) -> None:
        """Send what the agent wants sent, note what has happened, and set its timer."""
        agent = self.agent
        while (event := agent.poll_event()) is not None:
            if isinstance(event, Trusted):
                self._port_of(event.address).claim(self, event.address, proven=event.proven)
            elif isinstance(event, Forgotten):
                self._port_of(event.address).release(self, event.address)
            elif isinstance(event, Selected):
                self.way = event.local, event.remote
                self._over = self._port_of(event.local)
                self.rename()  # after a restart, the old names are void
            elif isinstance(event, Expired):
                self.way, self.expired = None, True
        while (transmit := agent.poll_transmit()) is not None:
            self._transmit(transmit)
        due = agent.next_timeout()
        # A timer that is due earlier is left alone: it finds nothing to do, and sets itself anew.
        if due is not None and (self._timer is None or self._due > due):
            self._stop()
            self._due = due
            self._timer = self._loop.call_at(due, self._tick)

    def leave(self) -> None:
        """End, and leave the ports; idempotent."""
        self.agent.close()
        self.settle()
        self._stop()
        for port in self._ports:
            port.leave(self)

    def _transmit(self, transmit: Transmit) -> None:
        self._port_of(transmit.local).send(*transmit)

    def _port_of(self, address: Address) -> SharedPort:
        return self._ports[-1 if isinstance(address, TcpAddress) else 0]

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        # A timer may ring a little before its time.
        self.agent.handle_timeout(self._loop.time() + 1e-3)
        self.settle()
        self.changed(False)
