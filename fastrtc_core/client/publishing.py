"""Tracks that come and go while a client is connected; `webrtc.publishing` is the other side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, get_args

from ..errors import ConfigurationError, ConnectionFailedError, FastRTCError
from ..messages import Message, build_message
from ..tracks import LocalAudioTrack, LocalVideoTrack, Participant, Track, TrackSource
from ..webrtc.peer import Peer
from ..webrtc.publishing import KINDS

logger = logging.getLogger(__name__)

NEGOTIATION = frozenset({"negotiate", "answer", "unpublished"})
"""Types of the messages that are meant for this module."""

ANSWER_TIMEOUT = 10.0
"""How long in s the server may take to answer."""

MAX_REQUESTS = 8
"""Requests of the server that may wait; what is beyond is refused by silence."""


class _Published(NamedTuple):
    source: TrackSource
    track: LocalAudioTrack | LocalVideoTrack


class ClientPublisher:
    """What a client publishes beside microphone and camera, and what the server does.

    Args:
        peer: The connection.
        server: Gets the tracks of the server.
        send: Sends the text of a message.
    """

    def __init__(
        self, peer: Peer, server: Participant, send: Callable[[str], Awaitable[None]]
    ) -> None:
        self._peer = peer
        self._server = server
        self._send = send
        self._published: dict[str, _Published] = {}
        """By mid."""
        self._received: dict[str, tuple[TrackSource, str]] = {}
        """What the server publishes, by `sid`: its source, and the section that carries it."""
        self._requests: asyncio.Queue[list[dict[str, Any]]] = asyncio.Queue(MAX_REQUESTS)
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._lock = asyncio.Lock()

    async def publish(self, track: LocalAudioTrack | LocalVideoTrack, source: TrackSource) -> None:
        """See `Client.publish_track`."""
        if source not in get_args(TrackSource):
            raise ConfigurationError(f"a source is one of {', '.join(get_args(TrackSource))}")
        if track.published or source in (other.source for other in self._published.values()):
            raise ConfigurationError(f"there is a track published as {source} already")
        await self._negotiate([_Published(source, track)])

    async def unpublish(self, track: LocalAudioTrack | LocalVideoTrack) -> None:
        """See `Client.unpublish_track`."""
        mids = [mid for mid, published in self._published.items() if published.track is track]
        for mid in mids:
            del self._published[mid]
            await self._peer.stop_sending(track)
            await self._negotiate()

    def take(self, message: Message) -> None:
        """Take a message of the server."""
        data = message.data if isinstance(message.data, dict) else {}
        if message.type == "answer":
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(data)
        elif message.type == "unpublished":
            self._forget(str(data.get("sid")))
        else:
            try:
                self._requests.put_nowait(_described(data.get("tracks")))
            except asyncio.QueueFull:
                logger.warning("the server asks for more tracks than this client can take")

    async def run(self) -> None:
        """Make room for what the server publishes, until cancelled."""
        while True:
            wanted = await self._requests.get()
            try:
                await self._negotiate(wanted=wanted)
            except FastRTCError as error:
                logger.warning("a track of the server is not received: %s", error)

    async def _negotiate(
        self, sends: Sequence[_Published] = (), wanted: Sequence[dict[str, Any]] = ()
    ) -> None:
        async with self._lock:
            sdp, sending, receiving = await self._peer.negotiation.offer_again(
                [one.track for one in sends], [one["kind"] for one in wanted]
            )
            self._published.update(zip(sending, sends, strict=True))
            described = dict(zip(receiving, wanted, strict=True))
            try:
                sids = {mid: one["sid"] for mid, one in described.items()}
                answer = await self._exchange(sdp, sids)
                arrived = await self._peer.negotiation.accept_again(answer)
            except BaseException:  # a section that was made for it serves the next one
                for mid, published in zip(sending, sends, strict=True):
                    self._published.pop(mid, None)
                    await self._peer.stop_sending(published.track)
                raise
            for mid, one in described.items():
                track = arrived.get(mid) or self._peer.sections.renew(mid)
                if track is not None:
                    self._welcome(mid, track, one)

    async def _exchange(self, sdp: str, receives: dict[str, str]) -> str:
        tracks = {
            mid: {"source": one.source, "name": one.track.name}
            for mid, one in self._published.items()
        }
        self._answer = asyncio.get_running_loop().create_future()
        offer = {"sdp": sdp, "tracks": tracks, "receives": receives}
        await self._send(build_message("offer", offer))
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                answer = await self._answer
        except TimeoutError:
            raise ConnectionFailedError("the server did not answer the offer") from None
        if not isinstance(answer.get("sdp"), str):
            raise ConnectionFailedError(f"the server refused: {answer.get('error')}")
        return str(answer["sdp"])

    def _welcome(self, mid: str, track: Track[Any], described: dict[str, Any]) -> None:
        track.name = str(described.get("name", ""))
        source: TrackSource = described["source"]
        self._server.publish(source, track)
        self._received[described["sid"]] = source, mid

    def _forget(self, sid: str) -> None:
        source, mid = self._received.pop(sid, (None, ""))
        track = self._server.tracks.get(source) if source else None
        if source is not None and track is not None:
            self._server.unpublish(source)
            track.end()
        self._peer.sections.release(mid)


def _described(tracks: Any) -> list[dict[str, Any]]:
    """What the server asks for, as far as it can be understood."""
    return [
        one
        for one in (tracks if isinstance(tracks, list) else ())
        if isinstance(one, dict)
        and isinstance(one.get("sid"), str)
        and one.get("source") in get_args(TrackSource)
        and one.get("kind") == KINDS[one["source"]]
    ]
