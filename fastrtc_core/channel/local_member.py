"""`LocalMember`: a member in this process, as its room and its engine see it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NamedTuple, get_args

from ..errors import ChannelClosedError, ConfigurationError, RpcError, StreamError
from ..messaging.rpc import Rpc, RpcErrorCode
from ..messaging.streams.service import Streams
from ..room.events import (
    CallSent,
    Event,
    StreamPacketSent,
    TrackMuted,
    TrackUnmuted,
    UserJoined,
    UserLeft,
    VideoSourceChanged,
)
from ..room.grants import Grant
from ..room.member import Member
from ..room.room import Room
from ..room.snapshot import MemberSnapshot
from ..tracks import AudioStream
from .attachment import Attachment
from .emitter import Emitter
from .options import RtcOptions
from .owner import Owner
from .speaking import Speaking
from .subscriptions import Subscriptions

EVENTS = {kind.name for kind in get_args(Event)} - {
    CallSent.name,
    StreamPacketSent.name,
    VideoSourceChanged.name,
} | {"audio_subscribe_state_changed", "user_mute_audio", "user_mute_video"}
"""What a channel tells of: of events as they stand, and of what follows from them."""

ChannelState = Literal["disconnected", "connected", "reconnecting"]
"""Those who are reconnecting are in the channel, but only with the members on the same server."""


class RemoteUser(NamedTuple):
    """Somebody else in the channel.

    Attributes:
        uid: Who it is.
        name: What it is called.
        tracks: What it publishes.
        muted: What of it nobody hears or sees now.
    """

    uid: int
    name: str
    tracks: list[str]
    muted: list[str]


class LocalMember(Member):
    """A member in this process: its place in the room, and the parts that it is made of.

    Args:
        engine: Owns the room and its tasks.
        options: Who it is, and in which format it hears and speaks.
        grant: What it may do; everything by default.

    Attributes:
        options: As above.
        source: What it says.
    """

    def __init__(self, engine: Owner, options: RtcOptions, grant: Grant | None = None) -> None:
        granted = grant or engine.grant(options)
        super().__init__(granted.uid, granted.name or options.name, granted.permissions, grant)
        self.options = options
        self._engine = engine
        self._room: Room | None = None
        self._attachment: Attachment | None = None
        self._emitter = Emitter(EVENTS, engine.call)
        self._speaking = Speaking(options)
        self._hearing = Subscriptions(options, self._note_subscription)
        self._rpc = Rpc(self._send_rpc, engine.own)
        self._data_streams = Streams(self._send_stream, engine.own, engine.call)
        self.source = self._speaking.source

    @property
    def state(self) -> ChannelState:
        """Whether it is in the channel; `reconnecting` while other servers cannot be reached."""
        if self._room is None:
            return "disconnected"
        return "connected" if self._room.whole else "reconnecting"

    @property
    def remote_users(self) -> dict[int, RemoteUser]:
        """Everybody else, by uid."""
        members = {} if self._room is None else self._room.members
        return {
            uid: RemoteUser(uid, member.name, sorted(member.participant.tracks), member.muted)
            for uid, member in members.items()
            if member is not self
        }

    async def connect(self) -> None:
        """Enter the channel; idempotent. An engine that does not run is started.

        Raises:
            DuplicateSessionError: If somebody of that uid is there.
            ConfigurationError: If it has left, or the engine was destroyed: make another one.
        """
        if self._room is not None:
            return
        if self.source.closed:
            raise ConfigurationError("a channel is entered once; create another one")
        await self._engine.start_once()
        if self._room is not None:
            return  # another call of this was faster
        room = self._engine.room(self.options.channel_name)
        room.join(self)
        self._room = room
        self._engine.note(self, connected=True)
        if self.may("publish_audio"):
            self._publish_source()
            room.note_track(self, "microphone", published=True)
        self._emitter.emit("connection_state_changed", self.state)
        if self.options.auto_subscribe_audio and self.may("subscribe"):
            for uid in self.remote_users:
                self._hear(uid)
        for user in self.remote_users.values():
            for source in user.muted:
                self.tell(TrackMuted(user.uid, source))

    async def disconnect(self) -> None:
        """Leave the channel and end all streams; idempotent."""
        await self._leave("left")

    async def _leave(self, reason: str) -> None:
        room, self._room = self._room, None
        if room is None:
            return
        # All that others see of it happens at once, whatever becomes of what is waited for.
        room.leave(self.uid, reason)
        self._engine.note(self, connected=False)
        self._rpc.close()
        self._data_streams.close()
        self._emitter.emit("connection_state_changed", self.state, reason)
        self._emitter.end_waits(ChannelClosedError("the channel was left"))
        try:
            if self._attachment is not None:
                await self._attachment.aclose()
        finally:
            await self._hearing.aclose()
            await self._speaking.aclose()

    # What the room calls

    def snapshot(self) -> MemberSnapshot:
        """What goes on with this member now, for tests and monitoring."""
        return replace(self._snapshot("process"), calls=self._rpc.running, asked=self._rpc.pending)

    def tell(self, event: Event) -> None:
        """Tell callbacks, and follow who comes and goes."""
        match event:
            case CallSent(sender, text):
                self._rpc.take(sender, text)
            case StreamPacketSent(sender, packet):
                if not self.may("publish_messages"):
                    self.answering.note(sender, packet)
                self._data_streams.take(sender, packet)
            case VideoSourceChanged():
                pass  # a member in this process sees each camera apart
            case _:
                self._emitter.emit(event.name, *vars(event).values())
                self._follow(event)

    def _follow(self, event: Event) -> None:
        match event:
            case UserJoined(uid):
                hears = self._room is not None and self.may("subscribe")
                if self.options.auto_subscribe_audio and hears:
                    self._hear(uid)
            case UserLeft(uid):
                self._rpc.forget(uid)
                self._data_streams.forget(uid)
                self._hearing.let_go(uid)
            case TrackMuted(uid, source) | TrackUnmuted(uid, source) if uid != self.uid:
                # The same under the names of Agora's SDK, which tells of others alone.
                name = "user_mute_audio" if source == "microphone" else "user_mute_video"
                self._emitter.emit(name, uid, isinstance(event, TrackMuted))

    def expel(self, reason: str = "left") -> None:
        """It has to leave."""
        self._engine.own(self._leave(reason))

    # What the attachment calls

    def note_detached(self) -> None:
        """The attachment has ended."""
        self._attachment = None
        self._publish_source()

    def _publish_source(self) -> None:
        """Publish what is pushed here; an attachment does so with what it says."""
        if self._room is not None and self.may("publish_audio"):
            self.participant.publish("microphone", self._speaking.microphone)

    # What its parts and the channel ask

    def _send_rpc(self, uid: int, text: str) -> None:
        if self._room is None:
            raise RpcError(RpcErrorCode.SEND_FAILED, "the channel is not connected")
        self._room.call(self, uid, text)

    def _send_stream(self, uid: int, text: str) -> None:
        if self._room is None:
            raise StreamError("the channel is not connected")
        self._room.carry_stream(self, text, uid)

    def _note_subscription(self, uid: int, subscribed: bool) -> None:
        self._emitter.emit("audio_subscribe_state_changed", uid, subscribed)

    def _receivers(self) -> list[int]:
        self._check("publish_messages")
        return list(self.remote_users)

    def _hear(self, uid: int) -> AudioStream:
        return self._hearing.open(uid, self._other(uid).participant)

    def _connected(self) -> Room:
        if self._room is None:
            raise ConfigurationError("the channel is not connected")
        return self._room

    def _check(self, permission: Any) -> Room:
        room = self._connected()
        if not self.may(permission):
            raise ConfigurationError(f"the token lacks the permission {permission!r}")
        return room

    def _other(self, uid: int) -> Member:
        if self._room is None or uid not in self._room.members or uid == self.uid:
            raise ConfigurationError(f"there is no user {uid} in {self.options.channel_name!r}")
        return self._room.members[uid]
