"""The one place of the tests that knows private names of streams, clients and engines.

For what no public name shows: the connection under a session, a socket without a server. What
`snapshot()` tells is asked of that.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import numpy as np
from aiortc import RTCPeerConnection
from numpy.typing import NDArray

from fastrtc_core import AudioSource, Stream
from fastrtc_core.channel import Grant, RtcEngine
from fastrtc_core.client import Client
from fastrtc_core.client.publishing import ClientPublisher
from fastrtc_core.registry import Registry
from fastrtc_core.session import Session
from fastrtc_core.webrtc.peer import Peer


def peers_of(stream: Stream) -> dict[str, Peer]:
    """The WebRTC peers of a stream, by the id of their session."""
    return stream._trickling.peers


def peer_of(stream: Stream) -> Peer:
    """The only WebRTC peer of a stream."""
    (peer,) = peers_of(stream).values()
    return peer


def connection_of(peer: Peer) -> RTCPeerConnection:
    """The connection of a peer."""
    return peer._pc


def publisher_of(client: Client) -> ClientPublisher:
    """What publishes the tracks of a client."""
    publisher = client._publisher
    assert publisher is not None
    return publisher


def client_peer(client: Client) -> Peer:
    """The peer of a client."""
    return publisher_of(client)._peer


def channel_of(client: Client) -> Any:
    """The message channel of a client, once it is open."""
    return client._channel


async def send_text(client: Client, text: str) -> None:
    """Send what no method of a client sends."""
    await client._send(text)


def registry_of(stream: Stream) -> Registry:
    """Who is connected to a stream."""
    return stream._registry


def session_of(stream: Stream, id: str) -> Session:
    """A session of a stream."""
    return registry_of(stream).session(id)


def serve_socket(stream: Stream, *args: Any, **options: Any) -> Coroutine[Any, Any, None]:
    """Serve a WebSocket, without a server."""
    return stream._sockets.serve(*args, **options)


def pull(source: AudioSource, count: int) -> NDArray[np.int16]:
    """What a track plays next, so many samples per channel."""
    return source._pull(count)


async def check_use(engine: RtcEngine, grant: Grant) -> None:
    """Use a token, as somebody does who comes in with it."""
    await engine._admission.use(grant)
