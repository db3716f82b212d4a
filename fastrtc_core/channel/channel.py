"""`Channel`: a member in this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import av

from ..errors import ConfigurationError
from ..handler import StreamHandlerBase
from ..messaging.chat import Chat
from ..messaging.rpc import RpcHandler
from ..messaging.streams.data_streams import DataStreams
from ..room.grants import Grant
from ..room.member import MutedSource
from ..tracks import AudioStream, TrackSource, VideoStream
from .attachment import Attachment
from .local_member import LocalMember
from .options import DEFAULT_TTL, RtcOptions
from .owner import Owner
from .speaking import Pushed
from .tokens import build_token


class Channel(LocalMember):
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
        super().__init__(rtc, options, grant)
        self.rtc: Any = rtc  # for applications, which know it as the `RtcEngine` that it is
        self.channelId = options.channel_name  # the name that Agora's users know
        self.chat = Chat(self)
        self.on = self._emitter.on
        self.once = self._emitter.once
        self.off = self._emitter.off
        streams = DataStreams(self._data_streams, self._receivers)
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

    async def renew_token(self, token: str) -> None:
        """Stay until another token ends, for the same channel, uid, name and permissions.

        Raises:
            TokenError: If it does not allow that; the one before counts on.
            DuplicateSessionError: If it was used already.
            UnavailableError: If whether it was used is not known, as the bus is away.
            ConfigurationError: If the channel is not connected.
        """
        await self._engine.renew(self, self._connected(), token)

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
            raise ConfigurationError("the token does not allow hearing others")
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
            raise ConfigurationError("the token does not allow seeing others")
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
