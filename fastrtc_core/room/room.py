"""`Room`: who is in a channel, and what they say to each other."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any, Protocol, get_args

from ..errors import ConfigurationError, DuplicateSessionError, MessageError, RpcError, StreamError
from ..messages import BytesLike
from ..messaging.assembler import MAX_MESSAGE, MAX_MESSAGE_ID, WHOLE, is_message_id
from ..messaging.chat import ChatLog, Written
from ..messaging.naming import is_unicode
from ..messaging.rpc import MAX_TEXT as MAX_CALL
from ..messaging.rpc import RpcErrorCode
from ..messaging.streams.packets import MAX_PACKET
from ..messaging.transcripts import Transcript
from ..webrtc.options import AudioOptions, VideoOptions
from .events import (
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
from .expiry import Expiry
from .grants import Grant
from .member import Member, MutedSource, Sender
from .mix_encoder import MixEncoder
from .room_mixer import RoomMixer
from .room_video import RoomVideo
from .snapshot import RoomSnapshot

logger = logging.getLogger(__name__)

MAX_USERS = 64
"""Members of a room, unless the engine says otherwise."""


class Link(Protocol):
    """The same room on other servers."""

    @property
    def connected(self) -> bool:
        """Whether the other servers can be reached."""

    def joined(self, member: Member) -> None:
        """Somebody has joined here."""

    def left(self, uid: int, reason: str) -> None:
        """Somebody has left here."""

    def changed(self) -> None:
        """Who is here, or what they publish, has changed."""

    def relay(self, event: MessageSent | Transcribed) -> None:
        """Have everybody elsewhere told."""

    def relay_chat(self, sender: int, written: Written) -> None:
        """Have a chat message written elsewhere."""


class Room:
    """The members of one channel.

    Args:
        name: Of the channel.
        emptied: Called when the last member has left.
        max_users: Members that it holds, those on other servers included.
        audio_options: How what those hear who say nothing is encoded.
        video_options: How pictures are encoded that are.

    Attributes:
        members: By uid.
        mixer: What they hear.
        video: What they see.
        encoder: Encodes what those hear who say nothing.
        chat: What was written.
        link: The same room on other servers, if there are any.
        max_users: As above.
    """

    def __init__(
        self,
        name: str,
        emptied: Callable[[Room], None],
        max_users: int = MAX_USERS,
        audio_options: AudioOptions | None = None,
        video_options: VideoOptions | None = None,
    ) -> None:
        self.name = name
        self.max_users = max_users
        self.members: dict[int, Member] = {}
        self.mixer = RoomMixer(self._note_speaker)
        self.video = RoomVideo(self._tell_source, video_options)
        self.encoder = MixEncoder(audio_options)
        self.chat = ChatLog()
        self.link: Link | None = None
        self._expiries: dict[int, Expiry] = {}
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._emptied = emptied

    @property
    def time(self) -> float:
        """Since the first member came, in s."""
        return self._loop.time() - self._begun

    @property
    def full(self) -> bool:
        """Whether nobody else has room."""
        return len(self.members) >= self.max_users

    @property
    def here(self) -> list[Member]:
        """The members that are connected to this server."""
        return [member for member in self.members.values() if member.is_here]

    @property
    def whole(self) -> bool:
        """Whether members on other servers, if there are other servers, are reached."""
        return self.link is None or self.link.connected

    def snapshot(self) -> RoomSnapshot:
        """What goes on now."""
        return RoomSnapshot(
            name=self.name,
            members={uid: member.snapshot() for uid, member in self.members.items()},
            whole=self.whole,
            chat=len(self.chat.history),
            cameras=self.video.cameras,
            watched=tuple(sorted(self.video.watched)),
            encoders=len(self.video.encoders),
        )

    def begin_earlier(self, time: float) -> None:
        """On another server the first member has been there for so many s."""
        self._begun = min(self._begun, self._loop.time() - time)

    def join(self, member: Member) -> None:
        """Let somebody in; the others are told.

        Raises:
            DuplicateSessionError: If somebody of that uid is here.
        """
        if member.uid in self.members:
            raise DuplicateSessionError(f"there is a user {member.uid} in {self.name!r} already")
        self.members[member.uid] = member
        if member.may("publish_audio"):
            self.mixer.add_speaker(member.uid, member.participant)
        if self.link is not None and member.is_here:
            self.link.joined(member)
        self._tell_others(member.uid, UserJoined(member.uid, member.describe()))
        if member.grant is not None and member.is_here:
            self.renew(member, member.grant)

    def renew(self, member: Member, grant: Grant) -> None:
        """A member may stay until this token ends; it is warned before, and must leave then."""
        member.grant = grant
        if member.uid not in self._expiries:
            self._expiries[member.uid] = Expiry(
                lambda left: self.tell(member, TokenWillExpire(round(left))),
                lambda: self._expire(member),
            )
        self._expiries[member.uid].watch(grant.expires)

    def _expire(self, member: Member) -> None:
        self.tell(member, TokenExpired())
        member.expel("expired")

    def leave(self, uid: int, reason: str) -> None:
        """Let somebody go; idempotent."""
        member = self.members.pop(uid, None)
        if member is None:
            return
        if (expiry := self._expiries.pop(uid, None)) is not None:
            expiry.close()
        self.mixer.remove(uid)
        self.video.remove(uid)
        self.chat.forget(uid)
        member.participant.leave()
        self._tell_all(UserLeft(uid, reason))
        if not member.is_here:
            return
        if self.link is not None:
            self.link.left(uid, reason)
        if not self.here:
            self.mixer.close()
            self._emptied(self)

    def note_track(self, member: Member, source: str, *, published: bool) -> None:
        """Tell the others that somebody publishes a track, or does no longer."""
        if source == "camera":
            self._show_camera(member)
        event = TrackPublished if published else TrackUnpublished
        self._tell_others(member.uid, event(member.uid, source))
        if self.link is not None and member.is_here:
            self.link.changed()

    def mute(self, member: Member, source: Any, muted: bool, *, by_server: bool = False) -> None:
        """Have nobody hear or see something of a member, or everybody again; all are told.

        What the server has muted stays so until the server unmutes it, and what the member has
        muted until the member does.

        Raises:
            ConfigurationError: If there is no such source.
        """
        if source not in get_args(MutedSource):
            raise ConfigurationError(f"mute 'microphone' or 'camera', not {str(source)[:40]!r}")
        publication = member.participant.publication(source)
        mutes = member.held if by_server else member.own_mutes
        (mutes.add if muted else mutes.discard)(source)
        now = source in member.muted
        if now == publication.muted:
            return
        publication.muted = now
        if source == "camera":
            self._show_camera(member)
        self._tell_all((TrackMuted if now else TrackUnmuted)(member.uid, source))
        if self.link is not None and member.is_here:
            self.link.changed()

    def _show_camera(self, member: Member) -> None:
        if "camera" in member.participant.tracks and "camera" not in member.muted:
            self.video.add_camera(member.uid, member.participant)
        else:
            self.video.remove_camera(member.uid)

    def note_reach(self) -> None:
        """Tell that other servers can be reached again, or no longer."""
        state = "connected" if self.whole else "reconnecting"
        self._tell_all(ConnectionStateChanged(state))

    def send(self, sender: Member, text: str, msg_id: str, to: int | None = None) -> None:
        """Carry a message to everybody else, or to one.

        Raises:
            ConfigurationError: If the sender may not, or there is no such user.
            MessageError: If it is longer than 256 KiB, no Unicode text, or has no proper id.
        """
        self._check(sender)
        if isinstance(text, BytesLike):
            raise MessageError("a message is text: send bytes with `stream_bytes` or `send_file`")
        if not is_unicode(text) or len(text.encode()) > MAX_MESSAGE:
            raise MessageError(f"a message must be Unicode text of up to {MAX_MESSAGE} bytes")
        if msg_id and not is_message_id(msg_id):
            raise MessageError(f"the id of a message has up to {MAX_MESSAGE_ID} characters")
        if len(text) > WHOLE:
            msg_id = msg_id or secrets.token_hex(8)
        message = MessageSent(sender.uid, text, msg_id)
        if to is None:
            self._tell_others(sender.uid, message)
            if self.link is not None:
                self.link.relay(message)
        elif to in self.members:
            self.tell(self.members[to], message)
        else:
            raise ConfigurationError(f"there is no user {to} in {self.name!r}")

    def call(self, sender: Member, to: int, text: str) -> None:
        """Carry a request or a response of `rpc` to one user.

        Raises:
            RpcError: If the sender may not, or there is no such user.
        """
        if not sender.may("publish_messages"):
            raise RpcError(RpcErrorCode.SEND_FAILED, "the token does not allow sending messages")
        if to not in self.members:
            raise RpcError(RpcErrorCode.RECIPIENT_NOT_FOUND, f"there is no user {to}")
        if len(text) > MAX_CALL:
            raise RpcError(RpcErrorCode.SEND_FAILED, f"a call has up to {MAX_CALL} characters")
        self.tell(self.members[to], CallSent(sender.uid, text))

    def carry_stream(self, sender: Member, text: str, to: int) -> None:
        """Carry a packet of a stream to one user; see `streams`.

        Raises:
            StreamError: If the sender may not, the packet is too large, or there is no such user.
        """
        if not sender.may("publish_messages"):
            answer = sender.answering.answer(to, text)
            if answer is None:
                raise StreamError("the token does not allow sending messages")
            text = answer
        if len(text) > MAX_PACKET:
            raise StreamError(f"a packet has up to {MAX_PACKET} characters")
        if to not in self.members or to == sender.uid:
            raise StreamError(f"there is no other user {to}")
        self.tell(self.members[to], StreamPacketSent(sender.uid, text))

    def transcribe(self, sender: Sender, uid: int | None, transcript: Transcript) -> None:
        """Tell what somebody said: those who may hear it, on all servers, and who said it.

        Args:
            sender: Who wrote it down.
            uid: Who said it; `None` where that is not known.
            transcript: What was said.

        Raises:
            ConfigurationError: If the sender may not.
        """
        self._check(sender)
        transcribed = Transcribed(uid, transcript, sender.uid)
        self.tell_transcript(transcribed)
        if self.link is not None:
            self.link.relay(transcribed)

    def tell_transcript(self, event: Transcribed) -> None:
        """Tell the members here of a transcript that was made here or on another server."""
        for member in self.here:
            if member.may("subscribe") or member.uid in (event.uid, event.sender):
                self.tell(member, event)

    def write(self, sender: Member, written: Written) -> None:
        """Take a chat message, as `ChatLog.compose` makes it; everybody gets it, the sender too.

        Raises:
            ConfigurationError: If the sender may not.
        """
        self._check(sender)
        self.take_chat(sender.uid, written)
        if self.link is not None:
            self.link.relay_chat(sender.uid, written)

    def take_chat(self, sender: int, written: Written) -> None:
        """Take a chat message that was written here or on another server."""
        message = self.chat.take(sender, written, self.time)
        if message is not None:
            self._tell_all(ChatWritten(message))

    def restore_chat(self, messages: list[Any]) -> None:
        """Take what was written before anybody was here.

        Raises:
            MessageError: If it cannot be read.
        """
        for message in self.chat.restore(messages, self.time):
            self._tell_all(ChatWritten(message))

    def _note_speaker(self, uid: int | None) -> None:
        self._tell_all(ActiveSpeaker(uid))
        self.video.router.note_speaker(uid)

    def _tell_source(self, uid: int, source: int | None) -> None:
        if uid in self.members:
            self.tell(self.members[uid], VideoSourceChanged(source))

    def _check(self, sender: Sender) -> None:
        if not sender.may("publish_messages"):
            raise ConfigurationError("the token does not allow sending messages")

    def _tell_all(self, event: Event) -> None:
        for member in self.here:
            self.tell(member, event)

    def _tell_others(self, uid: int, event: Event) -> None:
        for member in self.here:
            if member.uid != uid:
                self.tell(member, event)

    def tell(self, member: Member, event: Event) -> None:
        """Tell one member; a fault of it is nobody else's."""
        try:
            member.tell(event)
        except Exception:
            kind = type(event).__name__
            logger.exception("user %d of %r could not be told of %s", member.uid, self.name, kind)
