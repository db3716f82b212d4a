"""`Channel`: a member in this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, NamedTuple, assert_never

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import (
    ChannelClosedError,
    ConfigurationError,
    InvalidFrameError,
    RpcError,
    StreamError,
)
from ..frames import AudioFrame, EmittedAudio, read_audio
from ..handler import StreamHandlerBase
from ..media.converter import Converter
from ..messaging.chat import Chat
from ..messaging.rpc import Rpc, RpcErrorCode, RpcHandler
from ..messaging.streams.channel import StreamMethods
from ..messaging.streams.service import Streams
from ..room.events import (
    ActiveSpeaker,
    CallSent,
    ChatWritten,
    ConnectionStateChanged,
    Event,
    MessageSent,
    StreamPacketSent,
    TokenExpired,
    TokenWillExpire,
    TrackMuted,
    TrackPublished,
    TrackUnmuted,
    TrackUnpublished,
    Transcribed,
    UserJoined,
    UserLeft,
    VideoSourceChanged,
)
from ..room.grants import Grant
from ..room.room import Member, MutedSource, Room
from ..tracks import (
    AudioSource,
    AudioStream,
    LocalAudioTrack,
    LocalVideoTrack,
    TrackSource,
    VideoSource,
    VideoStream,
)
from .attachment import Attachment
from .emitter import Emitter
from .options import DEFAULT_TTL, RtcOptions
from .owner import Owner
from .tokens import build_token

EVENTS = frozenset(
    {
        "connection_state_changed",
        "user_joined",
        "user_left",
        "audio_subscribe_state_changed",
        "stream_message",
        "chat_message",
        "active_speaker",
        "track_published",
        "track_unpublished",
        "track_muted",
        "track_unmuted",
        "user_mute_audio",
        "user_mute_video",
        "transcript",
        "token_privilege_will_expire",
        "token_privilege_did_expire",
    }
)
"""What a channel tells of."""

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


class Channel(StreamMethods, Member):
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
    """

    def __init__(self, rtc: Owner, options: RtcOptions, grant: Grant | None = None) -> None:
        engine, given = rtc, grant
        grant = grant or rtc.grant(options)
        super().__init__(grant.uid, grant.name or options.name, grant.permissions, given)
        self.rtc: Any = engine  # for applications, which know it as the `RtcEngine` that it is
        self.options = options
        self.channelId = options.channel_name  # the name that Agora's users know
        self.chat = Chat(self)
        self.source = AudioSource(options.sample_rate, options.channels)
        """What this member says."""
        self._microphone = LocalAudioTrack.create_audio_track("microphone", self.source)
        self._engine = engine
        self._room: Room | None = None
        self._streams: dict[int, AudioStream] = {}
        self._converter = Converter(options.sample_rate, options.channels)
        self._video: VideoSource | None = None
        self._attachment: Attachment | None = None
        self._emitter = Emitter(EVENTS, engine.call)
        self._rpc = Rpc(self._send_rpc, engine.own)
        self._data_streams = Streams(self._send_stream, engine.own, engine.call)
        self.on = self._emitter.on
        self.once = self._emitter.once
        self.off = self._emitter.off

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
                self._subscribe(uid)
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
            for uid in tuple(self._streams):
                await self.unsubscribe_audio(uid)
            await self.source.aclose()
            if self._video is not None:
                await self._video.aclose()

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
        return self._subscribe(uid)

    async def unsubscribe_audio(self, uid: int) -> None:
        """Hear a user no longer; idempotent."""
        stream = self._streams.pop(uid, None)
        if stream is not None:
            await stream.aclose()
            self._emitter.emit("audio_subscribe_state_changed", uid, False)

    def get_audio_frames(self, uid: int) -> AudioStream:
        """The stream of a user that is subscribed.

        Raises:
            ConfigurationError: If it is not.
        """
        if uid not in self._streams:
            raise ConfigurationError(f"the audio of user {uid} is not subscribed")
        return self._streams[uid]

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

    async def push_audio_frame(
        self, frame: bytes | bytearray | memoryview | NDArray[Any] | AudioFrame
    ) -> None:
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
        audio = self._read(frame)
        await self.source.capture_parts(self._converter.push(part) for part in audio.parts())

    def clear_sender_audio_buffer(self) -> None:
        """Discard what was pushed and has not been heard."""
        self._converter.flush()
        self.source.clear_queue()

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
        if self._video is None:
            self._video = VideoSource()
            track = LocalVideoTrack.create_video_track("camera", self._video)
            self.participant.publish("camera", track)
            room.note_track(self, "camera", published=True)
        self._video.capture_frame(frame)

    def _read(
        self, frame: bytes | bytearray | memoryview | NDArray[Any] | AudioFrame
    ) -> EmittedAudio:
        if isinstance(frame, AudioFrame):
            return read_audio(frame)
        rate, channels = self.options.sample_rate, self.options.channels
        if isinstance(frame, bytes | bytearray | memoryview):
            frame = bytes(frame)
            if len(frame) % (2 * channels):
                raise InvalidFrameError(f"{len(frame)} bytes are no whole number of samples")
            frame = np.frombuffer(frame, "<i2").astype(np.int16, copy=False).reshape(-1, channels).T
        return read_audio((rate, frame))

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
        emit = self._emitter.emit
        match event:
            case CallSent(sender, text):
                self._rpc.take(sender, text)
            case StreamPacketSent(sender, packet):
                if not self.may("publish_messages"):
                    self.answering.note(sender, packet)
                self._data_streams.take(sender, packet)
            case UserJoined(uid, user):
                emit("user_joined", uid, user)
                hears = self._room is not None and self.may("subscribe")
                if self.options.auto_subscribe_audio and hears:
                    self._subscribe(uid)
            case UserLeft(uid, reason):
                self._rpc.forget(uid)
                self._data_streams.forget(uid)
                emit("user_left", uid, reason)
                if self._streams.pop(uid, None) is not None:
                    # It has ended, and what waits in it can still be read.
                    emit("audio_subscribe_state_changed", uid, False)
            case TrackPublished(uid, source):
                emit("track_published", uid, source)
            case TrackUnpublished(uid, source):
                emit("track_unpublished", uid, source)
            case TrackMuted(uid, source):
                emit("track_muted", uid, source)
                self._emit_mute(uid, source, True)
            case TrackUnmuted(uid, source):
                emit("track_unmuted", uid, source)
                self._emit_mute(uid, source, False)
            case ConnectionStateChanged(state):
                emit("connection_state_changed", state)
            case ActiveSpeaker(speaker):
                emit("active_speaker", speaker)
            case ChatWritten(message):
                emit("chat_message", message)
            case MessageSent(sender, text, msg_id):
                emit("stream_message", sender, text, msg_id)
            case Transcribed(said_by, transcript, sender):
                emit("transcript", said_by, transcript, sender)
            case TokenWillExpire(seconds):
                emit("token_privilege_will_expire", seconds)
            case TokenExpired():
                emit("token_privilege_did_expire")
            case VideoSourceChanged():
                pass  # a member in this process sees each camera apart
            case _:
                assert_never(event)

    def _emit_mute(self, uid: int, source: str, muted: bool) -> None:
        """The same under the names of Agora's SDK, which tells of others alone."""
        if uid != self.uid:
            name = "user_mute_audio" if source == "microphone" else "user_mute_video"
            self._emitter.emit(name, uid, muted)

    def publish_source(self) -> None:
        """Publish what is pushed here; an attachment does so with what it says."""
        if self._room is not None and self.may("publish_audio"):
            self.participant.publish("microphone", self._microphone)

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

    def _subscribe(self, uid: int) -> AudioStream:
        if uid not in self._streams:
            self._streams[uid] = AudioStream.from_participant(
                participant=self._other(uid).participant,
                sample_rate=self.options.sample_rate,
                num_channels=self.options.channels,
            )
            self._emitter.emit("audio_subscribe_state_changed", uid, True)
        return self._streams[uid]

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
