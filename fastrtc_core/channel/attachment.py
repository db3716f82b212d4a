"""A handler that takes part in a channel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, NamedTuple, Protocol

from ..context import Context, current_context
from ..errors import ChannelClosedError, ConfigurationError, MessageError
from ..frames import AudioFrame
from ..handler import StreamHandlerBase
from ..handler.functions import Function
from ..messages import build_message, parse_server_message
from ..messaging.transcripts import read_transcript
from ..outputs import AdditionalOutputs
from ..room.hearing import Hearing
from ..room.mixing import SAMPLE_RATE, Mix
from ..room.room import Member, Room, Sender
from ..session import CloseReason, Medium, Session, copy_handler
from ..tracks import AudioMixer, AudioStream, Participant
from .owner import Owner

AUDIO: frozenset[Medium] = frozenset({"audio"})


class Host(Sender, Protocol):
    """The member for which a handler hears and speaks; see `Channel`."""

    on: Callable[..., Any]
    off: Callable[..., None]

    @property
    def participant(self) -> Participant:
        """What it publishes."""

    @property
    def state(self) -> str:
        """Whether it is in the channel."""

    @property
    def remote_users(self) -> Mapping[int, Any]:
        """Everybody else, by uid."""

    async def send_stream_message(self, text: str, *, to: int | None = None) -> Any:
        """Send a message."""

    def note_detached(self) -> None:
        """The handler has ended."""


class _Copy(NamedTuple):
    """A copy of the handler, what it hears, and whom; `None` if it hears all."""

    session: Session
    hearing: Hearing
    member: Member | None


class Attachment:
    """Runs sessions of a handler for one member of a room.

    Args:
        channel: The member.
        room: The room.
        engine: Owns the tasks.
        handler: The prototype.
        per_user: Whether each user is heard by a copy of its own.
        on_outputs: Called with the additional outputs of each copy, and whom it hears.
    """

    def __init__(
        self,
        channel: Host,
        room: Room,
        engine: Owner,
        handler: StreamHandlerBase,
        *,
        per_user: bool,
        on_outputs: Callable[..., Any] | None = None,
    ) -> None:
        self._channel = channel
        self._room = room
        self._engine = engine
        self._prototype = handler
        self._per_user = per_user
        self._on_outputs = None if on_outputs is None else Function(on_outputs, leading=0)
        self._voices = AudioMixer(SAMPLE_RATE)
        self._sessions: dict[int | None, _Copy] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Lock()
        """Who comes and goes is followed one after the other."""
        self._closed = False

    async def start(self) -> None:
        """Begin."""
        channel = self._channel
        if channel.may("publish_audio"):
            channel.participant.publish("microphone", self._voices.track)
        channel.on("stream_message", self._hand_on)
        if self._per_user:
            channel.on("user_joined", self._follow)
            channel.on("user_left", self._follow)
            await self._follow()
            return
        async with self._turn:
            hearing = (await self._begin(None, None)).hearing

            def hear(mix: Mix) -> None:
                hearing.hear(AudioFrame(SAMPLE_RATE, mix.data))

            if not self._closed and channel.state != "disconnected":
                self._room.mixer.add_listener(channel.uid, hear)

    async def aclose(self) -> None:
        """End all sessions; idempotent. Then another handler may be attached."""
        if self._closed:
            return
        self._closed = True
        for event, callback in (
            ("stream_message", self._hand_on),
            ("user_joined", self._follow),
            ("user_left", self._follow),
        ):
            self._channel.off(event, callback)
        try:
            async with self._turn:  # who is just being served is ended, too
                self._room.mixer.remove_listener(self._channel.uid)
                for uid in tuple(self._sessions):
                    self._end(uid)
            if self._running:
                await asyncio.wait(self._running)
        finally:
            await self._voices.aclose()
            self._channel.note_detached()

    async def _follow(self) -> None:
        """Have a copy for each user who is there, and for nobody else."""
        async with self._turn:
            members = self._room.members
            for uid, copy in tuple(self._sessions.items()):
                if uid is None or members.get(uid) is not copy.member:
                    self._end(uid)
            for uid in self._channel.remote_users:
                if uid not in self._sessions and uid in members and not self._closed:
                    member = members[uid]
                    self._engine.own(self._feed(await self._begin(uid, member), member))

    async def _feed(self, copy: _Copy, member: Member) -> None:
        assert copy.session.remote_audio is not None
        rate = copy.session.remote_audio.sample_rate
        async with AudioStream.from_participant(
            participant=member.participant, sample_rate=rate
        ) as stream:
            async for event in stream:
                copy.hearing.hear(event.frame)

    async def _begin(self, uid: int | None, member: Member | None) -> _Copy:
        identity = f"{self._room.name}/{self._channel.uid}" + ("" if uid is None else f"/{uid}")
        params = {"channel": self._room.name, "uid": uid}
        context = Context(identity, "channel", params)
        token = current_context.set(context)
        try:
            handler = await copy_handler(self._prototype, identity)
            session = Session(handler, context, receives=AUDIO, sends=AUDIO)
        finally:
            current_context.reset(token)
        assert session.local_audio is not None
        session.local_audio.published = False  # it is pulled for the mix of all voices
        self._voices.add(session.local_audio)
        session.open_channel(_Messages(self._channel, self._room, self._engine, uid))
        if self._on_outputs is not None:
            outputs = session.outputs.subscribe()
            self._run(_call_with(outputs, self._on_outputs, uid, self._engine))
        self._run(session.run())
        assert session.remote_audio is not None
        copy = self._sessions[uid] = _Copy(session, Hearing(session.remote_audio.push), member)
        return copy

    def _run(self, coro: Coroutine[Any, Any, Any]) -> None:
        """Run what `aclose` waits for."""
        running = self._engine.own(coro)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def _end(self, uid: int | None) -> None:
        copy = self._sessions.pop(uid)
        copy.hearing.close()
        copy.session.stop(CloseReason.CLOSED)

    def _hand_on(self, uid: int, text: str, msg_id: str) -> None:
        """Give a message to the handler."""
        copy = self._sessions.get(uid if self._per_user else None)
        if copy is not None:
            data = {"uid": uid, "data": text, "msg_id": msg_id}
            self._engine.loop.call_soon_threadsafe(
                copy.session.take_message, build_message("message", data)
            )


async def _call_with(
    outputs: AsyncIterator[AdditionalOutputs],
    function: Function,
    uid: int | None,
    engine: Owner,
) -> None:
    """Hand on the outputs of a session until it has ended."""
    async for output in outputs:
        engine.call(function.call, function.pick((output, uid)))


class _Messages:
    """The message channel of such a session: what the handler sends goes to all, or to one user.

    A transcript is for all who may hear: the user's own words, or those of the handler.
    """

    raw = None
    asks = False

    def __init__(self, channel: Host, room: Room, engine: Owner, uid: int | None) -> None:
        self._channel = channel
        self._room = room
        self._engine = engine
        self._uid = uid

    def post(self, text: str) -> None:
        """Send the data of messages and transcripts; the rest is for clients of a session."""
        message = parse_server_message(text)
        if message.type == "transcript":
            self._transcribe(message.data)
        if message.type != "message":
            return
        data = message.data if isinstance(message.data, str) else json.dumps(message.data)
        if self._channel.state == "disconnected":
            raise ChannelClosedError("the channel is not connected")
        self._engine.own(self._send(data))

    def post_bytes(self, data: bytes) -> None:
        """Bytes go from member to member as streams, which are read at the pace of the reader."""
        raise MessageError(
            "the messages of a channel are text: send bytes with `stream_bytes` of the member"
        )

    async def drain(self) -> None:
        """There is always room."""

    def _transcribe(self, data: Any) -> None:
        transcript = read_transcript(data)
        if self._channel.state == "disconnected":
            raise ChannelClosedError("the channel is not connected")
        said_by_handler = transcript.role == "assistant"
        try:
            uid = self._channel.uid if said_by_handler else self._uid
            self._room.transcribe(self._channel, uid, transcript)
        except ConfigurationError as error:  # the token does not allow it
            raise ChannelClosedError(str(error)) from None

    async def _send(self, data: str) -> None:
        try:
            await self._channel.send_stream_message(data, to=self._uid)
        except ConfigurationError as error:  # the user has left meanwhile
            raise ChannelClosedError(str(error)) from None
