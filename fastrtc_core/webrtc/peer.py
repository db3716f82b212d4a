"""One `RTCPeerConnection` and what flows over it, on either side of a connection."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

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

from ..session import CloseReason, MessageChannel
from ..tracks import LocalAudioTrack, LocalVideoTrack, RemoteAudioTrack, RemoteVideoTrack
from . import internals
from .datachannel import LABEL, DataChannel
from .incoming import IncomingAudio
from .liveness import Liveness
from .options import AudioOptions, VideoOptions
from .opus import OpusEncoder
from .outgoing import OutgoingAudio, OutgoingVideo
from .video import make_encoder

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 15.0
"""How long in s ICE and DTLS may take."""

CHANNEL_GRACE = 1.0
"""How long in s the other side has to open the data channel before this side does."""

LOSS_INTERVAL = 2.0
"""Time in s between two looks at the loss that the other side reports."""

FLUSH_TIMEOUT = 0.5
"""How long in s the last messages have to leave before the connection is closed."""


class Endpoint(Protocol):
    """What a peer connects to the network: a session, or a client."""

    @property
    def remote_audio(self) -> RemoteAudioTrack | None:
        """Where incoming audio goes."""

    @property
    def remote_video(self) -> RemoteVideoTrack | None:
        """Where incoming video goes."""

    @property
    def local_audio(self) -> LocalAudioTrack | None:
        """Where outgoing audio comes from."""

    @property
    def local_video(self) -> LocalVideoTrack | None:
        """Where outgoing video comes from."""

    def open_channel(self, channel: MessageChannel) -> None:
        """Take the message channel, now open."""

    def take_message(self, text: str | bytes) -> None:
        """Take a message of the other side."""

    def stop(self, reason: CloseReason) -> None:
        """Note that the connection has ended."""


class Peer:
    """Connects an endpoint.

    Args:
        endpoint: What sends and receives.
        configuration: ICE servers of this side.
        ports: UDP ports to use, or `None` for any.
        audio_options: How audio is encoded.
        video_options: How video is encoded.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        configuration: RTCConfiguration,
        ports: range | None = None,
        audio_options: AudioOptions | None = None,
        video_options: VideoOptions | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._ports = ports
        self._audio_options = audio_options or AudioOptions()
        self._video_options = video_options or VideoOptions()
        self._pc = RTCPeerConnection(configuration)
        self._connecting = internals.watch_connecting(self._pc, self._note_failure)
        self._audio: IncomingAudio | None = None
        self._sending: tuple[OpusEncoder, RTCRtpSender] | None = None
        self._incoming: list[MediaStreamTrack] = []
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
        for medium in ("audio", "video"):
            if self._remote(medium) is not None or self._local(medium) is not None:
                _prefer_codecs(self._pc.addTransceiver(medium, direction="recvonly"))
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        self._attach_local_tracks()
        for transceiver in self._pc.getTransceivers():
            remote = self._remote(transceiver.kind)
            if remote is None:
                sends = transceiver.sender.track is not None
                transceiver.direction = "sendonly" if sends else "inactive"
        return await self._describe()

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
        return await self._describe()

    async def accept(self, sdp: str) -> None:
        """Take the answer to this side's offer."""
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def add_candidate(self, candidate: RTCIceCandidate | None) -> None:
        """Take a candidate of the other side, or the end of its candidates."""
        if self._pc.connectionState != "closed":
            await self._pc.addIceCandidate(candidate)

    # Connection

    async def connected(self) -> bool:
        """Wait until the connection stands; `False` if it has failed or takes too long."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._settled.wait()
        except TimeoutError:
            return False
        return self._pc.connectionState == "connected"

    async def run(self) -> None:
        """Move media and watch the connection until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for track in self._incoming:
                tasks.create_task(self._pump(track))
            tasks.create_task(Liveness(self._pc, self._endpoint.stop).run(tasks))
            tasks.create_task(self._offer_channel())
            if self._sending is not None and self._audio_options.fec:
                tasks.create_task(self._follow_loss(*self._sending))

    async def close(self) -> None:
        """Close the connection, after the last messages have left; idempotent."""
        if self._channel is not None and self._pc.connectionState == "connected":
            await self._channel.flush(FLUSH_TIMEOUT)
        if self._audio is not None:
            self._audio.close()
        self._pc.remove_all_listeners()
        await internals.close(self._pc, self._connecting)

    async def _describe(self) -> str:
        if self._ports is not None:
            internals.restrict_ports(self._pc, self._ports)
        # Created by the call without an argument: an offer or an answer, whichever is due.
        await self._pc.setLocalDescription()
        return self._pc.localDescription.sdp

    def _attach_local_tracks(self) -> set[str]:
        """Add a sender for each local track; returns their kinds."""
        kinds = set()
        if self._endpoint.local_audio is not None:
            outgoing = OutgoingAudio(self._endpoint.local_audio, self._audio_options)
            sender = self._pc.addTrack(outgoing)
            internals.send_directly(sender, outgoing.next_frame)
            self._sending = outgoing.encoder, sender
            kinds.add("audio")
        if self._endpoint.local_video is not None:
            sender = self._pc.addTrack(OutgoingVideo(self._endpoint.local_video))
            internals.use_encoder(sender, lambda codec: make_encoder(codec, self._video_options))
            kinds.add("video")
        return kinds

    def _remote(self, kind: str) -> RemoteAudioTrack | RemoteVideoTrack | None:
        return self._endpoint.remote_audio if kind == "audio" else self._endpoint.remote_video

    def _local(self, kind: str) -> LocalAudioTrack | LocalVideoTrack | None:
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
            channel.on("message", self._endpoint.take_message)

    def _adopt(self, channel: RTCDataChannel) -> None:
        self._channel = wrapped = DataChannel(channel)
        channel.on("message", self._endpoint.take_message)
        if channel.readyState == "open":
            self._endpoint.open_channel(wrapped)
        else:
            channel.on("open", lambda: self._endpoint.open_channel(wrapped))

    async def _offer_channel(self) -> None:
        """Open the data channel where the other side negotiated one and leaves it to us."""
        await asyncio.sleep(CHANNEL_GRACE)
        if self._channel is None and self._pc.sctp is not None:
            self._adopt(self._pc.createDataChannel(LABEL))

    # Media

    async def _follow_loss(self, encoder: OpusEncoder, sender: RTCRtpSender) -> None:
        """Tell the encoder how much of what it sends is lost."""
        while True:
            await asyncio.sleep(LOSS_INTERVAL)
            encoder.note_loss(internals.reported_loss(sender))

    def _take_track(self, track: MediaStreamTrack) -> None:
        remote = self._endpoint.remote_audio
        if track.kind != "audio" or remote is None:
            self._incoming.append(track)
            return
        self._audio = IncomingAudio(remote)
        receiver = next(r for r in self._pc.getReceivers() if r.track is track)
        internals.receive_directly(receiver, self._audio.take)

    async def _pump(self, track: MediaStreamTrack) -> None:
        """Move frames to the endpoint; aiortc's queue has no bound, so it is always drained."""
        remote = self._endpoint.remote_video if track.kind == "video" else None
        try:
            while True:
                frame = await track.recv()
                if remote is not None and isinstance(frame, av.VideoFrame):
                    remote.push(frame)
        except MediaStreamError:
            if remote is not None:
                remote.end()


def _prefer_codecs(transceiver: RTCRtpTransceiver) -> None:
    """Speak Opus alone: every WebRTC client does (RFC 7874), and it is what this side encodes."""
    if transceiver.kind == "audio":
        codecs = RTCRtpSender.getCapabilities("audio").codecs
        transceiver.setCodecPreferences([c for c in codecs if c.mimeType == "audio/opus"])
