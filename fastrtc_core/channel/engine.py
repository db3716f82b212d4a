"""`RtcEngine`: owns the channels of one process."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Self, cast, get_args

from ..cluster import Cluster
from ..cluster.bus import Bus
from ..context import Caller
from ..errors import (
    BusError,
    ConcurrencyLimitError,
    ConfigurationError,
    DuplicateSessionError,
    FastRTCError,
    MalformedCandidateError,
    MalformedOfferError,
    OfferError,
    TokenError,
    UnavailableError,
)
from ..messaging.naming import MAX_NAME, check_channel_name, check_user, is_unicode
from ..origins import OriginRule
from ..registry import ENTERING_PER_ADDRESS, Entering
from ..room.browser_member import BrowserMember
from ..room.grants import ALL_PERMISSIONS, Grant
from ..room.member import Member, MutedSource
from ..room.orders import Order, obey
from ..room.room import Room
from ..webrtc import ice
from ..webrtc.addresses import candidate_filter
from ..webrtc.negotiation import Flows, negotiate
from ..webrtc.peer import Peer
from ..webrtc.signaling import Envelope, Offer, parse_envelope, parse_offer
from .callbacks import Callbacks
from .channel import Channel
from .options import RtcOptions
from .owner import Leaver
from .snapshot import EngineSnapshot
from .tokens import ReplayGuard, check_token, identify_token

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.params import Depends

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT = 10.0
"""How long in s an answer may take."""


class RtcEngine:
    """Channels in which browsers, code of this process, and handlers meet.

    Use it as `async with RtcEngine(…) as engine:`, or `mount` it on an app, whose life it shares.

    Args:
        appid: Which application this is; tokens name it.
        appcert: The secret with which tokens are signed. With it, no browser joins without one.
        rtc_configuration: ICE servers of this side; see `Stream`.
        allowed_candidates: Networks in which clients may name candidates; see `Stream`.
        max_users: Users in one channel.
        max_channels: Channels at once.
        connecting_per_address: Browsers that one client address may be connecting at once; `None`
            for any number.
        bus: What links this server with others of the same application; by default it is alone.

    Raises:
        ConfigurationError: If the id of the application is empty.
    """

    def __init__(
        self,
        appid: str,
        appcert: str = "",
        *,
        rtc_configuration: ice.RtcConfigurationSource = None,
        allowed_candidates: Sequence[str] | None = None,
        max_users: int = 64,
        max_channels: int = 1000,
        connecting_per_address: int | None = ENTERING_PER_ADDRESS,
        bus: Bus | None = None,
    ) -> None:
        if not appid:
            raise ConfigurationError("an engine needs the id of its application: a text")
        self.appid = appid
        self._appcert = appcert
        self._starting = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None
        self._destroyed = False
        self._rtc_configuration = rtc_configuration
        self._may_check = candidate_filter(allowed_candidates)
        self._max_users = max_users
        self._max_channels = max_channels
        self._rooms: dict[str, Room] = {}
        self._replays = ReplayGuard()
        self._revoked = ReplayGuard()
        self._channels: set[Leaver] = set()
        self._entering: Counter[str] = Counter()
        """Who connects, by channel."""
        self._addresses = Entering(connecting_per_address)
        """The same, by address."""
        self._root: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()
        self._callbacks = Callbacks(self.own)
        self._cluster = None if bus is None else Cluster(appid, bus, self.own, self._obey)

    def __repr__(self) -> str:
        return f"<RtcEngine {self.appid!r}>"  # and never its secret

    # Its life

    @property
    def appcert(self) -> str:
        """The secret with which tokens are signed."""
        return self._appcert

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it runs on."""
        return self._running().get_loop()

    async def start(self) -> None:
        """Begin; idempotent. The first `connect` of a channel does so, too.

        Raises:
            ConfigurationError: If the bus runs already, or refuses the credentials.
        """
        async with self._starting:
            if self._root is not None:
                return
            self._destroyed = False
            self._stopping = asyncio.Event()
            started = asyncio.Event()
            self._root = asyncio.create_task(self._run(started), name="fastrtc-engine")
            await started.wait()
            try:
                if self._cluster is not None:
                    await self._cluster.start()
            except BaseException:
                await self.destroy()
                raise

    async def start_once(self) -> None:
        """Begin, if it has not ended before: whoever comes late does not revive it.

        Raises:
            ConfigurationError: If it was destroyed.
        """
        if self._destroyed:
            raise ConfigurationError("the engine was destroyed: start it again, or make another")
        await self.start()

    def destroy(self) -> Awaitable[None]:
        """End all channels and connections; await it to wait until they are gone. Idempotent."""
        if self._ending is not None and not self._ending.done():
            return self._ending
        self._destroyed = True
        if self._root is None:
            return _Done()
        self._ending = asyncio.create_task(self._destroy(), name="fastrtc-engine-end")
        return self._ending

    async def _destroy(self) -> None:
        for channel in tuple(self._channels):
            await channel.disconnect()
        self._stopping.set()
        root, self._root = self._root, None
        if root is not None:
            await root
        if self._cluster is not None:
            await self._cluster.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.destroy()

    async def _run(self, started: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            running: set[asyncio.Task[Any]] = set()
            self._owned = running
            started.set()
            await self._stopping.wait()
            for task in tuple(running):
                task.cancel()
        self._tasks = None

    # Members

    def create_channel(self, options: RtcOptions) -> Channel:
        """A member in this process; `connect` enters the channel."""
        return Channel(self, options)

    def grant(self, options: RtcOptions) -> Grant:
        """What a member in this process may do: everything; a uid is issued if it names none."""
        uid = options.uid or self._free_uid(options.channel_name)
        return Grant(options.channel_name, uid, ALL_PERMISSIONS, float("inf"), "")

    async def accept(
        self,
        body: Any,
        headers: Mapping[str, str] | None = None,
        *,
        address: str | None = None,
        **params: Any,
    ) -> dict[str, Any]:
        """Let a browser in; what `mount` does for each request.

        Args:
            body: An offer whose `params` have `channel`, and may have `uid`, `name` and `token`.
            headers: Of the request.
            address: The IP address of the client, for `connecting_per_address`.
            params: Such parameters in place of those of the offer: `uid=7, token=token`.

        Returns:
            The answer.

        Raises:
            OfferError: If it is refused.
        """
        envelope = parse_envelope(body)
        if not isinstance(envelope, Envelope):
            raise MalformedCandidateError("a channel takes whole offers: gather first")
        asked = {**envelope.params, **params}
        name = str(asked.get("name", ""))[:MAX_NAME]
        if not is_unicode(name):
            raise MalformedOfferError("the name of a user must be Unicode text")
        grant = self._admit(asked)
        self._check(grant)  # a full channel reads no SDP
        offer = parse_offer(envelope)
        flows = negotiate(offer, "audio-video", "send-receive", forwarded=True)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.own(self._serve(offer, flows, grant, name, address, answer))
        return await answer

    def mount(
        self,
        app: FastAPI,
        path: str = "/rtc",
        *,
        dependencies: Sequence[Depends] | None = None,
        origins: Sequence[str] | None = None,
        allowed_hosts: Sequence[str] | None = None,
    ) -> None:
        """Add the route for offers, `POST {path}/webrtc/offer`, and the browser client.

        The engine runs for as long as the app does.

        Args:
            app: The app.
            path: Prefix of the routes.
            dependencies: Dependencies of the routes; see `Stream.mount`.
            origins: Origins of further pages that may connect; see `Stream.mount`.
            allowed_hosts: Names of this server; see `Stream.mount`.

        Raises:
            ConfigurationError: If an origin or a name is none.
        """
        from ..door import Door
        from ..webrtc.routes import add_routes

        async def accept(body: Any, caller: Caller) -> dict[str, Any]:
            return await self.accept(body, caller.headers, address=caller.address)

        door = Door(OriginRule(origins, allowed_hosts), path, dependencies=dependencies)
        add_routes(door, accept, lambda: ice.resolve(self._rtc_configuration))
        door.open(app)
        app.router.lifespan_context = self._beside(app.router.lifespan_context)

    def room(self, name: str) -> Room:
        """The room of a channel, for somebody who joins it at once; made for who is the first.

        Raises:
            ConcurrencyLimitError: If there are too many channels, or it is full.
        """
        room = self._rooms.get(name)
        if room is None:
            if len(self._rooms) >= self._max_channels:
                raise ConcurrencyLimitError("there are too many channels", limit=self._max_channels)
            room = self._rooms[name] = Room(name, self._forget, self._max_users)
            if self._cluster is not None:
                room.link = self._cluster.link(room)
        if room.full:
            raise ConcurrencyLimitError(f"{name!r} is full", limit=self._max_users)
        return room

    def note(self, channel: Leaver, *, connected: bool) -> None:
        """Remember a member of this process while it is in its channel."""
        if connected:
            self._channels.add(channel)
        else:
            self._channels.discard(channel)

    # Order

    async def remove_user(self, channel: str, uid: int) -> None:
        """Have a user leave, on whichever server it is; the others are told `removed`.

        It may come back with another token: issue none, and revoke those that you have issued.

        Raises:
            BusError: If other servers cannot be told.
            ConfigurationError: If there cannot be such a channel or user.
        """
        check_user(channel, uid)
        self._order(Order("remove", channel, uid))

    async def mute_user(
        self, channel: str, uid: int, source: MutedSource = "microphone", muted: bool = True
    ) -> None:
        """Have nobody hear, or see, a user until you unmute it or it leaves; all are told.

        Raises:
            BusError: If other servers cannot be told.
            ConfigurationError: If there cannot be such a channel, user or source.
        """
        check_user(channel, uid)
        if source not in get_args(MutedSource):
            raise ConfigurationError(f"mute 'microphone' or 'camera', not {source!r}")
        self._order(Order("mute" if muted else "unmute", channel, uid, source))

    async def end_channel(self, channel: str) -> None:
        """Have everybody leave a channel, on all servers; whoever comes then finds it empty.

        Raises:
            BusError: If other servers cannot be told.
            ConfigurationError: If there cannot be such a channel.
        """
        check_channel_name(channel)
        self._order(Order("end", channel))

    async def revoke_token(self, token: str) -> None:
        """Let nobody in with a token from now on; whoever it has let in must leave.

        Raises:
            TokenError: If it is none of this app.
            BusError: If other servers cannot be told.
        """
        id, expires = identify_token(token, self.appid, self._appcert)
        grant = Grant("", 0, frozenset(), expires, id)
        # A token is used once: one that counts as used is good for nothing.
        self._replays.admit(grant, time.time())
        self._order(Order("revoke", detail=id))
        if self._cluster is not None:
            await self._cluster.claim(grant)

    async def renew(self, member: Member, room: Room, token: str) -> None:
        """See `Channel.renew_token`."""
        if not self._appcert:
            raise TokenError("there are no tokens without an appcert")
        grant = check_token(token, self.appid, self._appcert, channel=room.name, uid=member.uid)
        if grant.permissions != member.permissions:
            raise TokenError("the token has other permissions: join again with it")
        if grant.name not in ("", member.name):
            raise TokenError("the token has another name: join again with it")
        await self._check_use(grant)
        if room.members.get(member.uid) is member:
            room.renew(member, grant)

    def _renew_soon(self, member: BrowserMember, room: Room, token: str) -> None:
        async def renew() -> None:
            try:
                await self.renew(member, room, token)
            except FastRTCError as error:
                member.note_renewal(error)
            else:
                member.note_renewal(None)

        self.own(renew())

    def _order(self, order: Order) -> None:
        self._obey(order)
        if self._cluster is not None:
            self._cluster.order(order)

    def _obey(self, order: Order) -> None:
        if order.kind == "revoke":  # whoever is connecting with it does not come in, either
            forever = Grant("", 0, frozenset(), float("inf"), order.detail)
            self._revoked.admit(forever, time.time())
        obey(order, self._rooms)

    def snapshot(self) -> EngineSnapshot:
        """What goes on now; called on its event loop, for tests and monitoring."""
        return EngineSnapshot(
            running=self._root is not None,
            channels={name: room.snapshot() for name, room in self._rooms.items()},
            connecting=dict(+self._entering),
            tasks=0 if self._tasks is None else len(self._owned),
            dropped=self._callbacks.dropped,
        )

    # Tasks

    def own(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine for as long as the engine runs; what it raises goes to the log."""
        if self._tasks is None:
            coro.close()
            raise ConfigurationError("the engine is not running")
        task = self._tasks.create_task(_guard(coro))
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)
        return task

    def call(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Run a callback of the application, on a thread if it is sync."""
        if self._tasks is not None:
            self._callbacks.call(callback, args)

    def _running(self) -> asyncio.Task[None]:
        if self._root is None:
            raise ConfigurationError("the engine is not running: use `async with`, or mount it")
        return self._root

    def _beside(self, lifespan: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @asynccontextmanager
        async def running(app: Any) -> AsyncIterator[Any]:
            async with self, lifespan(app) as state:
                yield state

        return running

    # Browsers

    def _admit(self, params: Mapping[str, Any]) -> Grant:
        """Who may come in with these parameters, and as whom."""
        name, uid = params.get("channel"), params.get("uid", 0)
        try:
            options = RtcOptions(channel_name=name, uid=uid)  # type: ignore[arg-type]
        except ConfigurationError as error:
            raise MalformedOfferError(str(error)) from None
        if self._appcert:
            grant = check_token(
                str(params.get("token", "")),
                self.appid,
                self._appcert,
                channel=options.channel_name,
                uid=options.uid,
            )
        else:
            grant = Grant(options.channel_name, options.uid, ALL_PERMISSIONS, float("inf"), "")
        if grant.uid == 0:
            grant = grant._replace(uid=options.uid or self._free_uid(options.channel_name))
        return grant

    async def _serve(
        self,
        offer: Offer,
        flows: Flows,
        grant: Grant,
        name: str,
        address: str | None,
        answer: asyncio.Future[dict[str, Any]],
    ) -> None:
        """The life of one browser in a channel."""
        peer: Peer | None = None
        try:
            with self._addresses.count(address), self._at_the_door(grant):
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await self._check_use(grant)
                    member = BrowserMember(grant, name, self.room, flows, self._renew_soon)
                    configuration = await ice.resolve(self._rtc_configuration)
                    peer = Peer(member, ice.for_aiortc(configuration), may_check=self._may_check)
                    sdp = await _answer(peer, offer)
                if answer.cancelled():
                    return
                answer.set_result({"sdp": sdp, "type": "answer", "webrtc_id": str(grant.uid)})
                connected = await peer.connected()
            if connected and not (grant.id and grant.id in self._revoked):
                reason = await member.run(peer)
                logger.info("user %d has left %r: %s", grant.uid, grant.channel, reason)
        except OfferError as error:
            _refuse(answer, error)
        except TimeoutError:
            _refuse(answer, UnavailableError("the server took too long to answer the offer"))
        except Exception:
            logger.exception("a user could not be let in")
            _refuse(answer, UnavailableError("the server failed; see its log"))
        finally:
            # `destroy` waits for it from here on, and does not cancel what closes already.
            self._owned.discard(cast(asyncio.Task[Any], asyncio.current_task()))
            if peer is not None:
                await peer.close()
            if not answer.done():
                answer.cancel()

    def _free_uid(self, channel: str) -> int:
        room = self._rooms.get(channel)
        while True:
            uid = secrets.randbelow(2**32 - 1) + 1
            if room is None or uid not in room.members:
                return uid

    @contextmanager
    def _at_the_door(self, grant: Grant) -> Iterator[None]:
        """Count who connects; refuse early what would be refused when the connection stands."""
        self._check(grant)
        self._entering[grant.channel] += 1
        try:
            yield
        finally:
            self._entering[grant.channel] -= 1
            if not self._entering[grant.channel]:
                del self._entering[grant.channel]

    def _check(self, grant: Grant) -> None:
        room = self._rooms.get(grant.channel)
        if room is not None and grant.uid in room.members:
            raise DuplicateSessionError(f"there is a user {grant.uid} already")
        users = self._entering[grant.channel] + (len(room.members) if room is not None else 0)
        if users >= self._max_users:
            raise ConcurrencyLimitError(f"{grant.channel!r} is full", limit=self._max_users)
        if room is None and len(self._rooms) >= self._max_channels:
            raise ConcurrencyLimitError("there are too many channels", limit=self._max_channels)

    async def _check_use(self, grant: Grant) -> None:
        """Refuse a token that was used already, here or on another server."""
        if not grant.id:
            return
        first = self._replays.admit(grant, time.time())
        if first and self._cluster is not None:
            try:
                first = await self._cluster.claim(grant)
            except BusError:
                raise UnavailableError(
                    "whether a token was used already is not known while the bus is away"
                ) from None
        if not first:
            raise DuplicateSessionError("the token was used already")

    def _forget(self, room: Room) -> None:
        self._rooms.pop(room.name, None)
        if self._cluster is not None:
            self._cluster.unlink(room)


class _Done:
    """Nothing is left to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


async def _answer(peer: Peer, offer: Offer) -> str:
    try:
        return await peer.answer(offer.sdp)
    except OSError as error:
        raise UnavailableError(str(error)) from None
    except Exception as error:
        # aiortc says in many ways that it cannot serve an offer; see `PeerManager`.
        logger.info("an offer was refused: %s", error, exc_info=error)
        raise MalformedOfferError(f"the offer cannot be answered: {error}") from None


def _refuse(answer: asyncio.Future[dict[str, Any]], error: OfferError) -> None:
    if not answer.done():
        answer.set_exception(error)


async def _guard(coro: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coro
    except Exception:
        logger.exception("a task of a channel failed")
        return None
