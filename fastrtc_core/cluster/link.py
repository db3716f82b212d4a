"""`RoomLink`: one room of a server, linked with the same room of others.

The notes, by `type`:

- `state`: who is here, all of it, every second and at each change; so nothing that is lost matters
  for long. `age` is that of the room, `listens` whether anybody here would hear others, `watches`
  whose cameras somebody here looks at, `departed` who has left since the latest one, and why.
- `who`: asks the others for theirs. One of them answers with the chat so far, too: `history`.
- `keyframe`: asks for a keyframe of a camera.
- `gone`: nobody is here any longer.
- `tell`: something that members are to be told: one (`to`), or all who are there.
- `chat`: a chat message.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from ..errors import FastRTCError, MessageError
from ..media.rtp import RtpPacket
from ..media.video_frames import EncodedVideoFrame
from ..messaging.chat import Written, read_written
from ..room.events import MessageSent, Sent, Transcribed
from ..room.room import Member, MutedSource, Room
from ..tracks.participant import Publication
from .bus import Bus
from .encoding import encode_voice
from .member import RemoteMember
from .notes import (
    State,
    Told,
    User,
    is_uid,
    read_departed,
    read_state,
    read_told,
    write_chat,
    write_told,
)
from .video import Showing
from .wire import Picture, Voice, pack_note, pack_picture, pack_voice, unpack

logger = logging.getLogger(__name__)

DEAD_AFTER = 4.0
"""How long in s nothing may be heard of a server until its members are taken to have left."""

HISTORY_PIECE = 20
"""Chat messages in one note."""

HISTORY_INTERVAL = 1.0
"""Shortest time in s between two answers with the chat so far; all who ask get the same one."""

MAX_SERVERS = 256
"""Other servers that are known at once."""

LOG_INTERVAL = 10.0
"""Shortest time in s between two lines in the log on what was dropped."""


class RoomLink:
    """Keeps a room in step with those of the other servers.

    It belongs to the event loop of the room. Nothing that comes over the bus ends it.

    Args:
        room: The room.
        server: Id of this server.
        bus: Carries bytes to the others; best effort.
        topic: Under which.
        own: Runs a coroutine in a task that somebody owns.

    Attributes:
        dropped: What came over the bus and could not be read, or was more than a room holds.
    """

    def __init__(
        self,
        room: Room,
        server: bytes,
        bus: Bus,
        topic: str,
        own: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
    ) -> None:
        self._room = room
        self._server = server
        self._bus = bus
        self._topic = topic
        self._own = own
        self._loop = asyncio.get_running_loop()
        self._others: dict[bytes, _Server] = {}
        self.dropped = 0
        self._showing = Showing(room.video, self._send_picture)
        room.video.watched_changed = self.changed
        self._listened = False
        """Whether anybody on another server would hear what is said here."""
        self._departed: dict[int, str] = {}
        """Who has left since the latest state, and why."""
        self._due = False
        self._closed = False
        self._history_at = -math.inf
        self._history: asyncio.TimerHandle | None = None
        self._logged_at = -math.inf

    @property
    def connected(self) -> bool:
        """Whether the other servers can be reached."""
        return self._bus.connected

    # What the room tells

    def joined(self, member: Member) -> None:
        """Somebody has joined here."""
        publication = member.participant.publication("microphone")
        send = partial(self._send_voice, member.uid, publication)
        if not member.may("publish_audio"):
            pass
        elif member.remote_audio is not None:
            member.remote_audio.forward = send
        else:
            self._own(encode_voice(member.participant, lambda: self._listened, send))
        self.changed()

    def left(self, uid: int, reason: str) -> None:
        """Somebody has left here."""
        self._departed[uid] = reason
        self.changed()

    def changed(self) -> None:
        """Who is here, or what they publish, has changed."""
        if not self._due:
            self._due = True
            self._loop.call_soon(self._send_state)

    def relay(self, event: MessageSent | Transcribed) -> None:
        """Have everybody elsewhere told."""
        self._note("tell", **write_told(event))

    def relay_chat(self, sender: int, written: Written) -> None:
        """Have a chat message written elsewhere."""
        self._note("chat", sender=sender, **write_chat(written))

    # What the cluster calls

    def ask(self) -> None:
        """Ask the others who is there, as one that is new."""
        self._note("who")
        self.changed()

    def beat(self) -> None:
        """Say that this server is there, and see who is no longer; once a second."""
        now = self._loop.time()
        for server, other in tuple(self._others.items()):
            if now - other.heard > DEAD_AFTER:
                logger.warning("a server with members of %r is not heard any more", self._room.name)
                self._drop(server, "lost")
        self.changed()

    def take(self, data: bytes) -> None:
        """Take what came over the bus; what cannot be read is dropped."""
        if self._closed:
            return
        try:
            server, content = unpack(data)
            if server == self._server:
                return
            if isinstance(content, Voice):
                self._take_voice(server, content)
            elif isinstance(content, Picture):
                self._take_picture(server, content)
            else:
                self._take_note(server, content)
        except FastRTCError as error:
            self._note_dropped(str(error))
        except Exception:
            self.dropped += 1
            logger.exception("a note for %r could not be taken", self._room.name)

    def _note_dropped(self, why: str) -> None:
        self.dropped += 1
        now = self._loop.time()
        if now - self._logged_at >= LOG_INTERVAL:
            self._logged_at = now
            logger.warning(
                "a note for %r was dropped, of %d so far: %s", self._room.name, self.dropped, why
            )

    def close(self) -> None:
        """Nobody is here any longer; idempotent."""
        if self._closed:
            return
        self._note("gone", departed=list(self._departed.items()))
        self._closed = True
        if self._history is not None:
            self._history.cancel()
        for server in tuple(self._others):
            self._drop(server, "left")

    # Sending

    def _note(self, type: str, **data: Any) -> None:
        self._bus.publish(self._topic, pack_note(self._server, {"type": type, **data}))

    def _send_state(self) -> None:
        self._due = False
        if self._closed:
            return
        here, departed = self._room.here, list(self._departed.items())
        self._departed.clear()
        codec_of = self._room.video.router.codec_of
        users = [
            {**member.describe(), "since": member.since, "codec": codec_of(member.uid)}
            for member in here
        ]
        self._note(
            "state",
            age=self._room.time,
            users=users,
            departed=departed,
            listens=any(member.may("subscribe") for member in here),
            watches=sorted(self._room.video.watched - {member.uid for member in here}),
        )

    def _send_voice(self, uid: int, publication: Publication, packet: RtpPacket) -> None:
        if self._listened and not publication.muted and not self._closed:
            self._bus.publish(self._topic, pack_voice(self._server, Voice(uid, packet)))

    def _send_picture(self, uid: int, number: int, frame: EncodedVideoFrame) -> None:
        if not self._closed:
            picture = pack_picture(self._server, Picture(uid, number, frame))
            self._bus.publish(self._topic, picture)

    def _owe_history(self) -> None:
        """Send the chat so far, soon and not too often."""
        if self._history is None:
            due = max(self._loop.time(), self._history_at + HISTORY_INTERVAL)
            self._history = self._loop.call_at(due, self._send_history)

    def _send_history(self) -> None:
        self._history, self._history_at = None, self._loop.time()
        written = self._room.chat.export(self._room.time)
        for start in range(0, len(written), HISTORY_PIECE):
            self._note("history", messages=written[start : start + HISTORY_PIECE])

    # Receiving

    def _take_voice(self, server: bytes, voice: Voice) -> None:
        member = self._room.members.get(voice.uid)
        if (
            isinstance(member, RemoteMember)
            and member.server == server
            and any(one.may("subscribe") for one in self._room.here)
        ):
            member.take(voice.packet)

    def _take_picture(self, server: bytes, picture: Picture) -> None:
        member = self._room.members.get(picture.uid)
        if isinstance(member, RemoteMember) and member.server == server:
            member.camera.take(picture.number, picture.frame)

    def _take_note(self, server: bytes, note: dict[str, Any]) -> None:
        match note:
            case {"type": "state"}:
                self._take_state(server, read_state(note, self._room.max_users))
            case {"type": "who"}:
                self.changed()
                if self._server == min({self._server, *self._others} - {server}):
                    self._owe_history()
            case {"type": "keyframe", "uid": uid} if is_uid(uid):
                self._showing.request_keyframe(uid)
            case {"type": "gone"}:
                self._drop(server, "left", read_departed(note))
            case {"type": "tell"}:
                self._tell(read_told(note))
            case {"type": "chat", "sender": sender} if is_uid(sender):
                self._room.take_chat(sender, read_written(note))
            case {"type": "history", "messages": list() as messages}:
                self._room.restore_chat(messages)
            case _:
                raise MessageError(f"there is no such note of the type {note['type'][:40]!r}")

    def _take_state(self, server: bytes, state: State) -> None:
        if server not in self._others and len(self._others) >= MAX_SERVERS:
            raise MessageError(f"there are {MAX_SERVERS} other servers already")
        self._room.begin_earlier(state.age)
        self._others[server] = _Server(self._loop.time(), state.listens, state.watches)
        self._note_others()
        self._follow(server, state.users, state.departed)

    def _tell(self, told: Told) -> None:
        if isinstance(told.event, Transcribed):
            self._room.tell_transcript(told.event)
            return
        for member in self._room.here:
            if told.to in (None, member.uid):
                self._room.tell(member, told.event)

    # Who is elsewhere

    def _follow(self, server: bytes, users: tuple[User, ...], departed: Mapping[int, str]) -> None:
        """Have those there in the room whom the server has named, and no others."""
        named = {user.uid for user in users}
        for there in self._members_of(server):
            if there.uid not in named:
                self._remove(there, departed.get(there.uid, "left"))
        for user in users:
            member = self._room.members.get(user.uid)
            if member is None and self._room.full:
                self._note_dropped(f"user {user.uid} is one more than the room holds")
                continue
            if member is None or member.is_here:
                member = self._admit(server, user, member)
            if isinstance(member, RemoteMember) and member.server == server:
                for source, published in member.follow(user.tracks):
                    self._room.note_track(member, source, published=published)
                for source in get_args(MutedSource):
                    self._room.mute(member, source, source in user.muted)
                if user.codec is not None:
                    self._room.video.router.announce(user.uid, user.codec)

    def _admit(self, server: bytes, user: User, here: Member | None) -> Member:
        """Let somebody in who is there; of two of the same uid, who came first stays."""
        if here is not None:
            if (here.since, self._server) < (user.since, server):
                return here
            logger.info("user %d of %r was elsewhere before", user.uid, self._room.name)
            here.expel()
            return here  # until it is gone; the next state tells again
        forward = partial(self._forward, user.uid)
        ask = partial(self._note, "keyframe", uid=user.uid)
        member = RemoteMember(user.uid, user.name, server, forward, ask)
        member.since = user.since
        self._room.join(member)
        return member

    def _forward(self, to: int, event: Sent) -> None:
        self._note("tell", to=to, **write_told(event))

    def _drop(
        self, server: bytes, reason: str, departed: Mapping[int, str] = MappingProxyType({})
    ) -> None:
        self._others.pop(server, None)
        self._note_others()
        for member in self._members_of(server):
            self._remove(member, departed.get(member.uid, reason))

    def _remove(self, member: RemoteMember, reason: str) -> None:
        self._room.leave(member.uid, reason)
        member.close()

    def _members_of(self, server: bytes) -> list[RemoteMember]:
        members = self._room.members.values()
        return [one for one in members if isinstance(one, RemoteMember) and one.server == server]

    def _note_others(self) -> None:
        """Note what is heard and seen elsewhere."""
        self._listened = any(other.listens for other in self._others.values())
        watched = {uid for other in self._others.values() for uid in other.watches}
        self._showing.show(member.uid for member in self._room.here if member.uid in watched)


class _Server(NamedTuple):
    """Another server: when it was heard, whether anybody there would hear others, whom they see."""

    heard: float
    listens: bool
    watches: frozenset[int]
