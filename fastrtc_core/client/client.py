"""A headless client, for bots and tests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from ..errors import (
    ChannelClosedError,
    ConfigurationError,
    ConnectionFailedError,
    EndOfStreamError,
    FastRTCError,
    MessageError,
    OfferError,
)
from ..handler.functions import Modality, Mode
from ..media.session_clock import SessionClock
from ..messages import BytesLike, Message, build_message, check_size, parse_server_message
from ..session import CloseReason, MessageChannel, post_on
from ..tracks import (
    AudioSource,
    AudioStream,
    LocalAudioTrack,
    LocalVideoTrack,
    Participant,
    RemoteAudioTrack,
    RemoteVideoTrack,
    TrackSource,
    VideoSource,
    VideoStream,
)
from ..tracks.ring import Ring
from ..webrtc import ice
from ..webrtc.peer import Peer
from ..webrtc.sdp.description import Description
from ..webrtc.sdp.opus import force_stereo
from .publishing import NEGOTIATION, ClientPublisher
from .signaling import post_offer, raise_refusal

logger = logging.getLogger(__name__)

PAUSE = 0.5
"""Time in s between two attempts to come back to a session."""

MESSAGE_CAPACITY = 256
"""Messages that may wait to be read; then the oldest are dropped."""

MESSAGE_BYTES = 8 << 20
"""The same, in bytes, or characters of their JSON."""

SendOffer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Ticket(NamedTuple):
    """What it takes to come back to a session.

    Attributes:
        token: A secret; each connection has one.
        timeout: How long in s the server waits.
    """

    token: str
    timeout: float


class Client:
    """Connects to a stream over WebRTC: `async with Client(url) as client: …`.

    Args:
        url: Where the stream is mounted, such as `http://127.0.0.1:8000`; or an async function
            that takes the body of an offer and returns the answer, such as `Stream.offer`.
        modality: Media of the session: `audio`, `video`, `audio-video`, or `None` for messages
            alone.
        mode: What this client does: `send-receive`, `send` or `receive`.
        sample_rate: Rate in Hz of `audio_source` and `audio_stream`.
        stereo: Whether they have two channels.
        args: Additional inputs for the handler.
        params: Free parameters for the application.
        headers: Headers of the HTTP request, for authentication.
        rtc_configuration: ICE servers of this side; see `Stream`.
        webrtc_id: The id to ask for; the server issues one by default.
        resume: Whether to come back to the session by itself when the connection is lost, to a
            server with `resume_timeout`. Tracks that were published with `publish_track` end.

    Attributes:
        audio_source: Push here what the server shall hear, or `None`.
        audio_stream: What the server says, frame by frame, or `None`.
        video_source: Push here what the server shall see, or `None`.
        video_stream: What the server shows, or `None`.
        webrtc_id: The id of the session, once connected.
        server: The server, with the tracks that it publishes: its voice as `microphone`, its
            picture as `camera`, and what it publishes beside them.
    """

    def __init__(
        self,
        url: str | SendOffer,
        *,
        modality: Modality | None = "audio",
        mode: Mode = "send-receive",
        sample_rate: int = 48000,
        stereo: bool = False,
        args: Sequence[Any] | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        rtc_configuration: ice.RtcConfigurationSource = None,
        webrtc_id: str | None = None,
        resume: bool = False,
    ) -> None:
        media = modality.split("-") if modality else []
        if not set(media) <= {"audio", "video"}:
            raise ConfigurationError(f"modality {modality!r} is not known")
        self.webrtc_id = webrtc_id
        self._unreadable = 0
        self._send_offer = url
        self._stereo = stereo
        self._args = None if args is None else list(args)
        self._params = dict(params or {})
        self._headers = dict(headers or {})
        self._rtc_configuration = rtc_configuration
        self._resume = resume
        self._ticket: Ticket | None = None
        self._interrupted = asyncio.Event()
        channels = 2 if stereo else 1
        sends, receives = mode != "receive", mode != "send"
        self.audio_source = (
            AudioSource(sample_rate, channels) if sends and "audio" in media else None
        )
        self.video_source = VideoSource() if sends and "video" in media else None
        self.remote_audio = (
            RemoteAudioTrack(sample_rate, channels) if receives and "audio" in media else None
        )
        self.remote_video = RemoteVideoTrack() if receives and "video" in media else None
        self.audio_stream = (
            AudioStream(self.remote_audio, sample_rate=sample_rate, num_channels=channels)
            if self.remote_audio
            else None
        )
        self.video_stream = VideoStream(self.remote_video) if self.remote_video else None
        self.local_audio: LocalAudioTrack | None = None
        self.local_video: LocalVideoTrack | None = None
        self.server = Participant("server")
        if self.remote_audio is not None:
            self.server.publish("microphone", self.remote_audio)
        if self.remote_video is not None:
            self.server.publish("camera", self.remote_video)
        self._publisher: ClientPublisher | None = None
        self._messages: Ring[Message] = Ring(MESSAGE_CAPACITY, MESSAGE_BYTES)
        self._channel: MessageChannel | None = None
        self._channel_open = asyncio.Event()
        self._closed = asyncio.Event()
        self._close_reason: CloseReason | None = None
        # What the server said of why it is about to close.
        self._announced: CloseReason | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Client:
        """Connect.

        Raises:
            OfferError: If the server refuses the offer.
            ConnectionFailedError: If the server cannot be reached, or no path for media is found.
        """
        clock = SessionClock(asyncio.get_running_loop().time())
        if self.audio_source is not None:
            self.local_audio = LocalAudioTrack(self.audio_source, clock, published=True)
        if self.video_source is not None:
            self.local_video = LocalVideoTrack(self.video_source, clock, published=True)
        try:
            await self._connect()
        except BaseException:
            await self._stack.aclose()
            await self._end()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; idempotent."""
        if self._ticket is not None and self._channel is not None and not self._closed.is_set():
            with contextlib.suppress(FastRTCError):  # or the server would wait for this client
                self._channel.post(build_message("close"))
        self.stop(CloseReason.CLOSED)
        await self._stack.aclose()
        await self._end()

    async def wait_closed(self) -> CloseReason:
        """Wait until the connection is closed, by either side.

        Returns:
            Why; where the server closed it, the reason that it gave.
        """
        await self._closed.wait()
        assert self._close_reason is not None
        return self._close_reason

    # Messages

    @property
    def messages_dropped(self) -> int:
        """Messages of the server that could not be read, or were not read in time."""
        return self._unreadable + self._messages.dropped

    async def send(self, data: Any) -> None:
        """Send a message to the handler's `on_message`: any JSON value, or bytes.

        Raises:
            MessageError: If JSON cannot express the data, or it is larger than 64 KiB.
            ChannelClosedError: If the connection is closed.
        """
        binary = isinstance(data, BytesLike)
        await self._send(bytes(data) if binary else build_message("message", data))

    async def send_input(self, *args: Any) -> None:
        """Send the additional inputs; raises as `send` does."""
        self._args = list(args)
        await self._send(build_message("send_input", self._args))

    async def messages(self) -> AsyncIterator[Message]:
        """Yields every message of the server until the connection is closed.

        A binary one is a `message` with `bytes` as its data.
        """
        while True:
            try:
                yield await self._messages.get()
            except EndOfStreamError:
                return

    async def receive(self) -> Message:
        """Wait for the next message of the server.

        Raises:
            EndOfStreamError: If the connection is closed and every message was read.
        """
        return await self._messages.get()

    async def _send(self, text: str | bytes) -> None:
        check_size(text)
        opening = asyncio.ensure_future(self._channel_open.wait())
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({opening, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            opening.cancel()
            closing.cancel()
        if self._channel is None or self._closed.is_set():
            raise ChannelClosedError("the connection is closed")
        await self._channel.drain()
        post_on(self._channel, text)

    # Tracks

    async def publish_track(
        self,
        track: LocalAudioTrack | LocalVideoTrack,
        source: TrackSource = "screen_share",
    ) -> None:
        """Send a further track, beside microphone and camera.

        Raises:
            ConfigurationError: If it is published already, or another one of this source is.
            ConnectionFailedError: If the server does not take it.
            ChannelClosedError: If the connection is closed.
        """
        if self._publisher is None:
            raise ChannelClosedError("the client is not connected")
        await self._publisher.publish(track, source)

    async def unpublish_track(self, track: LocalAudioTrack | LocalVideoTrack) -> None:
        """Send it no longer; idempotent. Raises as `publish_track` does."""
        if self._publisher is not None:
            await self._publisher.unpublish(track)

    # What the peer calls

    def open_channel(self, channel: MessageChannel) -> None:
        """Take the message channel."""
        self._channel = channel
        self._channel_open.set()

    def take_message(self, text: str | bytes) -> None:
        """Take a message of the server; a question for the inputs is answered here."""
        try:
            message = parse_server_message(text)
        except MessageError:
            self._unreadable += 1
            return
        if message.type == "send_input" and self._args is not None and self._channel is not None:
            self._channel.post(build_message("send_input", self._args))
        elif message.type in NEGOTIATION and self._publisher is not None:
            self._publisher.take(message)
            return
        elif message.type == "end_stream":
            self._announced = CloseReason.CLOSE_STREAM
        elif message.type == "closing" and message.data in list(CloseReason):
            self._announced = CloseReason(message.data)
        self._messages.put(message, len(text))

    def stop(self, reason: CloseReason) -> None:
        """Note that the connection has ended; the first reason counts.

        `CLIENT` is how a peer calls the other side, which here is the server. Where the session
        may go on over another connection, this one has ended alone.
        """
        lost = reason in (CloseReason.LOST, CloseReason.CLIENT)
        if lost and self._ticket is not None and self._announced is None:
            self._interrupted.set()
            return
        if self._close_reason is None:
            by_server = reason is CloseReason.CLIENT
            self._close_reason = (self._announced or CloseReason.CLOSED) if by_server else reason
        self._closed.set()
        self._messages.end()
        for track in self.server.tracks.values():
            track.end()
        self.server.leave()

    # Connecting

    async def _connect(self) -> None:
        peer = await self._open({"resume": True} if self._resume else {})
        self._stack.push_async_callback(peer.close)
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._publisher = ClientPublisher(peer, self.server, self._send)
        if self._ticket is not None:
            self._stack.callback(tasks.create_task(self._carry_on(peer)).cancel)
            return
        for work in (peer.run(), self._publisher.run()):
            self._stack.callback(tasks.create_task(work).cancel)

    async def _open(self, more: Mapping[str, Any]) -> Peer:
        """Make a connection, and wait until it stands.

        Args:
            more: Further fields of the offer.
        """
        configuration = await ice.resolve(self._rtc_configuration)
        # It has chosen its server, and checks whatever address that names.
        peer = Peer(self, ice.for_aiortc(configuration), may_check=None)
        try:
            try:
                offer = Description.parse(await peer.offer())
            except OSError as error:
                raise ConnectionFailedError(str(error)) from None
            if self._stereo:
                force_stereo(offer)
            body = {
                "sdp": str(offer),
                "type": "offer",
                "params": self._params,
                **({} if self._args is None else {"args": self._args}),
                **({} if self.webrtc_id is None else {"webrtc_id": self.webrtc_id}),
                **more,
            }
            answer = await self._exchange(body)
            await peer.accept(answer["sdp"])
            if not await peer.connected():
                raise ConnectionFailedError(
                    "the server answered, but no path for media was found: UDP is blocked, or a "
                    "TURN server is needed"
                )
        except BaseException:
            await peer.close()
            raise
        self.webrtc_id = answer["webrtc_id"]
        if isinstance(answer.get("resume"), str):
            self._ticket = Ticket(answer["resume"], float(answer.get("resume_timeout", 0)))
        return peer

    async def _carry_on(self, peer: Peer) -> None:
        """Be connected, over one connection after the other, until cancelled."""
        while True:
            self._publisher = publisher = ClientPublisher(peer, self.server, self._send)
            try:
                async with asyncio.TaskGroup() as tasks:
                    works = [tasks.create_task(work) for work in (peer.run(), publisher.run())]
                    await self._interrupted.wait()
                    for work in works:
                        work.cancel()
                self._publisher, self._channel = None, None
                self._channel_open.clear()
                await peer.detach()
            finally:
                await peer.close()
            another = await self._come_back()
            if another is None:
                self._ticket = None
                self.stop(CloseReason.LOST)
                return
            peer = another

    async def _come_back(self) -> Peer | None:
        """Come back to the session, or find out that this cannot be."""
        assert self._ticket is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._ticket.timeout
        while loop.time() < deadline:
            self._interrupted.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._open({"resume": self._ticket.token})
            except (ConnectionFailedError, TimeoutError):
                await asyncio.sleep(PAUSE)
            except OfferError as error:
                logger.info("the session cannot be resumed: %s", error)
                return None
        return None

    async def _exchange(self, body: dict[str, Any]) -> dict[str, Any]:
        if isinstance(self._send_offer, str):
            url = self._send_offer.rstrip("/")
            url = url if url.endswith("/webrtc/offer") else f"{url}/webrtc/offer"
            return await post_offer(url, body, self._headers)
        answer = await self._send_offer(body)
        raise_refusal(answer)
        return answer

    async def _end(self) -> None:
        for source in (self.audio_source, self.video_source):
            if source is not None:
                await source.aclose()
        self.stop(CloseReason.FAILED)
