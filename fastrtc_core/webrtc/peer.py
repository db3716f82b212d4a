"""One `RTCPeerConnection` and what flows over it, on either side of a connection."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Collection, Coroutine, Mapping, Sequence
from typing import Any

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceCandidate,
    RTCPeerConnection,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from ..errors import ModalityError
from ..session import CloseReason
from ..tracks import (
    LocalAudioTrack,
    LocalVideoTrack,
    RemoteAudioTrack,
    RemoteVideoTrack,
    Track,
    TrackKind,
)
from . import internals, statistics
from .addresses import allow_candidate
from .audio_encoder import AudioTrackEncoder
from .datachannel import LABEL, DataChannel
from .endpoint import Endpoint
from .failures import Failures, Report, log_failure
from .incoming import IncomingAudio
from .incoming_video import EncodedRemoteVideo, IncomingVideo
from .liveness import Liveness
from .options import AudioOptions, VideoOptions
from .outgoing import (
    EncodedAudio,
    EncodedVideo,
    OutgoingAudio,
    OutgoingPackets,
    OutgoingPictures,
    OutgoingVideo,
)
from .sdp.description import Description
from .sdp.media import choose, read_media
from .sdp.opus import describe_opus
from .sdp.reduction import Reduction
from .sections import Sections
from .video_encoders import make_encoder

logger = logging.getLogger(__name__)

internals.take_low_payload_types()

CONNECT_TIMEOUT = 15.0
"""How long in s ICE and DTLS may take."""

CHECK_TIMEOUT = 5.0
"""How long in s a client that was answered may take until it is reached by a connectivity check."""

CHANNEL_GRACE = 1.0
"""How long in s the other side has to open the data channel before this side does."""

DEFAULT_MESSAGE_SIZE = 65_536
"""Bytes of the largest message for those that say nothing of it (RFC 8841 section 6.1)."""

_MAX_MESSAGE_SIZE = re.compile(r"^a=max-message-size:(\d+)\s*$", re.MULTILINE)

LOSS_INTERVAL = 2.0
"""Time in s between two looks at the loss that the other side reports."""

FLUSH_TIMEOUT = 0.5
"""How long in s the last messages have to leave before the connection is closed."""


class Peer:
    """Connects an endpoint.

    Args:
        endpoint: What sends and receives.
        configuration: ICE servers of this side.
        ports: UDP ports to use, or `None` for any.
        audio_options: How audio is encoded.
        video_options: How video is encoded.
        report: Told of media that could not be sent, and how often; by default the log is.
        may_check: Which candidates of the other side this side sends checks to; `None` for all.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        configuration: RTCConfiguration,
        ports: range | None = None,
        audio_options: AudioOptions | None = None,
        video_options: VideoOptions | None = None,
        report: Report = log_failure,
        may_check: internals.MayCheck | None = allow_candidate,
    ) -> None:
        self._endpoint = endpoint
        self._report = report
        self._ports = ports
        self._may_check = may_check
        self._audio_options = audio_options or AudioOptions()
        self._video_options = video_options or VideoOptions()
        self._pc = RTCPeerConnection(configuration)
        internals.accept_rsa(self._pc)
        self._connecting = internals.watch_connecting(self._pc, self._note_failure)
        self._incoming: dict[str, IncomingAudio | IncomingVideo] = {}
        """What comes in through the first sections, by mid."""
        self._senders: dict[str, RTCRtpSender] = {}
        """Senders, by the `sid` of what they send."""
        self._encoders: list[tuple[AudioTrackEncoder, RTCRtpSender]] = []
        self._pumps: list[Coroutine[Any, Any, None]] = []
        self._lines: list[str] = []
        """The mids of all sections of the latest offer of the other side."""
        self._main: dict[str, TrackKind] = {}
        """The sections of what the endpoint itself sends and takes, by mid."""
        self._rejected: set[str] = set()
        """Those that were not accepted, and are not later (RFC 8829 section 5.3.1)."""
        """What is to run beside the connection, once it stands."""
        self._tasks: asyncio.TaskGroup | None = None
        self._sections = Sections(
            self._pc, _prefer_codecs, self._run, self._audio_options, self._video_options, report
        )
        self._arrived: dict[str, Track[Any]] | None = None
        """Where tracks go that come later, by mid; until the first answer there are none."""
        self._receives: Mapping[str, RemoteAudioTrack | RemoteVideoTrack] = {}
        """What takes them, where that is there already."""
        self._channel: DataChannel | None = None
        self._settled = asyncio.Event()
        self._pc.on("track", self._take_track)
        self._pc.on("datachannel", self._take_channel)
        self._pc.on("connectionstatechange", self._note_state)

    # Negotiation

    async def answer(self, sdp: str) -> str:
        """Answer an offer; returns the SDP with all candidates of this side.

        Raises:
            Exception: Whatever aiortc raises on an offer that it cannot serve.
        """
        offer = Description.parse(sdp)
        media = read_media(offer)
        kinds = ("audio", "video")
        forwarded = self._forwards
        chosen = choose(
            media,
            receives=[kind for kind in kinds if self._remote(kind) is not None],
            sends=[kind for kind in kinds if self._local(kind) is not None],
            forwarded=forwarded,
        )
        keep = {section.mid for section in chosen.values()}
        self._main = {section.mid: _kind(section.kind) for section in chosen.values()}
        keep.update([section.mid for section in media if section.kind == "application"][:1])
        if not chosen:  # a member who may only write: its media are inactive, and not gone for good
            keep.update([section.mid for section in media if section.kind in kinds][:2])
        for medium in kinds:
            if self._remote(medium) is not None or self._local(medium) is not None:
                transceiver = self._pc.addTransceiver(medium, direction="recvonly")
                _prefer_codecs(transceiver, forwarded=forwarded)
        reduced = await self._show(offer, keep)
        if self._pc.sctp is not None:
            internals.take_negotiated(self._pc.sctp, self._take_channel)
        self._attach_local_tracks()
        for transceiver in self._pc.getTransceivers():
            remote = self._remote(transceiver.kind)
            if remote is None:
                sends = transceiver.sender.track is not None
                transceiver.direction = "sendonly" if sends else "inactive"
        self._arrived = {}
        return str(reduced.complete(await self._describe()))

    async def _show(self, offer: Description, keep: Collection[str]) -> Reduction:
        """Hand aiortc the sections of an offer that are used; the others are rejected for good."""
        reduced = Reduction(offer, keep, forwarded=self._forwards)
        self._lines = offer.mids
        self._rejected.update(set(self._lines) - set(reduced.mids))
        await self._pc.setRemoteDescription(RTCSessionDescription(reduced.sdp, "offer"))
        internals.number_sections(self._pc, reduced.mids)
        for transceiver in self._pc.getTransceivers():
            internals.take_parameters(transceiver, reduced.h264.get(transceiver.mid or "", {}))
        return reduced

    @property
    def max_message_size(self) -> float:
        """Bytes of the largest message that the other side takes, once its description is known.

        There, 0 stands for any size.
        """
        found = _MAX_MESSAGE_SIZE.search(self._pc.remoteDescription.sdp)
        return DEFAULT_MESSAGE_SIZE if found is None else int(found[1]) or math.inf

    async def offer(self, *, data_channel: bool = True) -> str:
        """Make an offer; returns its SDP with all candidates of this side."""
        if data_channel:
            self._adopt(self._pc.createDataChannel(LABEL))
        senders = self._attach_local_tracks()
        for kind in ("audio", "video"):
            if self._remote(kind) is not None and kind not in senders:
                self._pc.addTransceiver(kind, direction="recvonly")
        for transceiver in self._pc.getTransceivers():
            _prefer_codecs(transceiver)
            if self._remote(transceiver.kind) is None:
                transceiver.direction = "sendonly"
        return str(await self._describe())

    async def accept(self, sdp: str) -> None:
        """Take the answer to this side's offer.

        Raises:
            ModalityError: If the other side rejects a section; aiortc cannot go on without it.
        """
        for section in Description.parse(sdp).sections:
            if not section.live:
                raise ModalityError(
                    f"the other side takes and sends no {section.kind}: do not offer it"
                )
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        if self._arrived is None:
            self._arrived = {}

    # Tracks that come later

    async def answer_again(
        self,
        sdp: str,
        sends: Mapping[str, LocalAudioTrack | LocalVideoTrack],
        arrived: dict[str, Track[Any]],
        receives: Mapping[str, RemoteAudioTrack | RemoteVideoTrack] | None = None,
        unwanted: Collection[str] = (),
    ) -> str:
        """Answer a later offer.

        Args:
            sdp: The offer.
            sends: Further tracks to send, by the mid of the section that was made for each; their
                first packets wait for `begin_sending`.
            arrived: Takes the further tracks that it brings, by their mid.
            receives: Tracks of the endpoint, by the mid of the section that brings each now.
            unwanted: Sections that are rejected.

        Raises:
            Exception: Whatever aiortc raises on an offer that it cannot serve.
        """
        self._arrived, self._receives = arrived, receives or {}
        before = list(self._pc.getTransceivers())
        try:
            offer = Description.parse(sdp)
            media = read_media(offer)
            known = {transceiver.mid: transceiver for transceiver in before}
            data = [section.mid for section in media if section.kind == "application"][:1]
            taken = [s for s in media if s.kind != "application" and (s.spoken or s.mid in known)]
            keep = {section.mid for section in taken} - self._rejected - set(unwanted) | set(data)
            for section in taken:
                if section.mid in keep and section.mid not in known:
                    _prefer_codecs(self._pc.addTransceiver(section.kind, "recvonly"))
                elif section.mid in self._receives:
                    known[section.mid].direction = "sendrecv"
            reduced = await self._show(offer, keep)
            for transceiver in self._pc.getTransceivers():
                track = sends.get(transceiver.mid or "")
                if track is not None:
                    self._sections.send(track, transceiver, held=True)
            answer = str(reduced.complete(await self._describe()))
            for mid, taking in (*self._receives.items(), *sends.items()):
                if taking in (self._remote(taking.kind), self._local(taking.kind)):
                    self._main[mid] = taking.kind
            return answer
        except Exception:
            for track in sends.values():
                self._sections.stop_sending(track)
            await self._sections.undo(before)
            raise
        finally:
            self._arrived, self._receives = {}, {}

    def carries(self, mid: str) -> TrackKind | None:
        """The medium of the endpoint itself that a section carries, or has carried."""
        return self._main.get(mid)

    def knows(self, mid: str) -> bool:
        """Whether a section is one of the offers before."""
        return mid in self._rejected or any(t.mid == mid for t in self._pc.getTransceivers())

    async def retire(self, offer: str) -> set[TrackKind]:
        """End the sections that a later offer has ended: the other side never takes them up again.

        Returns:
            The media of the endpoint itself that were carried by them.
        """
        live = {section.mid for section in read_media(Description.parse(offer))}
        gone = [t for t in self._pc.getTransceivers() if t.mid is not None and t.mid not in live]
        for transceiver in gone:
            assert transceiver.mid is not None
            if (incoming := self._incoming.pop(transceiver.mid, None)) is not None:
                incoming.close()
            for sid in [sid for sid, s in self._senders.items() if s is transceiver.sender]:
                del self._senders[sid]
            self._encoders = [pair for pair in self._encoders if pair[1] is not transceiver.sender]
        await self._sections.retire(gone)
        media = {self._main.pop(transceiver.mid or "", None) for transceiver in gone}
        for kind in media:
            local = None if kind is None else self._local(kind)
            if local is not None:
                local.published = False
        return {kind for kind in media if kind is not None}

    def begin_sending(self, track: LocalAudioTrack | LocalVideoTrack) -> None:
        """The other side has the answer with this track: its packets may go out."""
        self._sections.begin(track)

    async def offer_again(
        self,
        sends: Sequence[LocalAudioTrack | LocalVideoTrack],
        receives: Sequence[TrackKind],
    ) -> tuple[str, list[str], list[str]]:
        """Offer further tracks, and room for those of the other side.

        Returns:
            The SDP, and the mid of each of `sends` and of `receives`: sections that were free, or
            new ones.

        Raises:
            ConfigurationError: If there are as many sections as there may be.
        """
        sending = [self._sections.open_outlet(track) for track in sends]
        receiving: list[RTCRtpTransceiver] = []
        for kind in receives:
            receiving.append(self._sections.open_inlet(kind, receiving))
        sdp = str(await self._describe())
        return sdp, [t.mid or "" for t in sending], [t.mid or "" for t in receiving]

    async def accept_again(self, sdp: str, arrived: dict[str, Track[Any]]) -> None:
        """Take the answer to a later offer, and with it further tracks, by their mid."""
        self._arrived = arrived
        try:
            await self.accept(sdp)
        finally:
            self._arrived = {}

    def renew(self, mid: str) -> Track[Any] | None:
        """The further track that begins in a section which is free; `None` if it is not."""
        return self._sections.renew(mid)

    def release(self, mid: str) -> None:
        """A further track of the other side is over, and its section free."""
        self._sections.release(mid)

    async def stop_sending(self, track: LocalAudioTrack | LocalVideoTrack) -> bool:
        """Send a track no longer; returns whether it was sent."""
        if self._sections.stop_sending(track):
            return True
        sender = self._senders.pop(track.sid, None)
        if sender is None:
            return False
        self._encoders = [pair for pair in self._encoders if pair[1] is not sender]
        await sender.stop()
        track.published = False
        return True

    async def add_candidate(self, candidate: RTCIceCandidate | None) -> None:
        """Take a candidate of the other side, or the end of its candidates."""
        if self._pc.connectionState == "closed":
            return
        if candidate is not None and self._lines:
            # By its mid alone: aiortc counts only the sections that it was shown.
            index = candidate.sdpMLineIndex
            if not candidate.sdpMid and index is not None and 0 <= index < len(self._lines):
                candidate.sdpMid = self._lines[index]
            candidate.sdpMLineIndex = None
            if candidate.sdpMid is None:
                return
        await self._pc.addIceCandidate(candidate)

    # Connection

    async def connected(self) -> bool:
        """Wait until the connection stands; `False` if it has failed or takes too long.

        A client that was answered and then does nothing has left, and is not waited for.
        """
        loop = asyncio.get_running_loop()
        limit = loop.time() + CONNECT_TIMEOUT
        first = loop.time() + min(CHECK_TIMEOUT, CONNECT_TIMEOUT)
        for deadline in (first, limit):
            try:
                async with asyncio.timeout_at(deadline):
                    await self._settled.wait()
                return self._pc.connectionState == "connected"
            except TimeoutError:
                if not internals.was_reached(self._pc):
                    return False
        return False

    async def run(self) -> None:
        """Move media and watch the connection until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            while self._pumps:
                tasks.create_task(self._pumps.pop())
            tasks.create_task(Liveness(self._pc, self._endpoint.stop).run(tasks))
            tasks.create_task(self._offer_channel())
            if self._audio_options.fec:
                tasks.create_task(self._follow_loss())

    async def close(self) -> None:
        """Close the connection, after the last messages have left; idempotent."""
        if self._channel is not None and self._pc.connectionState == "connected":
            await self._channel.flush(FLUSH_TIMEOUT)
        for pump in self._pumps:
            pump.close()
        for incoming in self._incoming.values():
            incoming.close()
        self._sections.close()
        self._pc.remove_all_listeners()
        if dropped := internals.dropped(self._pc):
            logger.info("dropped: %s", ", ".join(f"{n} {what}" for what, n in dropped.items()))
        await internals.close(self._pc, self._connecting)

    async def _describe(self) -> Description:
        if self._ports is not None:
            internals.restrict_ports(self._pc, self._ports)
        internals.guard(self._pc, self._may_check)
        # Created by the call without an argument: an offer or an answer, whichever is due.
        await self._pc.setLocalDescription()
        internals.guard(self._pc, self._may_check)
        remote = self._endpoint.remote_audio
        description = Description.parse(self._pc.localDescription.sdp)
        describe_opus(description, dtx=remote is not None and remote.sparse)
        return description

    def _attach_local_tracks(self) -> set[str]:
        """Add a sender for each local track; returns their kinds."""
        kinds: set[str] = set()
        for track in (self._endpoint.local_audio, self._endpoint.local_video):
            if track is not None:
                self._send(track)
                kinds.add(track.kind)
        return kinds

    def _send(
        self,
        track: LocalAudioTrack | EncodedAudio | LocalVideoTrack | EncodedVideo,
    ) -> None:
        """Send a track through the first section that has room."""
        track.published = True
        failed = Failures(f"sending {track.kind}", self._report).note
        outgoing: OutgoingAudio | OutgoingPackets | OutgoingVideo | OutgoingPictures
        if isinstance(track, LocalAudioTrack):
            outgoing = OutgoingAudio(track, self._audio_options, failed)
        elif isinstance(track, EncodedAudio):
            outgoing = OutgoingPackets(track)
        elif isinstance(track, EncodedVideo):
            outgoing = OutgoingPictures()
        else:
            outgoing = OutgoingVideo(track)
        sender = self._pc.addTrack(outgoing)
        if isinstance(track, EncodedVideo):
            transceiver = next(t for t in self._pc.getTransceivers() if t.sender is sender)
            track.codecs = internals.negotiated_codecs(transceiver)
            internals.send_encoded(
                sender, track.next_frame, lambda: track.keyframe_requested(), failed
            )
        if isinstance(outgoing, OutgoingAudio | OutgoingPackets):
            internals.send_directly(sender, outgoing.next_frame, failed)
        if isinstance(outgoing, OutgoingAudio):
            self._encoders.append((outgoing.encoder, sender))
        if isinstance(outgoing, OutgoingVideo):
            internals.send_pictures(
                sender,
                outgoing.next_picture,
                lambda codec: make_encoder(codec, self._video_options),
                failed,
            )
        self._senders[track.sid] = sender
        track._statistics = statistics.of_sender(sender)

    @property
    def _forwards(self) -> bool:
        """Whether pictures of others are handed on as they came."""
        return isinstance(self._endpoint.local_video, EncodedVideo) or isinstance(
            self._endpoint.remote_video, EncodedRemoteVideo
        )

    def _remote(self, kind: str) -> RemoteAudioTrack | RemoteVideoTrack | None:
        return self._endpoint.remote_audio if kind == "audio" else self._endpoint.remote_video

    def _local(
        self, kind: str
    ) -> LocalAudioTrack | EncodedAudio | LocalVideoTrack | EncodedVideo | None:
        return self._endpoint.local_audio if kind == "audio" else self._endpoint.local_video

    def _note_state(self) -> None:
        state = self._pc.connectionState
        if state in ("connected", "failed", "closed"):
            self._settled.set()
        if state == "failed":
            self._endpoint.stop(CloseReason.LOST)
        elif state == "closed":
            self._endpoint.stop(CloseReason.CLIENT)

    def _note_failure(self, error: Exception) -> None:
        logger.info("connecting failed: %s", error, exc_info=error)
        self._settled.set()
        self._endpoint.stop(CloseReason.LOST)

    # Data channel

    def _take_channel(self, channel: RTCDataChannel) -> None:
        if self._channel is None:
            self._adopt(channel)
        else:  # further channels of the other side may bring messages too
            self._channel.add(channel)
            self._listen(channel, self._channel)

    def _listen(self, channel: RTCDataChannel, wrapped: DataChannel) -> None:
        def take(message: str | bytes) -> None:
            wrapped.use(channel)  # what is answered is answered where it was asked
            self._endpoint.take_message(message)

        channel.on("message", take)

    def _adopt(self, channel: RTCDataChannel) -> None:
        self._channel = wrapped = DataChannel(channel)
        self._listen(channel, wrapped)
        if channel.readyState == "open":
            self._endpoint.open_channel(wrapped)
        else:
            channel.on("open", lambda: self._endpoint.open_channel(wrapped))

    async def _offer_channel(self) -> None:
        """Open the data channel where the other side has a section for one and opens none."""
        await asyncio.sleep(CHANNEL_GRACE)
        if self._channel is None and self._pc.sctp is not None:
            channel = await internals.open_channel(self._pc, LABEL)
            self._take_channel(channel)  # another one may have come meanwhile

    # Media

    async def _follow_loss(self) -> None:
        """Tell the encoders how much of what they send is lost."""
        while True:
            await asyncio.sleep(LOSS_INTERVAL)
            for encoder, sender in (*self._encoders, *self._sections.encoders()):
                encoder.note_loss(internals.reported_loss(sender))

    def _take_track(self, track: MediaStreamTrack) -> None:
        transceiver = next(t for t in self._pc.getTransceivers() if t.receiver.track is track)
        receiver = transceiver.receiver
        internals.bound_receiver(receiver)
        if self._arrived is not None:
            mid = transceiver.mid or ""
            remote = self._receives.get(mid)
            self._arrived[mid] = self._sections.take(track, transceiver, remote)
            return
        remote = self._remote(transceiver.kind)
        if isinstance(remote, RemoteAudioTrack):
            incoming = IncomingAudio(remote)
            self._incoming[transceiver.mid or ""] = incoming
            remote._statistics = statistics.of_incoming_audio(incoming)
            internals.receive_directly(receiver, incoming.take)
            return
        if isinstance(remote, EncodedRemoteVideo):
            self._incoming[transceiver.mid or ""] = IncomingVideo(remote, receiver, self._run)
        if remote is not None:
            remote._statistics = statistics.of_receiver(receiver)
        self._run(self._pump(track, remote))

    def _run(self, pump: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            self._pumps.append(pump)
            return
        try:
            self._tasks.create_task(pump)
        except RuntimeError:  # the group is ending, and takes no more
            pump.close()

    async def _pump(self, track: MediaStreamTrack, remote: RemoteVideoTrack | None) -> None:
        """Move frames to a track; where nobody wants them, they are dropped."""
        try:
            while True:
                frame = await track.recv()
                if remote is not None and isinstance(frame, av.VideoFrame):
                    remote.push(frame)
        except MediaStreamError:
            if remote is not None:
                remote.end()


def _kind(kind: str) -> TrackKind:
    return "audio" if kind == "audio" else "video"


def _prefer_codecs(transceiver: RTCRtpTransceiver, *, forwarded: bool = False) -> None:
    """Choose codecs.

    For audio Opus alone: every WebRTC client speaks it (RFC 7874), and it is what this side
    encodes. For video that is forwarded, VP8 before H.264: every browser speaks both (RFC 7742
    section 5), so that all speak the same.
    """
    codecs = RTCRtpSender.getCapabilities(transceiver.kind).codecs
    if transceiver.kind == "audio":
        transceiver.setCodecPreferences([c for c in codecs if c.mimeType == "audio/opus"])
    elif forwarded:
        first = [c for c in codecs if c.mimeType == "video/VP8"]
        transceiver.setCodecPreferences(first + [c for c in codecs if c not in first])
