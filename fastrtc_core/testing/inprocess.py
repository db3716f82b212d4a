"""The in-process transport: a session without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from typing import Any

import av

from ..context import Context, current_context
from ..errors import ChannelClosedError, EndOfStreamError
from ..frames import AudioFrame
from ..handler import StreamHandlerBase
from ..messages import BytesLike, Message, build_message, parse_server_message
from ..session import CloseReason, Hooks, Medium, Session, copy_handler
from ..speech import TurnRecord
from ..tracks import LocalAudioTrack, LocalVideoTrack, TimedAudioFrame
from .line import Arriving, Line, Uplink, Way
from .signals import frames_of

BOTH: frozenset[Medium] = frozenset({"audio"})


class InProcessPeer:
    """The client's end of a session in the same process.

    Attributes:
        session: The session.
        heard: Every audio frame that was sent, each with the loop time at which it was; over a
            line, what arrived, when it did.
        seen: Every picture that was sent, with its loop time.
        messages: Every message that was sent.
        turns: The record of every turn that is over.
        on_message: Called with each when it is sent, on the event loop.
    """

    raw = None
    asks = True

    def __init__(self, session: Session) -> None:
        self.session = session
        self._uplink: Uplink | None = None
        self.heard: list[tuple[float, TimedAudioFrame]] = []
        self.seen: list[tuple[float, av.VideoFrame]] = []
        self.messages: list[Message] = []
        self.turns: list[TurnRecord] = []
        self.close_reason: CloseReason | None = None
        self.on_message: Callable[[Message], None] = lambda message: None
        session.turns.observe(self.turns.append)

    # The message channel of the session

    def post(self, text: str) -> None:
        """Take a message from the session."""
        self._take(text)

    def post_bytes(self, data: bytes) -> None:
        """Take a binary message from the session."""
        self._take(data)

    def _take(self, message: str | bytes) -> None:
        if self.close_reason is not None:
            raise ChannelClosedError("the session has ended")
        parsed = parse_server_message(message)
        self.messages.append(parsed)
        self.on_message(parsed)

    async def drain(self) -> None:
        """There is always room."""

    # What the test does

    def push(self, frame: AudioFrame) -> None:
        """Send a frame now."""
        if self._uplink is not None:
            self._uplink.push(frame)
            return
        assert self.session.remote_audio is not None, "this session receives no audio"
        self.session.remote_audio.push(frame)

    def push_picture(self, frame: av.VideoFrame) -> None:
        """Send a picture now."""
        assert self.session.remote_video is not None, "this session receives no video"
        self.session.remote_video.push(frame)

    async def speak(self, audio: AudioFrame, milliseconds: int = 20) -> None:
        """Send audio in real time, in frames of so many ms."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for frame in frames_of(audio, milliseconds):
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.push(frame)
            due += frame.duration
        if self._uplink is not None:
            self._uplink.flush()
        await asyncio.sleep(max(0.0, due - loop.time()))

    def send(self, data: Any, type: str = "message") -> None:
        """Send a message; bytes are a binary one."""
        binary = type == "message" and isinstance(data, BytesLike)
        self.session.take_message(bytes(data) if binary else build_message(type, data))

    def of_type(self, type: str) -> list[Any]:
        """The data of every message of a type."""
        return [message.data for message in self.messages if message.type == type]


@asynccontextmanager
async def connect(
    handler: StreamHandlerBase,
    *,
    receives: Set[Medium] = BOTH,
    sends: Set[Medium] = BOTH,
    args: Sequence[Any] | None = None,
    params: Mapping[str, Any] | None = None,
    time_limit: float | None = None,
    hooks: Hooks | None = None,
    id: str = "in-process",
    open_channel: bool = True,
    line: Line | None = None,
) -> AsyncIterator[InProcessPeer]:
    """Run a session of a copy of a handler for as long as the context lasts.

    Args:
        handler: The prototype.
        receives: Media that the test sends to the handler.
        sends: Media that the handler sends.
        args: Additional inputs that come with the offer.
        params: Parameters that come with the offer.
        time_limit: As of `Stream`, in s.
        hooks: As of `Stream`.
        id: Id of the session.
        open_channel: Whether the message channel is open from the start.
        line: What loses and delays the audio, both ways; without one, it is there at once.
    """
    context = Context(id, "in-process", params or {})
    token = current_context.set(context)
    try:
        copy = await copy_handler(handler, id)
    finally:
        current_context.reset(token)
    if args is not None:
        copy.set_args(list(args))
    session = Session(
        copy,
        context,
        receives=receives,
        sends=sends,
        time_limit=time_limit,
        hooks=hooks,
    )
    peer = InProcessPeer(session)
    if open_channel:
        session.open_channel(peer)
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks, _joined(peer, line) as hear:
        if session.local_audio is not None:
            tasks.create_task(_listen(session.local_audio, hear))
        if session.local_video is not None:
            tasks.create_task(_watch(peer, session.local_video))
        running = tasks.create_task(session.run())
        running.add_done_callback(lambda _: setattr(peer, "close_reason", session.close_reason))
        try:
            yield peer
        except Exception as error:
            # Raised again below: a failed assertion shall not arrive wrapped in a group.
            failure = error
        finally:
            session.stop(CloseReason.CLIENT)
    if failure is not None:
        raise failure


@asynccontextmanager
async def _joined(
    peer: InProcessPeer, line: Line | None
) -> AsyncIterator[Callable[[TimedAudioFrame], None]]:
    """Join client and session by a line, or by nothing; yields what takes the session's audio."""
    loop = asyncio.get_running_loop()

    def hear(timed: TimedAudioFrame) -> None:
        peer.heard.append((loop.time(), timed))

    session, ways = peer.session, []
    send = hear
    if line is not None and session.local_audio is not None:
        source = session.local_audio.source
        ears = Arriving(source.sample_rate, source.num_channels, hear)
        ways.append(Way(line, 0, ears))
        send = ways[0].send
    if line is not None and session.remote_audio is not None:
        ways.append(uplink := Way(line, 1, session.remote_audio))
        peer._uplink = Uplink(uplink)
    try:
        yield send
    finally:
        for way in ways:
            way.close()


async def _listen(track: LocalAudioTrack, hear: Callable[[TimedAudioFrame], None]) -> None:
    try:
        while True:
            hear(await track.next_frame())
    except EndOfStreamError:
        return


async def _watch(peer: InProcessPeer, track: LocalVideoTrack) -> None:
    loop = asyncio.get_running_loop()
    try:
        while True:
            timed = await track.next_frame()
            peer.seen.append((loop.time(), timed.frame))
    except EndOfStreamError:
        return
