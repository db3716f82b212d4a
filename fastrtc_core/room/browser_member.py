"""A member in a browser, over WebRTC.

Everything but media goes over the data channel, in messages of the type `message` whose data have
an `event`: `joined` first, with everybody who is there and what was written; then what happens.
Messages that are too long for one go in parts, see `assembler`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..allowance import Allowance
from ..errors import (
    ChannelClosedError,
    FastRTCError,
    MessageError,
    OfferError,
    QueueFullError,
    RpcError,
    StreamError,
)
from ..messages import build_message, parse_client_message
from ..messaging.assembler import MessageAssembler
from ..messaging.naming import is_unicode
from ..messaging.rpc import failure_of
from ..messaging.streams.packets import refusal_of
from ..session import CloseReason, MessageChannel
from ..tracks import RemoteAudioTrack
from ..webrtc.encoded import EncodedAudio, EncodedVideo
from ..webrtc.flows import Flows
from ..webrtc.incoming_video import EncodedRemoteVideo
from ..webrtc.options import AudioOptions
from .events import CallSent, ChatWritten, Event, MessageSent, StreamPacketSent, Transcribed
from .grants import Grant
from .member import Member
from .member_lane import MemberLane
from .mix_encoder import MixEncoder
from .page import WELCOME, latest_chat, text_of, texts_of
from .room import Room
from .room_mixer import SAMPLE_RATE, Mix
from .snapshot import MemberSnapshot

logger = logging.getLogger(__name__)

MAX_EARLY = 256
"""Messages that wait for the data channel to open; then it is let go."""

BYTES = 4_000_000.0
BYTES_BURST = 2_000_000.0
"""Bytes that it may send in a second, and that it may save up."""

OVERHEAD = 512
"""Bytes that a message counts for beside its own, so that a flood of small ones is one."""

RATE = 50.0
BURST = 200.0
"""Messages that it may send in a second, and that it may save up."""


class BrowserMember(Member):
    """One browser; it is the endpoint of its peer connection.

    Args:
        grant: Who it is, and what it may do.
        name: What it is called.
        find_room: Finds the room of a channel, or makes it.
        flows: Which media its offer has room for.
        renew: Takes a new token, and tells the member what became of it.
        audio_options: How what it hears is encoded.
    """

    def __init__(
        self,
        grant: Grant,
        name: str,
        find_room: Callable[[str], Room],
        flows: Flows,
        renew: Callable[[BrowserMember, Room, str], None],
        audio_options: AudioOptions | None = None,
    ) -> None:
        super().__init__(grant.uid, grant.name or name, grant.permissions, grant)
        speaks = self.may("publish_audio") and "audio" in flows.receives
        shows = self.may("publish_video") and "video" in flows.receives
        sends = flows.sends if self.may("subscribe") else frozenset()
        self.remote_audio = RemoteAudioTrack(SAMPLE_RATE, 1, sparse=True) if speaks else None
        self.remote_video = EncodedRemoteVideo() if shows else None
        self.local_audio = EncodedAudio() if "audio" in sends else None
        self.local_video = EncodedVideo() if "video" in sends else None
        self._channel_name = grant.channel
        self._find_room = find_room
        self._renew = renew
        self._expelled = ""
        self._room: Room | None = None
        self._loop = asyncio.get_running_loop()
        self._encoder = MixEncoder(audio_options)
        self._channel: MessageChannel | None = None
        self._early: list[str] = []
        self._stopped = asyncio.Event()
        self._reason = CloseReason.CLIENT
        self._assembler = MessageAssembler()
        self._messages = Allowance(RATE, BURST, self._loop.time())
        self._bytes = Allowance(BYTES, BYTES_BURST, self._loop.time())
        self._words = MemberLane(self._give_up)
        """Messages of others."""
        self._streams = MemberLane(self._give_up)
        """Packets of their streams."""

    @property
    def reason(self) -> CloseReason:
        """Why the connection has ended."""
        return self._reason

    async def stopped(self) -> None:
        """Wait until the connection has ended."""
        await self._stopped.wait()

    async def run(self, max_message_size: float) -> None:
        """Be in the room until the connection ends.

        Args:
            max_message_size: Bytes of the largest message that the browser takes.
        """
        try:
            room = self._find_room(self._channel_name)
            welcome = self._welcome(room, max_message_size)
            room.join(self)
        except OfferError as error:  # somebody else was faster
            self._post(build_message("error", str(error)))
            self._reason = CloseReason.FAILED
            return
        self._room = room
        self._tell("joined", **welcome)
        try:
            if self.local_audio is not None:
                room.mixer.add_listener(self.uid, self._hear)
            if self.remote_audio is not None:
                self.participant.publish("microphone", self.remote_audio)
                room.note_track(self, "microphone", published=True)
            if self.local_video is not None:
                room.video.add_screen(self.uid, self.local_video)
            if self.remote_video is not None:
                self.participant.publish("camera", self.remote_video)
                room.note_track(self, "camera", published=True)
            async with asyncio.TaskGroup() as tasks:
                pumps = [
                    tasks.create_task(lane.run(lambda: self._channel))
                    for lane in (self._words, self._streams)
                ]
                await self._stopped.wait()
                for pump in pumps:
                    pump.cancel()
        except asyncio.CancelledError:
            self._reason = CloseReason.DRAIN
            self._post(build_message("closing", self._reason))
            raise
        finally:
            self._room = None
            room.leave(self.uid, self._expelled or self._reason)
            for track in (self.remote_audio, self.remote_video, self.local_audio, self.local_video):
                if track is not None:
                    track.end()

    def snapshot(self) -> MemberSnapshot:
        """What goes on with it now."""
        lanes = (self._words, self._streams)
        return replace(
            self._snapshot("browser"),
            waiting=sum(lane.waiting for lane in lanes),
            dropped=sum(lane.dropped for lane in lanes),
        )

    def tell(self, event: Event) -> None:
        """Send what has happened; what others send waits in lanes, a part for each of them."""
        for text in texts_of(event):
            match event:
                case ChatWritten(message):
                    self._words.push(message.sender, text)
                case MessageSent() | Transcribed() | CallSent():
                    self._words.push(event.sender, text)
                case StreamPacketSent(sender, packet):
                    if not self.may("publish_messages"):
                        self.answering.note(sender, packet)
                    self._streams.push(sender, text)
                case _:
                    self._post(text)

    # What the peer calls

    def open_channel(self, channel: MessageChannel) -> None:
        """Take the message channel."""
        self._channel = channel
        for text in self._early:
            self._post(text)
        self._early.clear()
        self._words.wake()
        self._streams.wake()

    def take_message(self, text: str | bytes) -> None:
        """Take a message of the browser; what is wrong with it is answered."""
        try:
            size = len(text.encode(errors="replace") if isinstance(text, str) else text)
            if not self._bytes.take(size + OVERHEAD, self._loop.time()):
                raise MessageError("too many bytes a second: this message is lost")
            message = parse_client_message(text)
            if isinstance(message.data, bytes):
                raise MessageError("the messages of a channel are text: send bytes as a stream")
            if not (isinstance(message.data, dict) and message.data.get("event") == "data_stream"):
                self._count_message()
            if message.type != "message" or not isinstance(message.data, dict):
                raise MessageError("a member sends messages, each an object with an 'event'")
            self._do(message.data)
        except FastRTCError as error:
            self._post(build_message("error", str(error)))
        except Exception:
            logger.exception("a message of user %d of %r failed", self.uid, self._channel_name)
            self._post(build_message("error", "the message could not be handled"))

    def stop(self, reason: CloseReason) -> None:
        """Note that the connection has ended; the first reason counts."""
        if not self._stopped.is_set():
            self._reason = reason
        self._stopped.set()

    def expel(self, reason: str = "closed") -> None:
        """It has to leave."""
        if not self._stopped.is_set():
            self._expelled = reason
            self._post(build_message("closing", reason))
        self.stop(CloseReason.CLOSED)

    def note_renewal(self, error: FastRTCError | None) -> None:
        """Its new token counts, or was refused."""
        if error is None:
            self._tell("token_renewed")
        else:
            self._post(build_message("error", str(error)))

    def _do(self, data: dict[str, Any]) -> None:
        room, event, text = self._room, data.get("event"), data.get("data")
        if room is None:
            raise MessageError("wait until you have joined")
        if not is_unicode(text):
            raise MessageError("the data of a message must be Unicode text")
        if event == "chat_message":
            room.write(self, room.chat.compose(text, msg_id=data.get("id")))
        elif event == "data_stream":
            self._carry(room, data.get("to"), text)
        elif event == "rpc":
            self._call(room, data.get("to"), text)
        elif event == "renew_token":
            self._renew(self, room, text)
        elif event in ("mute", "unmute"):
            room.mute(self, text, event == "mute")
        elif event == "choose_video":
            self._choose_video(room, text)
        elif event in ("stream_message", "stream_message_part"):
            to, msg_id = data.get("to"), data.get("msg_id", "")
            if not isinstance(msg_id, str) or not (to is None or isinstance(to, int)):
                raise MessageError("'to' is a uid, and 'msg_id' a text")
            if event == "stream_message_part":
                whole = self._assembler.push(self.uid, text, room.time)
                if whole is None:
                    return
                text, msg_id = whole.text, whole.msg_id
            room.send(self, text, msg_id, to)
        else:
            raise MessageError(f"unknown event {str(event)[:40]!r}")

    def _call(self, room: Room, to: Any, text: str) -> None:
        if type(to) is not int:
            raise MessageError("'to' of an rpc is a uid")
        try:
            room.call(self, to, text)
        except RpcError as error:
            if (failed := failure_of(text, error)) is not None:
                self._tell("rpc", uid=to, data=failed)

    def _choose_video(self, room: Room, text: str) -> None:
        others = {str(uid): uid for uid in room.members if uid != self.uid}
        if text and text not in others:
            raise MessageError("the data of choose_video is the uid of another user, or empty")
        if self.local_video is None:
            raise MessageError("this connection receives no video")
        room.video.router.choose(self.uid, others.get(text))

    def _carry(self, room: Room, to: Any, text: str) -> None:
        if type(to) is not int:
            raise MessageError("'to' of a data_stream is a uid")
        try:
            room.carry_stream(self, text, to)
        except StreamError as error:
            if (refusal := refusal_of(text, str(error))) is not None:
                self._tell("data_stream", uid=to, data=refusal)

    def _count_message(self) -> None:
        if not self._messages.take(1, self._loop.time()):
            raise MessageError(f"more than {RATE:g} messages a second: this one is lost")

    # To the browser

    def _hear(self, mix: Mix) -> None:
        assert self.local_audio is not None
        assert self._room is not None
        encoder = self._room.encoder if mix.shared else self._encoder
        self.local_audio.push(encoder.encode(mix))

    def _welcome(self, room: Room, max_size: float) -> dict[str, Any]:
        """Who is there, and as much of the chat as fits beside it into a message of this size."""
        welcome: dict[str, Any] = {
            "uid": self.uid,
            "channel": room.name,
            "state": "connected" if room.whole else "reconnecting",
            "users": [member.describe() for member in room.members.values()],
            "chat": [],
        }
        rest = max_size - len(text_of("joined", **welcome))
        welcome["chat"] = latest_chat(room.chat.history, min(WELCOME, rest))
        return welcome

    def _tell(self, event: str, **data: Any) -> None:
        self._post(text_of(event, **data))

    def _post(self, text: str) -> None:
        if self._channel is None:
            if len(self._early) < MAX_EARLY:
                self._early.append(text)
            else:
                self.stop(CloseReason.LOST)
            return
        try:
            self._channel.post(text)
        except QueueFullError:
            self._give_up()
        except ChannelClosedError:
            return
        except MessageError as error:
            logger.warning("user %d of %r misses one: %s", self.uid, self._channel_name, error)

    def _give_up(self) -> None:
        """It reads nothing, and would miss who comes and goes."""
        logger.info("user %d of %r reads nothing", self.uid, self._channel_name)
        self.stop(CloseReason.LOST)
