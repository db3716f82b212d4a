"""The media of an endpoint itself, bound to the senders and receivers of its connection."""

from __future__ import annotations

from typing import TypeAlias

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver

from ..tracks import (
    LocalAudioTrack,
    LocalVideoTrack,
    RemoteAudioTrack,
    RemoteVideoTrack,
    TrackKind,
)
from . import internals, statistics
from .audio_encoder import AudioTrackEncoder
from .encoded import EncodedAudio, EncodedVideo
from .endpoint import Endpoint
from .failures import Failures, Report
from .incoming import IncomingAudio
from .incoming_video import EncodedRemoteVideo, IncomingVideo
from .options import AudioOptions, VideoOptions
from .outgoing import outgoing_of
from .pumps import Pumps

LocalMedium: TypeAlias = LocalAudioTrack | EncodedAudio | LocalVideoTrack | EncodedVideo
RemoteMedium: TypeAlias = RemoteAudioTrack | RemoteVideoTrack


class Binding:
    """What an endpoint sends and takes from the beginning; `Sections` has what comes later.

    Args:
        pc: The connection.
        endpoint: What sends and receives.
        pumps: Run while the connection stands.
        audio_options, video_options: How media are encoded.
        report: Told of media that could not be sent, and how often.
    """

    def __init__(
        self,
        pc: RTCPeerConnection,
        endpoint: Endpoint,
        pumps: Pumps,
        audio_options: AudioOptions,
        video_options: VideoOptions,
        report: Report,
    ) -> None:
        self._pc = pc
        self._endpoint = endpoint
        self._pumps = pumps
        self.run = pumps.run
        """Runs a coroutine while the connection stands."""
        self._audio_options = audio_options
        self._video_options = video_options
        self._report = report
        self._incoming: dict[str, IncomingAudio | IncomingVideo] = {}
        """What comes in, by mid."""
        self._senders: dict[str, RTCRtpSender] = {}
        """By the `sid` of what they send."""
        self._encoders: dict[RTCRtpSender, AudioTrackEncoder] = {}

    @property
    def forwards(self) -> bool:
        """Whether pictures of others are handed on as they came."""
        return isinstance(self._endpoint.local_video, EncodedVideo) or isinstance(
            self._endpoint.remote_video, EncodedRemoteVideo
        )

    @property
    def takes_layers(self) -> bool:
        """Whether there is use for a camera in several sizes: each viewer may get another one."""
        return isinstance(self._endpoint.remote_video, EncodedRemoteVideo)

    @property
    def takes_pauses(self) -> bool:
        """Whether audio may come with its pauses left out."""
        remote = self._endpoint.remote_audio
        return remote is not None and remote.sparse

    @property
    def client_bit_rate(self) -> int | None:
        """Bits per second with which the other side is asked to begin to send video."""
        return self._video_options.client_bit_rate

    @property
    def codecs(self) -> tuple[str, ...]:
        """Codecs of video that are used before others."""
        return self._video_options.codecs

    def remote(self, kind: str) -> RemoteMedium | None:
        """Where the endpoint takes a medium."""
        return self._endpoint.remote_audio if kind == "audio" else self._endpoint.remote_video

    def local(self, kind: str) -> LocalMedium | None:
        """Where the endpoint's own medium comes from."""
        return self._endpoint.local_audio if kind == "audio" else self._endpoint.local_video

    def encoders(self) -> list[tuple[AudioTrackEncoder, RTCRtpSender]]:
        """Encoders of audio that is sent now, and the sender that each serves."""
        return [(encoder, sender) for sender, encoder in self._encoders.items()]

    def attach(self) -> set[str]:
        """Have all that the endpoint sends be sent; returns their kinds."""
        kinds: set[str] = set()
        for track in (self._endpoint.local_audio, self._endpoint.local_video):
            if track is not None:
                self._send(track)
                kinds.add(track.kind)
        return kinds

    def take(self, media: MediaStreamTrack, transceiver: RTCRtpTransceiver) -> None:
        """Something comes in through a section for the first time."""
        receiver, mid = transceiver.receiver, transceiver.mid or ""
        remote = self.remote(transceiver.kind)
        if isinstance(remote, RemoteAudioTrack):
            incoming = self._incoming[mid] = IncomingAudio(remote)
            remote._statistics = statistics.of_incoming_audio(incoming)
            internals.receive_directly(receiver, incoming.take)
            return
        if transceiver.kind == "audio":
            internals.receive_directly(receiver, lambda packet: None)
            return
        self._incoming[mid] = IncomingVideo(remote, receiver, self._pumps.run)
        if remote is not None:
            remote._statistics = statistics.of_receiver(receiver)

    async def stop_sending(self, sid: str) -> bool:
        """Send a track no longer; returns whether it was sent."""
        sender = self._senders.pop(sid, None)
        if sender is None:
            return False
        self._encoders.pop(sender, None)
        await sender.stop()
        return True

    async def stop_all(self) -> None:
        """Send nothing more; another connection may send it."""
        senders = list(self._senders.values())
        self._senders.clear()
        self._encoders.clear()
        for sender in senders:
            await sender.stop()

    def forget(self, transceiver: RTCRtpTransceiver) -> None:
        """A section has ended, and never comes again."""
        if (incoming := self._incoming.pop(transceiver.mid or "", None)) is not None:
            incoming.close()
        for sid in [sid for sid, s in self._senders.items() if s is transceiver.sender]:
            del self._senders[sid]
        self._encoders.pop(transceiver.sender, None)

    def end_sending(self, kind: TrackKind) -> None:
        """Nothing carries a medium of the endpoint any more."""
        if (local := self.local(kind)) is not None:
            local.published = False

    def close(self) -> None:
        """Receive nothing more; idempotent."""
        for incoming in self._incoming.values():
            incoming.close()

    def _send(self, track: LocalMedium) -> None:
        """Send a track through the first section that has room."""
        track.published = True
        failed = Failures(f"sending {track.kind}", self._report).note
        outgoing = outgoing_of(track, self._audio_options, self._video_options, failed)
        sender = self._pc.addTrack(outgoing)
        outgoing.bind(next(t for t in self._pc.getTransceivers() if t.sender is sender))
        if outgoing.encoder is not None:
            self._encoders[sender] = outgoing.encoder
        self._senders[track.sid] = sender
        track._statistics = statistics.of_sender(sender)
