"""Where a peer is in its life."""

from __future__ import annotations

import enum


class PeerState(enum.Enum):
    """Where a peer is in its life."""

    NEW = "new"
    """It was made; neither side has offered."""
    OFFERED = "offered"
    """This side has offered, and waits for the answer."""
    CONNECTING = "connecting"
    """Both sides have said what they want; ICE and DTLS are on their way."""
    CONNECTED = "connected"
    """The connection stands."""
    FAILED = "failed"
    """It could not be made, or was lost."""
    CLOSED = "closed"
    """Either side has closed it."""


MAY_FOLLOW = {
    PeerState.NEW: {PeerState.OFFERED, PeerState.CONNECTING, PeerState.CLOSED},
    PeerState.OFFERED: {PeerState.CONNECTING, PeerState.FAILED, PeerState.CLOSED},
    PeerState.CONNECTING: {PeerState.CONNECTED, PeerState.FAILED, PeerState.CLOSED},
    PeerState.CONNECTED: {PeerState.FAILED, PeerState.CLOSED},
    PeerState.FAILED: {PeerState.CLOSED},
    PeerState.CLOSED: set[PeerState](),
}
