"""The gate before an ICE agent: whose datagrams come in, and to whom checks go out.

aioice hands whatever is no STUN to DTLS, from any address and through a queue without a bound, and
sends checks to every address that the other side names. Behind this gate only the addresses that
have passed an authenticated connectivity check are heard (RFC 8445 section 11, RFC 7675 section
5.1), and a candidate that does not answer gets a few small packets.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aioice import Candidate, stun
from aioice.ice import CandidatePair, Connection, StunProtocol

logger = logging.getLogger(__name__)

MAX_WAITING = 1 << 20
"""Bytes that may wait to be read, those that Python adds to each datagram included."""

MAX_TRUSTED = 32
"""Addresses of one client that are heard; then the one that came first is forgotten."""

MAX_CANDIDATES = 128
"""Candidates of the other side that are remembered in all."""

MAX_CHECKED = 16
"""Candidates named by the other side that are checked; a browser names two to ten."""

MAX_CHECKS_EACH = 3
"""Checks to one candidate that has not answered, from each local address."""

MAX_CHECKS = 32
"""Checks that nobody has answered, in all."""

MAX_CHECK_BYTES = 4096
"""Bytes of these: the other side chooses how long its user name is, which stands in each."""

MAX_RECORD = 1516
"""Bytes of a DTLS record after the handshake; aiortc reads up to 1,500 bytes of its content."""

_OVERHEAD = 128
_TURN = 16
"""Datagrams that are read without a pause, before the event loop serves others."""

_DTLS_HEADER = 13

MayCheck = Callable[[str, int, Sequence[str]], bool]
"""Whether checks may go to a candidate: its address and port, and the addresses of this side."""


class PacketIntake:
    """Takes what comes from an address of the other side, and has it wait for its reader.

    Args:
        dtls: The transport that reads.

    Attributes:
        routes: Who takes the RTP packets of a source past aiortc, by the SSRC as it stands in a
            packet.
        heard: Authenticated packets that have come, other than RTP.
        dropped: How many datagrams, candidates and checks were dropped, by reason.
    """

    def __init__(self, dtls: Any) -> None:
        self.routes: dict[bytes, Callable[[bytes], None]] = {}
        self.heard = 0
        self.dropped: Counter[str] = Counter()
        self._dtls = dtls
        self._inbox = _Inbox(self.dropped)
        self._elsewhere: Counter[str] = Counter()

    def take(self, data: bytes) -> None:
        """Take a datagram that is no STUN."""
        try:
            if (take := self.routes.get(data[8:12])) and _is_rtp(data):
                take(data)
            else:
                self._let_in(data)
        except Exception as error:
            self.note_damage(error)

    async def get(self) -> bytes | None:
        """The next one for aiortc; `None` at the end."""
        item = await self._inbox.get()
        return None if item is None else item[0]

    def end(self) -> None:
        """Nothing comes any more."""
        self._inbox.put_nowait(None)

    def count(self, dropped: Counter[str]) -> None:
        """Count what is dropped elsewhere as well."""
        self._elsewhere = dropped

    def all_dropped(self) -> Counter[str]:
        """What was dropped here and elsewhere."""
        return self.dropped + self._elsewhere

    def watch_sockets(self) -> None:
        """Nothing to do, where a datagram comes here because it is for this transport."""

    def note_damage(self, error: Exception) -> None:
        """What aiortc and aioice raise beyond `ValueError` would end up in the event loop."""
        self.dropped["damaged datagrams"] += 1
        logger.info("a damaged datagram was dropped", exc_info=error)

    def _let_in(self, data: bytes) -> None:
        if 20 <= data[0] < 32 and self._dtls.encrypted:
            # aiortc reads one record for each datagram: a second one, or the rest of a long one,
            # would stay in OpenSSL, where nothing bounds what waits.
            for record in _records(data):
                if len(record) <= MAX_RECORD:
                    self._inbox.put_nowait((record, 1))
                else:
                    self.dropped["long DTLS records"] += 1
        else:
            self._inbox.put_nowait((data, 1))


class Gate(PacketIntake):
    """Stands between the sockets of one DTLS transport of aioice and those who read from them.

    Args:
        dtls: A transport that has not connected yet.
        may_check: Which candidates of the other side may be checked; `None` for all, as often as
            ICE likes.

    Attributes:
        trusted: The addresses that have passed a check, oldest first.
    """

    def __init__(self, dtls: Any, may_check: MayCheck | None) -> None:
        super().__init__(dtls)
        self.trusted: dict[tuple[str, int], None] = {}
        self._may_check = may_check
        self._ice: Connection = dtls.transport._connection
        self._checked: set[tuple[str, int]] = set()
        self._asked: Counter[tuple[int, tuple[str, int]]] = Counter()
        self._asked_bytes = 0
        ice: Any = self._ice
        self._check_incoming = ice.check_incoming
        self._check_complete = ice.check_complete
        self._pair = ice._pair_remote_candidate
        self._add = ice._add_remote_candidate
        ice._queue = self._inbox
        # Called with what is no STUN; by then the gate has taken what it lets in.
        ice.data_received = self._discard
        ice.check_incoming = self._take_check
        ice.check_complete = self._complete_check
        ice._add_remote_candidate = self._add_candidate
        if may_check is not None:
            ice._pair_remote_candidate = self._pair_candidate
            # The client's own checks may reveal an address of it at any time (RFC 8445 section
            # 7.3.1.3), whatever became of the candidates that it named.
            ice._remote_candidates_expected = lambda: True

    def watch_sockets(self) -> None:
        """Stand before the sockets that there are; idempotent."""
        for protocol in self._ice._protocols:
            if "datagram_received" not in vars(protocol):
                self._watch(protocol)

    # What comes in

    def _watch(self, protocol: Any) -> None:
        take_stun, send_stun = protocol.datagram_received, protocol.send_stun
        trusted, routes = self.trusted, self.routes

        def datagram_received(data: bytes, address: Any) -> None:
            try:
                if not data or data[0] < 4:  # STUN (RFC 7983 section 7)
                    take_stun(data, address)
                elif address[:2] not in trusted:
                    self.dropped["datagrams of strangers"] += 1
                elif (take := routes.get(data[8:12])) and _is_rtp(data):
                    take(data)
                else:
                    self._let_in(data)
            except Exception as error:
                self.note_damage(error)

        def send(message: stun.Message, address: tuple[str, int]) -> None:
            if message.message_class != stun.Class.REQUEST or self._may_ask(
                protocol.id, message, address
            ):
                send_stun(message, address)

        protocol.datagram_received = datagram_received
        protocol.send_stun = send

    def _discard(self, data: bytes, component: int) -> None:
        self.dropped["datagrams of strangers"] += 1

    # Checks

    def _take_check(self, message: stun.Message, address: tuple[str, int], protocol: Any) -> None:
        """Take a check whose message integrity was found valid."""
        if "PRIORITY" not in message.attributes:
            return
        self.heard += 1
        if address not in self.trusted:
            self._trust(address)
            for pair in self._ice._check_list:
                # Requests may have been lost before the other side was ready: begin anew (RFC 8445
                # section 7.3.1.4). A lite agent was ready, and aioice nominates once alone.
                if (
                    not self._ice.remote_is_lite
                    and pair.protocol is protocol
                    and pair.remote_addr == address
                    and pair.state == CandidatePair.State.IN_PROGRESS
                    and pair.task is not None
                ):
                    pair.task.cancel()
                    pair.task = None
                    pair.state = CandidatePair.State.WAITING
        self._check_incoming(message, address, protocol)

    def _complete_check(self, pair: CandidatePair) -> None:
        if pair.state == CandidatePair.State.SUCCEEDED and pair.remote_addr not in self.trusted:
            self._trust(pair.remote_addr)
        self._check_complete(pair)

    def _trust(self, address: tuple[str, int]) -> None:
        if len(self.trusted) >= MAX_TRUSTED:
            in_use = {pair.remote_addr for pair in self._ice._nominated.values()}
            self._forget(next(old for old in self.trusted if old not in in_use))
        self.trusted[address] = None

    def _forget(self, address: tuple[str, int]) -> None:
        ice = self._ice
        del self.trusted[address]
        for pair in [pair for pair in ice._check_list if pair.remote_addr == address]:
            if pair.task is not None:
                pair.task.cancel()
            ice._check_list.remove(pair)
        ice._remote_candidates = [
            candidate
            for candidate in ice._remote_candidates
            if (candidate._network_host, candidate.port) != address
        ]

    def _add_candidate(self, candidate: Candidate, host: str) -> None:
        if len(self._ice._remote_candidates) < MAX_CANDIDATES:
            self._add(candidate, host)
        else:
            self.dropped["candidates"] += 1

    def _pair_candidate(self, candidate: Candidate) -> None:
        """Form pairs with a candidate, and so check it, from where it may be checked."""
        address = candidate._network_host, candidate.port
        ice = self._ice
        if address in self.trusted or not ice._protocols:  # no sockets yet: asked again then
            self._pair(candidate)
            return
        allowed = [protocol for protocol in ice._protocols if self._may_reach(protocol, address)]
        if not allowed or (address not in self._checked and len(self._checked) >= MAX_CHECKED):
            self.dropped["candidates"] += 1
            return
        self._checked.add(address)
        everything, ice._protocols = ice._protocols, allowed
        try:
            self._pair(candidate)
        finally:
            ice._protocols = everything

    def _may_reach(self, protocol: StunProtocol, address: tuple[str, int]) -> bool:
        """Whether a candidate may be checked from a socket, or from a relay.

        A check from a relay leaves from where that is, and reaches what lies beside it, not what
        lies beside this machine.
        """
        assert self._may_check is not None
        local = protocol.local_candidate
        if local.type == "relay":
            return self._may_check(*address, [local.host])
        own = [one.host for one in self._ice._local_candidates if one.type == "host"]
        return self._may_check(*address, own)

    def _may_ask(self, socket: int, request: stun.Message, address: tuple[str, int]) -> bool:
        if self._may_check is None or address in self.trusted:
            return True
        size = len(bytes(request))
        if (
            self._asked[socket, address] >= MAX_CHECKS_EACH
            or self._asked.total() >= MAX_CHECKS
            or self._asked_bytes + size > MAX_CHECK_BYTES
        ):
            self.dropped["checks"] += 1
            return False
        self._asked[socket, address] += 1
        self._asked_bytes += size
        return True


def gate_of(dtls: Any) -> PacketIntake:
    """The gate before a DTLS transport of a connection that is guarded."""
    gate: PacketIntake = dtls._fastrtc_gate
    return gate


class _Inbox(asyncio.Queue[tuple[bytes, int] | None]):
    """Datagrams that wait for aiortc: up to `MAX_WAITING` bytes of them; the newest are dropped."""

    def __init__(self, dropped: Counter[str]) -> None:
        super().__init__()
        self._dropped = dropped
        self._bytes = 0
        self._read = 0

    def put_nowait(self, item: tuple[bytes, int] | None) -> None:
        if item is not None:
            size = len(item[0]) + _OVERHEAD
            if self._bytes + size > MAX_WAITING:
                self._dropped["datagrams that had to wait"] += 1
                return
            self._bytes += size
        super().put_nowait(item)

    def get_nowait(self) -> tuple[bytes, int] | None:
        item = super().get_nowait()
        if item is not None:
            self._bytes -= len(item[0]) + _OVERHEAD
        return item

    async def get(self) -> tuple[bytes, int] | None:
        # Taking what is there already does not let others run, however much it is.
        self._read += 1
        if self._read % _TURN == 0:
            await asyncio.sleep(0)
        return await super().get()


def _is_rtp(data: bytes) -> bool:
    """Whether it is RTP, and no RTCP, by the first two bytes (RFC 7983 §7, RFC 5761 §4)."""
    return 128 <= data[0] < 192 and not 192 <= data[1] < 224


def _records(data: bytes) -> Iterator[bytes]:
    """The DTLS records of a datagram (RFC 6347 section 4.1)."""
    start = 0
    while start + _DTLS_HEADER <= len(data):
        header = data[start : start + _DTLS_HEADER]
        end = start + _DTLS_HEADER + int.from_bytes(header[11:13])
        yield data[start:end]
        start = end
