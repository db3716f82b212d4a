"""The sections of tracks that come later, and are used again: a connection never gets rid of one.

aiortc cannot stop a section and put another in its place (RFC 8829 section 5.2.2), and a browser
makes a new source for each. So a section that nobody needs stays as it is, and carries nothing; the
next track of its kind goes through it. Its sender, its receiver and their tasks live as long as the
connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpTransceiver

from ..errors import ConfigurationError
from ..tracks import Track, TrackKind
from . import internals, statistics
from .audio_encoder import AudioTrackEncoder
from .failures import Failures, Report
from .inlets import Inlet, RemoteTrack
from .options import AudioOptions, VideoOptions
from .outlets import OUTLETS, LocalTrack, Outlet
from .sdp.limits import MAX_MEDIA_SECTIONS


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
            outlet = OUTLETS[track.kind](self._audio_options, self._video_options, failed)
            self._outlets[transceiver] = outlet
            transceiver.sender.replaceTrack(outlet)
            receives = transceiver.direction in ("recvonly", "sendrecv")
            transceiver.direction = "sendrecv" if receives else "sendonly"
            outlet.bind(transceiver.sender)
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
        inlet = Inlet(transceiver.kind, transceiver.receiver, self._run)
        self._inlets[transceiver] = inlet
        return inlet.renew(track)

    def renew(self, mid: str) -> Track[Any] | None:
        """Another track comes in through a section that is free; `None` if there is none."""
        inlet = self._inlet(mid)
        return None if inlet is None or inlet.track is not None else inlet.renew()

    def release(self, mid: str) -> None:
        """What came in through a section is over."""
        if (inlet := self._inlet(mid)) is not None:
            inlet.release()

    def stop_all(self) -> list[LocalTrack]:
        """Send nothing more; returns what was sent."""
        tracks = [outlet.track for outlet in self._outlets.values() if outlet.track is not None]
        for outlet in self._outlets.values():
            outlet.carry(None)
        return tracks

    async def undo(self, before: internals.BeforeOffer) -> None:
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
                inlet.close()

    def _forget(self, transceiver: RTCRtpTransceiver) -> None:
        if (outlet := self._outlets.pop(transceiver, None)) is not None:
            outlet.carry(None)
        if (inlet := self._inlets.pop(transceiver, None)) is not None:
            inlet.close()

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
