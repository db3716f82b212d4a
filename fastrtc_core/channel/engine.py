"""`RtcEngine`: owns the channels of one process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, get_args

from ..cluster import Cluster
from ..cluster.bus import Bus
from ..context import Caller
from ..errors import (
    ConcurrencyLimitError,
    ConfigurationError,
    FastRTCError,
    MalformedCandidateError,
    TokenError,
)
from ..messaging.naming import check_channel_name, check_user
from ..operations.lag import LoopLag, watched
from ..origins import OriginRule
from ..registry import ENTERING_PER_ADDRESS, Entering
from ..room.browser_member import BrowserMember
from ..room.grants import ALL_PERMISSIONS, Grant
from ..room.member import Member, MutedSource
from ..room.mix_encoder import mix_options
from ..room.orders import Order, obey
from ..room.room import MAX_USERS, Room
from ..session import Hooks
from ..signaling.acceptor import Acceptor, ConnectionOptions
from ..signaling.bodies import Envelope, parse_envelope
from ..signaling.fastrtc import body_of
from ..webrtc import ice
from ..webrtc.addresses import candidate_filter
from ..webrtc.options import AudioOptions, VideoOptions, media_ports
from .admission import Admission
from .callbacks import Callbacks
from .channel import Channel
from .entrance import MAX_CHANNELS, Entrance, EntranceOptions
from .life import EngineLife
from .options import RtcOptions
from .owner import Leaver
from .snapshot import EngineSnapshot

if TYPE_CHECKING:
    from enum import Enum

    from fastapi import FastAPI
    from fastapi.params import Depends

    from ..operations.metrics import EngineMetrics
    from ..room.snapshot import RoomSnapshot

logger = logging.getLogger(__name__)


class RtcEngine:
    """Channels in which browsers, code of this process, and handlers meet.

    Use it as `async with RtcEngine(…) as engine:`, or `mount` it on an app, whose life it shares.

    Args:
        appid: Which application this is; tokens name it.
        appcert: The secret with which tokens are signed. With it, no browser joins without one.
        rtc_configuration: ICE servers for browsers; see `Stream`.
        server_rtc_configuration: The same for this side.
        allowed_candidates: Networks in which clients may name candidates; see `Stream`.
        max_users: Users in one channel.
        max_channels: Channels at once.
        connecting_per_address: Browsers that one client address may be connecting at once; `None`
            for any number.
        on_connect: Called with the `Context` of a browser before it enters its channel. Its
            `params` are what the browser has sent but for the token, with the `channel`, `uid` and
            `name` that it got.
        on_disconnect: Called with the `CloseReason` and the `Context` after it has left.
        udp_port_range: First and last UDP port for media; see `Stream`.
        udp_port: One UDP port for the media of all browsers; see `Stream`.
        tcp_port: One TCP port for those without UDP; see `Stream`.
        advertised_address: The IP address to put into host candidates; see `Stream`.
        audio_options: How the mixes are encoded. `bit_rate` is 48,000 by default. A mix is encoded
            once for all who hear the same, in packets of 20 ms, so it carries no `fec`, which
            follows the loss of one client.
        video_options: How pictures are encoded that are not forwarded as they came.
        bus: What links this server with others of the same application; by default it is alone.

    Raises:
        ConfigurationError: If the id of the application is empty, or an option makes no sense.
    """

    def __init__(
        self,
        appid: str,
        appcert: str = "",
        *,
        rtc_configuration: ice.RtcConfigurationSource = None,
        server_rtc_configuration: ice.RtcConfigurationSource = None,
        allowed_candidates: Sequence[str] | None = None,
        max_users: int = MAX_USERS,
        max_channels: int = MAX_CHANNELS,
        connecting_per_address: int | None = ENTERING_PER_ADDRESS,
        on_connect: Callable[..., Any] | None = None,
        on_disconnect: Callable[..., Any] | None = None,
        udp_port_range: tuple[int, int] | None = None,
        udp_port: int | range | None = None,
        tcp_port: int | range | None = None,
        advertised_address: str | None = None,
        audio_options: AudioOptions | None = None,
        video_options: VideoOptions | None = None,
        bus: Bus | None = None,
    ) -> None:
        if not appid:
            raise ConfigurationError("an engine needs the id of its application: a text")
        self.appid = appid
        self._appcert = appcert
        self._rtc_configuration = rtc_configuration
        self._max_users = max_users
        self._max_channels = max_channels
        self._audio_options = mix_options(audio_options)
        self._video_options = video_options
        self._rooms: dict[str, Room] = {}
        self._lag = LoopLag()
        self._channels: set[Leaver] = set()
        self._life = EngineLife(self._begin, self._have_all_leave, self._close)
        self._callbacks = Callbacks(self.own)
        self._cluster = None if bus is None else Cluster(appid, bus, self.own, self._obey)
        self._admission = Admission(appid, appcert, self._cluster)
        hooks = Hooks(on_connect, on_disconnect)
        self._entrance = Entrance(
            self._admission,
            self._rooms,
            self.room,
            self._renew_soon,
            EntranceOptions(max_users, max_channels, self._audio_options, hooks),
        )
        connections = ConnectionOptions(
            rtc_configuration=server_rtc_configuration,
            ports=media_ports(udp_port_range, udp_port, tcp_port),
            advertised_address=advertised_address,
            may_check=candidate_filter(allowed_candidates, advertised_address),
        )
        self._entering = Entering(connecting_per_address)
        self._acceptor = Acceptor(self._entrance.admit, self._entering, connections)

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
        return self._life.loop

    async def start(self) -> None:
        """Begin; idempotent. The first `connect` of a channel does so, too.

        Raises:
            ConfigurationError: If the bus runs already, or refuses the credentials.
        """
        await self._life.start()

    async def start_once(self) -> None:
        """Begin, if it has not ended before: whoever comes late does not revive it.

        Raises:
            ConfigurationError: If it was destroyed.
        """
        await self._life.start_once()

    def destroy(self) -> Awaitable[None]:
        """End all channels and connections; await it to wait until they are gone. Idempotent."""
        return self._life.end()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.destroy()

    async def _begin(self) -> None:
        if self._cluster is not None:
            await self._cluster.start()

    async def _have_all_leave(self) -> None:
        try:
            for channel in tuple(self._channels):
                await channel.disconnect()
        finally:
            await self._acceptor.aclose()

    async def _close(self) -> None:
        if self._cluster is not None:
            await self._cluster.aclose()

    # Members

    def create_channel(self, options: RtcOptions) -> Channel:
        """A member in this process; `connect` enters the channel."""
        return Channel(self, options)

    def grant(self, options: RtcOptions) -> Grant:
        """What a member in this process may do: everything; a uid is issued if it names none."""
        uid = options.uid or self._entrance.free_uid(options.channel_name)
        return Grant(options.channel_name, uid, ALL_PERMISSIONS, float("inf"), "")

    async def accept(
        self,
        body: Any,
        headers: Mapping[str, str] | None = None,
        *,
        user: Any = None,
        address: str | None = None,
        **params: Any,
    ) -> dict[str, Any]:
        """Let a browser in; what `mount` does for each request.

        Args:
            body: An offer whose `params` have `channel`, and may have `uid`, `name` and `token`.
            headers: Of the request, for the context.
            user: For the context.
            address: The IP address of the client, for `connecting_per_address`.
            params: Such parameters in place of those of the offer: `uid=7, token=token`.

        Returns:
            The answer.

        Raises:
            OfferError: If it is refused.
        """
        return await self._take(body, Caller(headers or {}, address, user), params)

    async def _take(
        self, body: Any, caller: Caller, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        envelope = parse_envelope(body)
        if not isinstance(envelope, Envelope):
            raise MalformedCandidateError("a channel takes whole offers: gather first")
        self._life.require()
        asked = replace(envelope, params={**envelope.params, **(params or {})})
        return body_of(await self._acceptor.accept(asked, caller))

    def mount(
        self,
        app: FastAPI,
        path: str = "/rtc",
        tags: list[str | Enum] | None = None,
        *,
        dependencies: Sequence[Depends] | None = None,
        origins: Sequence[str] | None = None,
        allowed_hosts: Sequence[str] | None = None,
        user: Depends | Callable[..., Any] | None = None,
        health: bool = False,
        metrics: bool = False,
    ) -> None:
        """Add the route for offers, `POST {path}/webrtc/offer`, and the browser client.

        The engine runs for as long as the app does.

        Args:
            app: The app.
            path: Prefix of the routes.
            tags: Tags of the routes in the OpenAPI document.
            dependencies: Dependencies of the routes; see `Stream.mount`.
            origins: Origins of further pages that may connect; see `Stream.mount`.
            allowed_hosts: Names of this server; see `Stream.mount`.
            user: A dependency whose result is the `user` of the context; see `Stream.mount`.
            health: Whether to add health checks; see `Stream.mount`.
            metrics: Whether to add `/metrics` for Prometheus; see `Stream.mount`.

        Raises:
            ConfigurationError: If an origin or a name is none, `user` is no dependency, or the
                extra is not installed.
        """
        from ..door import Door
        from ..operations.health import add_health_routes
        from ..operations.metrics import EngineMetrics, add_metrics_route
        from ..signaling.routes import add_routes

        door = Door(OriginRule(origins, allowed_hosts), path, tags, dependencies, user)
        add_routes(door, self._take, lambda: ice.resolve(self._rtc_configuration))
        if health:
            add_health_routes(door.public, self._closed_for, self._lag)
        if metrics:
            add_metrics_route(door.public, EngineMetrics(self._survey, self._lag))
        door.open(app)
        if health or metrics:
            app.router.lifespan_context = watched(app.router.lifespan_context, self._lag)
        app.router.lifespan_context = self._beside(app.router.lifespan_context)

    def collector(self, **labels: str) -> EngineMetrics:
        """A collector for your own registry of `prometheus_client`; scrape it on the engine's loop.

        Args:
            labels: Added to every sample.

        Raises:
            ConfigurationError: If the extra `metrics` is not installed.
        """
        from ..operations.metrics import EngineMetrics

        return EngineMetrics(self._survey, labels=labels)

    def _closed_for(self) -> list[str]:
        return [] if self._life.running else ["not running"]

    def _survey(self) -> tuple[list[RoomSnapshot], int, int]:
        now = self.snapshot()
        return list(now.channels.values()), sum(now.connecting.values()), now.dropped

    def room(self, name: str) -> Room:
        """The room of a channel, for somebody who joins it at once; made for who is the first.

        Raises:
            ConcurrencyLimitError: If there are too many channels, or it is full.
        """
        room = self._rooms.get(name)
        if room is None:
            if len(self._rooms) >= self._max_channels:
                raise ConcurrencyLimitError("there are too many channels", limit=self._max_channels)
            room = self._rooms[name] = Room(
                name, self._forget, self._max_users, self._audio_options, self._video_options
            )
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
        grant = self._admission.withdraw(token)
        self._order(Order("revoke", detail=grant.id))
        if self._cluster is not None:
            await self._cluster.claim(grant)

    async def renew(self, member: Member, room: Room, token: str) -> None:
        """See `Channel.renew_token`."""
        grant = self._admission.renewal(token, room.name, member.uid)
        if grant.permissions != member.permissions:
            raise TokenError("the token has other permissions: join again with it")
        if grant.name not in ("", member.name):
            raise TokenError("the token has another name: join again with it")
        await self._admission.use(grant)
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
        if order.kind == "revoke":
            self._admission.revoke(order.detail)
        obey(order, self._rooms)

    def snapshot(self) -> EngineSnapshot:
        """What goes on now; called on its event loop, for tests and monitoring."""
        return EngineSnapshot(
            running=self._life.running,
            channels={name: room.snapshot() for name, room in self._rooms.items()},
            connecting=dict(self._entrance.entering),
            tasks=self._life.tasks + self._acceptor.serving,
            dropped=self._callbacks.dropped,
        )

    # Tasks

    def own(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine for as long as the engine runs; what it raises goes to the log."""
        return self._life.own(coro)

    def call(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Run a callback of the application, on a thread if it is sync."""
        if self._life.running:
            self._callbacks.call(callback, args)

    def _beside(self, lifespan: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @asynccontextmanager
        async def running(app: Any) -> AsyncIterator[Any]:
            async with self, lifespan(app) as state:
                yield state

        return running

    def _forget(self, room: Room) -> None:
        self._rooms.pop(room.name, None)
        if self._cluster is not None:
            self._cluster.unlink(room)
