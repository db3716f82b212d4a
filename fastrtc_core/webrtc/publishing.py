"""Tracks that come and go while a session stands: a screen, a second camera, a second voice.

Offers come from the client alone, so that two of them never cross. Where the server has something
to publish, it asks for an offer that has room for it:

    server  ─ negotiate {tracks: [{sid, kind, source, name}]} ─►  client
    client  ─ offer {sdp, tracks: {mid: {source, name}}, receives: {mid: sid}} ─►  server
    server  ─ answer {sdp}, or {error} ─►  client

Where the data channel does not get through any more, an offer that restarts ICE comes another way;
see `PeerPublisher.answer`.

`tracks` says what the client publishes besides its microphone and camera; what was there and is not
any more has ended.

A page that knows nothing of this adds and stops sections, too. One that is stopped ends what it
carried. One that is added and not named in `tracks` is the microphone or the camera, where the
session has none and its stream takes one; else it is rejected.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, NamedTuple, get_args

from ..errors import (
    ConfigurationError,
    ConnectionFailedError,
    FastRTCError,
    MalformedOfferError,
    OfferError,
    SessionGoneError,
)
from ..session import SOURCES, Medium, Session
from ..tracks import Track, TrackKind, TrackSource
from .flows import Flows
from .outlets import LocalTrack
from .peer import Peer
from .sdp.description import Description
from .sdp.media import MediaSection, choose
from .sdp.offers import Offer, read_offer
from .sdp.opus import force_stereo

logger = logging.getLogger(__name__)

PUBLISH_TIMEOUT = 10.0
"""How long in s a client may take to make room for a track."""

LEAD = 0.25
"""Time in s by which an answer is ahead of the first packet of a track that came with it. Firefox
hands packets that are there before the answer to another section of the kind, where that one has
had none so far, and then never to the right one."""

MAX_OFFERS = 8
"""Offers that may wait for their answer."""

MAX_NAME = 256
"""Characters of the name of a track."""


KINDS: dict[TrackSource, TrackKind] = {
    "microphone": "audio",
    "camera": "video",
    "screen_share": "video",
    "screen_share_audio": "audio",
}
"""Of which kind the track of each source is."""


class _Wanted(NamedTuple):
    """A track that waits for room."""

    track: LocalTrack
    described: dict[str, Any]
    done: asyncio.Future[None]


class _Waiting(NamedTuple):
    """An offer, and where its answer is awaited."""

    data: Any
    answered: asyncio.Future[str]


class Reoffer(NamedTuple):
    """An offer of a client that is connected.

    Attributes:
        offer: The offer.
        tracks: What the client publishes besides microphone and camera, by mid: source and name.
        receives: The sections that it made for a track of the server, by mid: its `sid`.
    """

    offer: Offer
    tracks: dict[str, tuple[TrackSource, str]]
    receives: dict[str, str]


def parse_reoffer(data: Any) -> Reoffer:
    """Read the data of an `offer`.

    Raises:
        MalformedOfferError: If it cannot be read.
    """
    if not isinstance(data, dict):
        raise MalformedOfferError("an offer must be an object")
    sdp = data.get("sdp")
    if not isinstance(sdp, str):
        raise MalformedOfferError("an offer must have an 'sdp' text")
    offer = read_offer(sdp)
    tracks, receives = data.get("tracks") or {}, data.get("receives") or {}
    if not isinstance(tracks, dict) or not isinstance(receives, dict):
        raise MalformedOfferError("tracks and receives must be objects")
    kinds = {section.mid: section.kind for section in offer.media}
    published: dict[str, tuple[TrackSource, str]] = {}
    for mid, described in tracks.items():
        described = described if isinstance(described, dict) else {}
        source: TrackSource | None = described.get("source")
        name = described.get("name", "")
        if source is None or source not in get_args(TrackSource):
            raise MalformedOfferError(f"a source is one of {', '.join(get_args(TrackSource))}")
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise MalformedOfferError(f"a name has up to {MAX_NAME} characters")
        if source in (other for other, _ in published.values()):
            raise MalformedOfferError(f"there are two tracks of the source {source}")
        published[mid] = source, name
    for mid, (source, _) in published.items():
        if kinds.get(mid) != KINDS[source]:
            raise MalformedOfferError(f"a {source} needs a section of {KINDS[source]}")
    if not all(isinstance(sid, str) for sid in receives.values()):
        raise MalformedOfferError("receives names each track by its sid")
    return Reoffer(offer, published, receives)


class PeerPublisher:
    """The server's side of it, for one session.

    Args:
        peer: The connection.
        session: What it connects.
        may_flow: What may flow in a session of its stream.
    """

    def __init__(self, peer: Peer, session: Session, may_flow: Flows) -> None:
        self._peer = peer
        self._negotiation = peer.negotiation
        self._sections = peer.sections
        self._session = session
        self._may_flow = may_flow
        self._wanted: dict[str, _Wanted] = {}
        self._offers: asyncio.Queue[_Waiting] = asyncio.Queue(MAX_OFFERS)
        self._ended = False
        self._published: dict[str, TrackSource] = {}
        """What the client publishes besides microphone and camera, by mid."""
        self._sent: dict[str, tuple[LocalTrack, TrackSource]] = {}
        """What the server publishes so, by `sid`."""
        session.tracks.publisher = self

    async def publish(self, track: LocalTrack, source: TrackSource) -> None:
        """See `StreamHandlerBase.publish_track`."""
        if track.published or track.sid in self._wanted:
            raise ConfigurationError(f"{track!r} is published already")
        described = {"sid": track.sid, "kind": track.kind, "source": source, "name": track.name}
        wanted = _Wanted(track, described, asyncio.get_running_loop().create_future())
        self._wanted[track.sid] = wanted
        await self._session.link.send_message(
            {"type": "negotiate", "data": {"tracks": [described]}}
        )
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                await wanted.done
        except TimeoutError:
            raise ConnectionFailedError("the client made no room for the track") from None
        finally:
            self._wanted.pop(track.sid, None)
        self._sent[track.sid] = track, source

    async def unpublish(self, track: LocalTrack) -> None:
        """See `StreamHandlerBase.unpublish_track`."""
        self._sent.pop(track.sid, None)
        if await self._peer.stop_sending(track):
            self._session.reporter.tell("unpublished", {"sid": track.sid})

    def take_offer(self, data: Any) -> None:
        """Take the data of an `offer` that has come over the data channel, and answer there."""
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        answered.add_done_callback(self._tell)
        self._queue(data, answered)

    async def answer(self, data: Any) -> str:
        """Answer the data of an `offer` that has come another way; returns the SDP.

        Raises:
            OfferError: If it is refused, or the session has ended.
        """
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._queue(data, answered)
        return await answered

    def leave(self) -> list[tuple[LocalTrack, TrackSource]]:
        """The connection is over: what the client publishes further has ended.

        Returns:
            What the server publishes, for `publish_again` of the next connection.
        """
        while self._published:
            _, source = self._published.popitem()
            self._session.tracks.remove(source)
        return list(self._sent.values())

    async def publish_again(self, tracks: list[tuple[LocalTrack, TrackSource]]) -> None:
        """Publish what was published on the connection before."""
        for track, source in tracks:
            try:
                await self.publish(track, source)
            except FastRTCError as error:
                logger.info("session %s: not published again: %s", self._session.id, error)

    async def run(self) -> None:
        """Answer offers until cancelled."""
        try:
            while True:
                await self._take(await self._offers.get())
        finally:
            self._ended = True
            while not self._offers.empty():
                _refuse(self._offers.get_nowait().answered, _gone())

    def _queue(self, data: Any, answered: asyncio.Future[str]) -> None:
        if self._ended:
            _refuse(answered, _gone())
            return
        try:
            self._offers.put_nowait(_Waiting(data, answered))
        except asyncio.QueueFull:
            _refuse(answered, MalformedOfferError("too many offers wait for their answer"))

    async def _take(self, waiting: _Waiting) -> None:
        answered = waiting.answered
        try:
            sdp, granted, own = await self._serve(parse_reoffer(waiting.data))
        except OfferError as error:
            _refuse(answered, error)
        except Exception as error:
            # aiortc says in many ways that it cannot serve an offer; see `Acceptor`.
            logger.info("session %s: an offer was refused", self._session.id, exc_info=error)
            _refuse(answered, MalformedOfferError(f"the offer cannot be answered: {error}"))
        except asyncio.CancelledError:
            _refuse(answered, _gone())
            raise
        else:
            if not answered.done():
                answered.set_result(sdp)
            await self._begin(granted, own)

    async def _begin(self, granted: list[_Wanted], own: list[LocalTrack]) -> None:
        """Send tracks whose answer is on its way."""
        if granted or own:
            await asyncio.sleep(LEAD)
        for track in own:
            self._sections.begin(track)
        for wanted in granted:
            self._sections.begin(wanted.track)
            if not wanted.done.done():
                wanted.done.set_result(None)

    async def _serve(self, reoffer: Reoffer) -> tuple[str, list[_Wanted], list[LocalTrack]]:
        for medium in await self._negotiation.retire(reoffer.offer.sdp):
            self._session.media.end_receiving(medium)
            await self._session.media.end_sending(medium)
        granted = {
            mid: self._wanted[sid] for mid, sid in reoffer.receives.items() if sid in self._wanted
        }
        further = {mid: wanted.track for mid, wanted in granted.items()}
        added = self._added(reoffer)
        own = {
            section.mid: self._session.begin_sending(_medium(section))
            for section in added
            if _medium(section) in self._missing_sends and section.direction != "sendonly"
        }
        receives = {
            section.mid: self._session.media.begin_receiving(_medium(section))
            for section in added
            if _medium(section) in self._missing_receives and section.direction != "recvonly"
        }
        try:
            sdp, arrived = await self._negotiation.answer_again(
                reoffer.offer.sdp, further | own, receives, self._unwanted(reoffer, added)
            )
        except BaseException:
            for local in own.values():
                local.published = False
            for track in receives.values():
                self._session.media.end_receiving(track.kind)
            raise
        for mid, track in receives.items():
            arrived.pop(mid, None)
            self._session.add_track(SOURCES[track.kind], track)
        self._note(reoffer, arrived)
        if self._session.handler.expected_layout == "stereo":
            answer = Description.parse(sdp)
            force_stereo(answer)
            sdp = str(answer)
        return sdp, list(granted.values()), list(own.values())

    @property
    def _missing_receives(self) -> set[Medium]:
        """Media that the handler takes, and that do not come in."""
        tracks = self._session.tracks
        there = {"audio": tracks.remote_audio, "video": tracks.remote_video}
        return {
            medium
            for medium in self._may_flow.receives
            if there[medium] is None and SOURCES[medium] not in tracks.participant.tracks
        }

    @property
    def _missing_sends(self) -> set[Medium]:
        """Media that the handler emits, and that have no way out."""
        tracks = self._session.tracks
        there = {"audio": tracks.local_audio, "video": tracks.local_video}
        return {
            medium
            for medium in self._may_flow.sends
            if (track := there[medium]) is None or not track.published
        }

    def _added(self, reoffer: Reoffer) -> list[MediaSection]:
        """Sections that bring the handler a medium, or take one from it, as none did before."""
        named = reoffer.tracks.keys() | reoffer.receives.keys()
        free = [
            section
            for section in reoffer.offer.media
            if section.mid not in named
            and (self._negotiation.carries(section.mid) or not self._negotiation.knows(section.mid))
        ]
        return list(choose(free, self._missing_receives, self._missing_sends).values())

    def _unwanted(self, reoffer: Reoffer, added: list[MediaSection]) -> set[str]:
        """New sections that nobody uses."""
        used = {section.mid for section in added} | reoffer.tracks.keys() | reoffer.receives.keys()
        return {
            section.mid
            for section in reoffer.offer.media
            if section.kind in ("audio", "video")
            and section.mid not in used
            and not self._negotiation.knows(section.mid)
        }

    def _note(self, reoffer: Reoffer, arrived: dict[str, Track[Any]]) -> None:
        """Bring what the participant publishes up to date."""
        for mid in [mid for mid in self._published if mid not in reoffer.tracks]:
            self._session.tracks.remove(self._published.pop(mid))
            self._sections.release(mid)
        for mid in arrived.keys() - reoffer.tracks.keys():
            self._sections.release(mid)
        for mid, (source, name) in reoffer.tracks.items():
            track = arrived.get(mid) or self._sections.renew(mid)  # a section that is used again
            if track is not None:
                track.name = name
                self._session.add_track(source, track)
                self._published[mid] = source

    def _tell(self, answered: asyncio.Future[str]) -> None:
        error = answered.exception()
        if isinstance(error, SessionGoneError):
            return
        said = {"sdp": answered.result()} if error is None else {"error": str(error)}
        self._session.reporter.tell("answer", said)


def _refuse(answered: asyncio.Future[str], error: OfferError) -> None:
    if not answered.done():  # else nobody waits any longer
        answered.set_exception(error)


def _gone() -> SessionGoneError:
    return SessionGoneError("the session has ended: make a new connection")


def _medium(section: MediaSection) -> Medium:
    return "audio" if section.kind == "audio" else "video"


async def answer_unchanged(peer: Peer, sdp: str) -> str:
    """Answer a later offer of a client that publishes nothing further; it may restart ICE.

    Raises:
        OfferError: If it is refused.
    """
    offer = read_offer(sdp)
    known = peer.negotiation.knows
    try:
        unwanted = {section.mid for section in offer.media if not known(section.mid)}
        answer, _ = await peer.negotiation.answer_again(offer.sdp, {}, {}, unwanted)
    except OfferError:
        raise
    except Exception as error:
        logger.info("an offer was refused", exc_info=error)
        raise MalformedOfferError(f"the offer cannot be answered: {error}") from None
    return answer
