"""`Channel`: a member in this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import av

from ..errors import (
    ChannelClosedError,
    ConfigurationError,
    RpcError,
    StreamError,
)
from ..handler import StreamHandlerBase
from ..messaging.chat import Chat
from ..messaging.rpc import Rpc, RpcErrorCode, RpcHandler
from ..messaging.streams.data_streams import DataStreams
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
from ..room.member import Member, MutedSource
from ..room.room import Room
from ..tracks import AudioStream, TrackSource, VideoStream
from .attachment import Attachment
from .emitter import Emitter
from .options import DEFAULT_TTL, RtcOptions
from .owner import Owner
from .speaking import Pushed, Speaking
from .subscriptions import Subscriptions
from .tokens import build_token

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


class Channel(Member):
    """A member in this process: it hears each user before mixing, and speaks to all.

    Made by `RtcEngine.create_channel`. Callbacks of events get what follows, or as much of it as
    they take; sync ones run on a thread of their own.

    | event | |
    |---|---|
    | `connection_state_changed` | the new state, see `state`; why it has left, if it has |
    | `user_joined`, `user_left` | uid; what is known of the user, or why it left |
    | `audio_subscribe_state_changed` | uid; whether it is subscribed now |
    | `track_published`, `track_unpublished` | uid; the source of the track |
    | `track_muted`, `track_unmuted` | uid, also the own one; the source: `microphone` or `camera` |
    | `user_mute_audio`, `user_mute_video` | uid of somebody else; whether it is muted now |
    | `stream_message` | uid; text; its id |
    | `chat_message` | the `ChatMessage` |
    | `active_speaker` | uid, or `None` while nobody speaks |
    | `token_privilege_will_expire` | in how many s the token ends: see `renew_token` |
    | `token_privilege_did_expire` | nothing; it leaves the channel now |
    | `transcript` | uid of who spoke, or `None`; the `Transcript`; uid of who wrote it down |

    Args:
        rtc: The engine.
        options: Who it is, and in which format it hears and speaks.
        grant: What it may do; everything by default.

    Attributes:
        rtc, options: As above.
        channelId: The name of the channel.
        chat: Writes to the chat; see also `send_chat_message`.
        source: What it says, an `AudioSource`.
        on, once, off: Have callbacks called at events, and no longer.
        send_text, stream_text, send_file, stream_bytes, register_text_stream_handler,
            unregister_text_stream_handler, register_byte_stream_handler,
            unregister_byte_stream_handler, stream_statistics: Its streams, see `DataStreams`.
    """

    def __init__(self, rtc: Owner, options: RtcOptions, grant: Grant | None = None) -> None:
        engine, given = rtc, grant
        grant = grant or rtc.grant(options)
        super().__init__(grant.uid, grant.name or options.name, grant.permissions, given)
        self.rtc: Any = engine  # for applications, which know it as the `RtcEngine` that it is
        self.options = options
        self.channelId = options.channel_name  # the name that Agora's users know
        self.chat = Chat(self)
        self._engine = engine
        self._room: Room | None = None
        self._attachment: Attachment | None = None
        self._emitter = Emitter(EVENTS, engine.call)
        self._speaking = Speaking(options)
        self._hearing = Subscriptions(options, self._note_subscription)
        self._rpc = Rpc(self._send_rpc, engine.own)
        self._data_streams = Streams(self._send_stream, engine.own, engine.call)
        self.source = self._speaking.source
        self.on = self._emitter.on
        self.once = self._emitter.once
        self.off = self._emitter.off
        streams = DataStreams(self._data_streams, self._stream_receivers)
        self.send_text = streams.send_text
        self.stream_text = streams.stream_text
        self.send_file = streams.send_file
        self.stream_bytes = streams.stream_bytes
        self.register_text_stream_handler = streams.register_text_stream_handler
        self.unregister_text_stream_handler = streams.unregister_text_stream_handler
        self.register_byte_stream_handler = streams.register_byte_stream_handler
        self.unregister_byte_stream_handler = streams.unregister_byte_stream_handler
        self.stream_statistics = streams.stream_statistics

    # Coming and going

    @cached_property
    def token(self) -> str:
        """A token with which somebody else could come in as this member; empty without `appcert`.

        It is made when it is first asked for, and good for an hour from then.

        Raises:
            ConfigurationError: If the extra `channel` is missing.
        """
        if not self._engine.appcert:
            return ""
        return build_token(
            self._engine.appid,
            self._engine.appcert,
            channel=self.channelId,
            uid=self.uid,
            ttl=DEFAULT_TTL,
            permissions=self.permissions,
            name=self.name if self.name != str(self.uid) else "",
        )

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
            self.publish_source()
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

    async def renew_token(self, token: str) -> None:
        """Stay until another token ends, for the same channel, uid, name and permissions.

        Raises:
            TokenError: If it does not allow that; the one before counts on.
            DuplicateSessionError: If it was used already.
            UnavailableError: If whether it was used is not known, as the bus is away.
            ConfigurationError: If the channel is not connected.
        """
        await self._engine.renew(self, self._connected(), token)

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

    async def wait_for_remote_user(self, timeout: float | None = None) -> int:
        """Wait until there is somebody else; returns the uid.

        Raises:
            TimeoutError: If nobody comes within `timeout` s.
            ChannelClosedError: If the channel is left meanwhile.
        """
        for uid in self.remote_users:
            return uid
        return int((await self._emitter.wait_for("user_joined", timeout=timeout))[0])

    # Hearing

    async def subscribe_audio(self, uid: int) -> AudioStream:
        """Hear a user, before mixing; idempotent.

        Raises:
            ConfigurationError: If there is no such user, or the token does not allow it.
        """
        if not self.may("subscribe"):
            raise ConfigurationError("the token does not allow to hear others")
        return self._hear(uid)

    async def unsubscribe_audio(self, uid: int) -> None:
        """Hear a user no longer; idempotent."""
        await self._hearing.end(uid)

    def get_audio_frames(self, uid: int) -> AudioStream:
        """The stream of a user that is subscribed.

        Raises:
            ConfigurationError: If it is not.
        """
        return self._hearing[uid]

    def get_video_frames(self, uid: int, source: TrackSource = "camera") -> VideoStream:
        """The pictures of a user.

        Raises:
            ConfigurationError: If there is no such user, or the token does not allow it.
        """
        if not self.may("subscribe"):
            raise ConfigurationError("the token does not allow to see others")
        participant = self._other(uid).participant
        return VideoStream.from_participant(participant=participant, track_source=source)

    # Speaking

    async def push_audio_frame(self, frame: Pushed) -> None:
        """Say something; waits while a second of it is queued.

        Args:
            frame: A frame of any rate; or samples in the format of the options, as int16 bytes, the
                low byte first and channels interleaved, or as an array of shape `(n,)` or
                `(channels, n)`.

        Raises:
            InvalidFrameError: If it cannot be played.
            ConfigurationError: If the token does not allow it, or it is not connected.
        """
        self._check("publish_audio")
        await self._speaking.push(frame)

    def clear_sender_audio_buffer(self) -> None:
        """Discard what was pushed and has not been heard."""
        self._speaking.clear()

    def mute(self, source: MutedSource = "microphone") -> None:
        """Have nobody hear, or see, what is pushed from now on; the others are told. Idempotent.

        Raises:
            ConfigurationError: If there is no such source, or it is not connected.
        """
        self._connected().mute(self, source, True)

    def unmute(self, source: MutedSource = "microphone") -> None:
        """Have it heard, or seen, again; idempotent. What the server has muted stays muted.

        Raises:
            ConfigurationError: If there is no such source, or it is not connected.
        """
        self._connected().mute(self, source, False)

    def push_video_frame(self, frame: av.VideoFrame) -> None:
        """Show a picture.

        Raises:
            ConfigurationError: If the token does not allow it, or it is not connected.
        """
        room = self._check("publish_video")
        if "camera" not in self.participant.tracks:
            self.participant.publish("camera", self._speaking.camera)
            room.note_track(self, "camera", published=True)
        self._speaking.show(frame)

    async def attach(
        self,
        handler: StreamHandlerBase,
        *,
        per_user: bool | None = None,
        on_outputs: Callable[..., Any] | None = None,
    ) -> Attachment:
        """Have a handler take part: it hears everybody, and what it says is heard by all.

        What it writes down is told to all who may hear, as a `transcript`.

        Args:
            handler: The prototype.
            per_user: Whether each user is heard by a copy of its own, instead of one copy hearing
                them all; by default as the `per_user` of the handler says. With one copy for all,
                nobody knows who spoke: the uid of a transcript is `None`.
            on_outputs: Called with each `AdditionalOutputs` of the handler, and the uid that its
                copy hears (`None` if it hears all); async, or run on a thread.

        Returns:
            What ends it; it ends with the channel, too.

        Raises:
            ConfigurationError: If the channel is not connected, a handler is attached already, or
                `on_outputs` cannot be called.
        """
        room = self._check("subscribe")
        if self._attachment is not None:
            raise ConfigurationError("a handler is attached already")
        if on_outputs is not None and not callable(on_outputs):
            raise ConfigurationError(f"on_outputs must be callable, and {on_outputs!r} is not")
        attachment = Attachment(
            self,
            room,
            self._engine,
            handler,
            per_user=handler.per_user if per_user is None else per_user,
            on_outputs=on_outputs,
        )
        self._attachment = attachment
        try:
            await attachment.start()
        except BaseException:
            await attachment.aclose()
            raise
        return attachment

    # Messages

    async def send_stream_message(self, data: str, msg_id: str = "", to: int | None = None) -> None:
        """Send a text to everybody else, or to one.

        Raises:
            ConfigurationError: If the token does not allow it, there is no such user, or it is not
                connected.
        """
        self._check("publish_messages").send(self, data, msg_id, to)

    async def send_chat_message(
        self, text: str, *, msg_id: str | None = None, final: bool = True
    ) -> None:
        """Write to the chat.

        Args:
            text: The text.
            msg_id: Its id; what is written under the same id again replaces it.
            final: Whether it is complete: an agent that is still writing says no.

        Raises:
            ConfigurationError: If the token does not allow it, or it is not connected.
            MessageError: If it is too long.
        """
        room = self._check("publish_messages")
        room.write(self, room.chat.compose(text, msg_id=msg_id, final=final))

    # Calls

    def register_rpc_method(self, method: str, handler: RpcHandler) -> None:
        """Let others call a function.

        Args:
            method: Its name, up to 64 bytes.
            handler: Takes an `RpcInvocation` and returns a text; async, or run on a thread. An
                `RpcError` that it raises reaches the caller.

        Raises:
            ConfigurationError: If the name is none, or taken.
        """
        self._rpc.register(method, handler)

    def unregister_rpc_method(self, method: str) -> None:
        """Let it be called no longer; idempotent."""
        self._rpc.unregister(method)

    async def perform_rpc(
        self, uid: int, method: str, payload: str = "", *, response_timeout: float = 10.0
    ) -> str:
        """Call a function of another user, and wait for what it returns.

        Args:
            uid: Whose function.
            method: Its name.
            payload: What it gets, up to 15 KiB.
            response_timeout: How long to wait, in s.

        Raises:
            RpcError: If it failed, there is no such user or method, or no answer came in time.
            ConfigurationError: If the channel is not connected.
        """
        self._check("publish_messages")
        return await self._rpc.call(uid, method, payload, response_timeout)

    # What the room calls

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

    def _note_subscription(self, uid: int, subscribed: bool) -> None:
        self._emitter.emit("audio_subscribe_state_changed", uid, subscribed)

    def publish_source(self) -> None:
        """Publish what is pushed here; an attachment does so with what it says."""
        if self._room is not None and self.may("publish_audio"):
            self.participant.publish("microphone", self._speaking.microphone)

    def note_detached(self) -> None:
        """The attachment has ended."""
        self._attachment = None
        self.publish_source()

    def expel(self, reason: str = "left") -> None:
        """It has to leave."""
        self._engine.own(self._leave(reason))

    def _send_rpc(self, uid: int, text: str) -> None:
        if self._room is None:
            raise RpcError(RpcErrorCode.SEND_FAILED, "the channel is not connected")
        self._room.call(self, uid, text)

    def _send_stream(self, uid: int, text: str) -> None:
        if self._room is None:
            raise StreamError("the channel is not connected")
        self._room.carry_stream(self, text, uid)

    def _stream_receivers(self) -> list[int]:
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
            raise ConfigurationError(f"the token does not allow to {permission.replace('_', ' ')}")
        return room

    def _other(self, uid: int) -> Member:
        if self._room is None or uid not in self._room.members or uid == self.uid:
            raise ConfigurationError(f"there is no user {uid} in {self.options.channel_name!r}")
        return self._room.members[uid]
