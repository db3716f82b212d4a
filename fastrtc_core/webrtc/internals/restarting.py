"""New ICE credentials for a connection that stands (RFC 8445 section 9).

DTLS, SRTP and all that flows know nothing of it: they go on over the old way until there is a new
one. aiortc itself never looks at the credentials of a later offer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiortc import RTCPeerConnection

from ...errors import NoIceRestartError, SessionGoneError
from ..connectivity.paths import Credentials
from .shared import SharedConnection


class IceRestart:
    """What the credentials of a later offer change: nothing, if they are those of before.

    From its making on this side is described with new credentials of its own; `commit` takes
    theirs, and `abandon` goes on as if nothing had been.

    Args:
        pc: The connection.
        theirs: The credentials of the other side by mid, those that count first: where sections
            share a transport, the others are ignored.

    Raises:
        NoIceRestartError: If they are new and the connection has ports of its own, where aioice
            cannot restart.
        SessionGoneError: If they are new and the connection has ended.
    """

    def __init__(self, pc: RTCPeerConnection, theirs: Mapping[str, tuple[str, str]]) -> None:
        self._restarting: list[SharedConnection] = []
        transports = dict(_transports(pc))
        changed: dict[Any, tuple[str, str]] = {}
        seen: set[Any] = set()
        for mid, credentials in theirs.items():
            transport = transports.get(mid)
            if transport is None or transport in seen:
                continue
            seen.add(transport)
            known = transport._connection
            if known.remote_username is None:
                continue  # it has not begun
            if credentials != (known.remote_username, known.remote_password):
                changed[transport] = credentials
        if not all(isinstance(one._connection, SharedConnection) for one in changed):
            raise NoIceRestartError(
                "ICE cannot be restarted: on this server each connection has UDP ports of its own "
                "(udp_port_range, or STUN and TURN servers of its own). Make a new connection"
            )
        if any(one._connection.ended for one in changed):
            raise SessionGoneError("the connection has ended: make a new one")
        for transport, credentials in changed.items():
            transport.iceGatherer._remote_candidates_end = False
            transport._connection.prepare_restart(Credentials(*credentials))
            self._restarting.append(transport._connection)

    def __bool__(self) -> bool:
        return bool(self._restarting)

    def commit(self) -> None:
        """The other side is told: begin anew."""
        for connection in self._restarting:
            connection.restart()

    def abandon(self) -> None:
        """The other side is not told: nothing was."""
        for connection in self._restarting:
            connection.abandon_restart()


def local_credentials(pc: RTCPeerConnection) -> Credentials:
    """Those of this side, of a connection that has one transport; such as a restart begins with."""
    (transport,) = set(dict(_transports(pc)).values())
    parameters = transport.iceGatherer.getLocalParameters()
    return Credentials(parameters.usernameFragment, parameters.password)


def remote_ufrags(pc: RTCPeerConnection) -> frozenset[str]:
    """The user name fragments of the other side, once ICE has begun."""
    names = (transport._connection.remote_username for _, transport in _transports(pc))
    return frozenset(name for name in names if name)


def _transports(pc: RTCPeerConnection) -> Iterator[tuple[str, Any]]:
    """The ICE transport of each section."""
    for transceiver in pc.getTransceivers():
        if transceiver.mid is not None:
            yield transceiver.mid, transceiver.receiver.transport.transport
    if pc.sctp is not None:
        yield str(pc.sctp.mid), pc.sctp.transport.transport
