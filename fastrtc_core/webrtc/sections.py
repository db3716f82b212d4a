"""The sections of tracks that come later, and are used again: a connection never gets rid of one.

aiortc cannot stop a section and put another in its place (RFC 8829 section 5.2.2), and a browser
makes a new source for each. So a section that nobody needs stays as it is, and carries nothing; the
next track of its kind goes through it. Its sender, its receiver and their tasks live as long as the
connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpReceiver, RTCRtpTransceiver
from aiortc.mediastreams import VIDEO_CLOCK_RATE, MediaStreamError

from ..errors import ConfigurationError, EndOfStreamError
from ..media.rtp import RtpPacket
from ..tracks import (
    LocalAudioTrack,
    LocalVideoTrack,
    RemoteAudioTrack,
    RemoteVideoTrack,
    Track,
    TrackKind,
)
from . import internals, statistics
from .audio_encoder import AudioTrackEncoder
from .failures import Failures, Report
from .incoming import CLOCK_RATE, IncomingAudio
from .internals import EncodedFrame, TimedPicture
from .options import AudioOptions, VideoOptions
from .outgoing import OutgoingAudio, OutgoingVideo
from .sdp.limits import MAX_MEDIA_SECTIONS
from .video_encoders import make_encoder

T = TypeVar("T")
LocalTrack = LocalAudioTrack | LocalVideoTrack
RemoteTrack = RemoteAudioTrack | RemoteVideoTrack


class Outlet(MediaStreamTrack):
    """What a section sends: one track after another, on one clock.

    Args:
        kind: Of the section.
        options: How audio is encoded.
        failed: Told of what could not be encoded; it is left out.
    """

    def __init__(
        self, kind: str, options: AudioOptions, failed: Callable[[Exception], None]
    ) -> None:
        super().__init__()
        self.kind = kind
        self.track: LocalTrack | None = None
        self._options = options
        self._failed = failed
        self._outgoing: OutgoingAudio | OutgoingVideo | None = None
        self._now = asyncio.get_running_loop().time
        self._filled = asyncio.Event()
        self._reading: asyncio.Timeout | None = None
        self._clock_rate = CLOCK_RATE if kind == "audio" else VIDEO_CLOCK_RATE
        self._offset: int | None = 0
        """What is added to the time stamps of the track; `None` before its first one."""
        self._latest, self._latest_at = 0, 0.0

    @property
    def encoder(self) -> AudioTrackEncoder | None:
        """That of the track, if it is audio."""
        return self._outgoing.encoder if isinstance(self._outgoing, OutgoingAudio) else None

    def carry(self, track: LocalTrack | None, *, held: bool = False) -> None:
        """Send a track from now on, or nothing; one that is held, from `begin` on."""
        if self.track is not None:
            self.track.published = False
        self.track, self._outgoing, self._offset = track, None, None
        self._filled.clear()
        if isinstance(track, LocalAudioTrack):
            self._outgoing = OutgoingAudio(track, self._options, self._failed)
        elif track is not None:
            self._outgoing = OutgoingVideo(track)
        if track is not None:
            track.published = True
            if not held:
                self._filled.set()
        if self._reading is not None:  # it may wait for a frame that never comes
            self._reading.reschedule(self._now())

    def begin(self) -> None:
        """Send the track that was held; idempotent."""
        if self.track is not None:
            self._filled.set()

    async def next_frame(self) -> EncodedFrame:
        """Wait for the next frame of audio."""
        frame = await self._read(lambda outgoing: outgoing.next_frame())
        first = self._offset is None
        timestamp = self._timestamp(frame.timestamp)
        return EncodedFrame(frame.payload, timestamp, frame.resumed or first)

    async def next_picture(self) -> TimedPicture:
        """Wait for the next picture."""
        picture: TimedPicture = await self._read(lambda outgoing: outgoing.next_picture())
        return TimedPicture(picture.frame, self._timestamp(picture.timestamp))

    async def recv(self) -> av.VideoFrame:
        """Nobody calls it: see `internals.send_directly` and `internals.send_pictures`."""
        raise NotImplementedError

    async def _read(self, read: Callable[[Any], Awaitable[T]]) -> T:
        while True:
            await self._filled.wait()
            outgoing = self._outgoing
            try:
                async with asyncio.timeout(None) as self._reading:
                    return await read(outgoing)
            except TimeoutError:
                continue  # another track, or none
            except EndOfStreamError:
                if outgoing is self._outgoing:
                    self._filled.clear()  # the track has ended; the section has not
            finally:
                self._reading = None

    def _timestamp(self, timestamp: int) -> int:
        """Go on from the track before: each has a clock of its own."""
        now = self._now()
        if self._offset is None:
            passed = round((now - self._latest_at) * self._clock_rate)
            self._offset = self._latest + max(1, passed) - timestamp
        self._latest, self._latest_at = timestamp + self._offset, now
        return self._latest


class Inlet:
    """What a section receives: one track after another.

    Args:
        kind: Of the section.
        receiver: Of the section; one that has not been started.
    """

    def __init__(self, kind: str, receiver: RTCRtpReceiver) -> None:
        self.track: RemoteTrack | None = None
        self._kind = kind
        self._receiver = receiver
        self._incoming: IncomingAudio | None = None
        if kind == "audio":
            internals.receive_directly(receiver, self._take)

    def renew(self, track: RemoteTrack | None = None) -> RemoteTrack:
        """Another track begins: this one, or one that is made here."""
        self.release()
        if track is None:
            track = RemoteAudioTrack() if self._kind == "audio" else RemoteVideoTrack()
        if isinstance(track, RemoteAudioTrack):
            self._incoming = IncomingAudio(track)
            track._statistics = statistics.of_incoming_audio(self._incoming)
        else:
            track._statistics = statistics.of_receiver(self._receiver)
        self.track = track
        return track

    def release(self) -> None:
        """The track is over; idempotent. Whoever published it ends it."""
        self.track = None
        if self._incoming is not None:
            self._incoming.close()
            self._incoming = None

    async def pump(self, track: MediaStreamTrack) -> None:
        """Move pictures; what aiortc has decoded is read whether anybody wants it or not."""
        try:
            while True:
                frame = await track.recv()
                if isinstance(self.track, RemoteVideoTrack) and isinstance(frame, av.VideoFrame):
                    self.track.push(frame)
        except MediaStreamError:
            if self.track is not None:
                self.track.end()

    def _take(self, packet: RtpPacket) -> None:
        if self._incoming is not None:
            self._incoming.take(packet)


class Sections:
    """The sections of one connection that were made after its first answer.

    Args:
        pc: The connection.
        prefer: Chooses the codecs of a new section.
        run: Runs a coroutine while the connection stands.
        audio_options, video_options: How tracks are encoded.
        report: Told of media that could not be sent, and how often.
    """

    def __init__(
        self,
        pc: RTCPeerConnection,
        prefer: Callable[[RTCRtpTransceiver], None],
        run: Callable[[Coroutine[Any, Any, None]], None],
        audio_options: AudioOptions,
        video_options: VideoOptions,
        report: Report,
    ) -> None:
        self._pc = pc
        self._report = report
        self._prefer = prefer
        self._run = run
        self._audio_options = audio_options
        self._video_options = video_options
        self._outlets: dict[RTCRtpTransceiver, Outlet] = {}
        self._inlets: dict[RTCRtpTransceiver, Inlet | None] = {}
        """`None` until something comes in."""

    def encoders(self) -> list[tuple[AudioTrackEncoder, Any]]:
        """Encoders of audio that is sent now, and whose sender they serve."""
        return [
            (outlet.encoder, transceiver.sender)
            for transceiver, outlet in self._outlets.items()
            if outlet.encoder is not None
        ]

    def open_outlet(self, track: LocalTrack) -> RTCRtpTransceiver:
        """A section to offer for a track: one that is free, or a new one.

        Raises:
            ConfigurationError: If there are as many sections as there may be.
        """
        for transceiver, outlet in self._outlets.items():
            if outlet.track is None and transceiver.kind == track.kind:
                self.send(track, transceiver)
                return transceiver
        transceiver = self._add(track.kind, "sendonly")
        self.send(track, transceiver)
        return transceiver

    def open_inlet(self, kind: TrackKind, taken: list[RTCRtpTransceiver]) -> RTCRtpTransceiver:
        """A section to offer for a track of the other side.

        Args:
            kind: Of the track.
            taken: Sections that are meant for others.

        Raises:
            ConfigurationError: If there are as many sections as there may be.
        """
        for transceiver, inlet in self._inlets.items():
            free = inlet is None or inlet.track is None
            if free and transceiver.kind == kind and transceiver not in taken:
                return transceiver
        transceiver = self._add(kind, "recvonly")
        self._inlets[transceiver] = None
        return transceiver

    def send(
        self, track: LocalTrack, transceiver: RTCRtpTransceiver, *, held: bool = False
    ) -> bool:
        """Send a track through a section; returns whether it has room.

        Args:
            track: The track.
            transceiver: The section.
            held: Whether its first packet waits for `begin`.
        """
        outlet = self._outlets.get(transceiver)
        if outlet is None:
            if transceiver.sender.track is not None:
                return False  # it is not one of these
            failed = Failures(f"sending {track.kind}", self._report).note
            outlet = Outlet(track.kind, self._audio_options, failed)
            self._outlets[transceiver] = outlet
            sender = transceiver.sender
            sender.replaceTrack(outlet)
            receives = transceiver.direction in ("recvonly", "sendrecv")
            transceiver.direction = "sendrecv" if receives else "sendonly"
            if track.kind == "audio":
                internals.send_directly(sender, outlet.next_frame, failed)
            else:
                internals.send_pictures(
                    sender,
                    outlet.next_picture,
                    lambda codec: make_encoder(codec, self._video_options),
                    failed,
                )
        elif outlet.track is not None:
            return False
        outlet.carry(track, held=held)
        track._statistics = statistics.of_sender(transceiver.sender)
        return True

    def begin(self, track: LocalTrack) -> None:
        """Send a track that was held, if it is still wanted; idempotent."""
        for outlet in self._outlets.values():
            if outlet.track is track:
                outlet.begin()

    def stop_sending(self, track: LocalTrack) -> bool:
        """Send a track no longer; returns whether it was sent."""
        for outlet in self._outlets.values():
            if outlet.track is track:
                outlet.carry(None)
                return True
        return False

    def take(
        self,
        media: MediaStreamTrack,
        transceiver: RTCRtpTransceiver,
        track: RemoteTrack | None = None,
    ) -> Track[Any]:
        """Something comes in through a section for the first time, as this track if given."""
        inlet = self._inlets[transceiver] = Inlet(transceiver.kind, transceiver.receiver)
        track = inlet.renew(track)
        if transceiver.kind == "video":
            self._run(inlet.pump(media))
        return track

    def renew(self, mid: str) -> Track[Any] | None:
        """Another track comes in through a section that is free; `None` if there is none."""
        inlet = self._inlet(mid)
        return None if inlet is None or inlet.track is not None else inlet.renew()

    def release(self, mid: str) -> None:
        """What came in through a section is over."""
        if (inlet := self._inlet(mid)) is not None:
            inlet.release()

    async def undo(self, before: list[RTCRtpTransceiver]) -> None:
        """An offer of the other side could not be answered: forget the sections that it brought."""
        for transceiver in await internals.undo_offer(self._pc, before):
            self._forget(transceiver)

    async def retire(self, gone: Collection[RTCRtpTransceiver]) -> None:
        """The other side has ended these sections, and they never come again."""
        await internals.retire(self._pc, gone)
        for transceiver in gone:
            self._forget(transceiver)

    def close(self) -> None:
        """Receive nothing more; idempotent."""
        for inlet in self._inlets.values():
            if inlet is not None:
                inlet.release()

    def _forget(self, transceiver: RTCRtpTransceiver) -> None:
        if (outlet := self._outlets.pop(transceiver, None)) is not None:
            outlet.carry(None)
        if (inlet := self._inlets.pop(transceiver, None)) is not None:
            inlet.release()

    def _inlet(self, mid: str) -> Inlet | None:
        return next((inlet for one, inlet in self._inlets.items() if one.mid == mid), None)

    def _add(self, kind: str, direction: str) -> RTCRtpTransceiver:
        sections = len(self._pc.getTransceivers()) + (self._pc.sctp is not None)
        if sections >= MAX_MEDIA_SECTIONS:
            raise ConfigurationError(
                f"a connection has at most {MAX_MEDIA_SECTIONS} sections; unpublish a track first"
            )
        transceiver = self._pc.addTransceiver(kind, direction)
        self._prefer(transceiver)
        return transceiver
