"""Offers and answers of one connection, on either side of it, at its beginning and later."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCDataChannel,
    RTCIceCandidate,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)

from ..errors import ModalityError, NoIceRestartError
from ..states import StateMachine
from ..tracks import (
    LocalAudioTrack,
    LocalVideoTrack,
    RemoteAudioTrack,
    RemoteVideoTrack,
    Track,
    TrackKind,
)
from . import internals
from .binding import Binding
from .codecs import prefer_codecs
from .connectivity.paths import Credentials
from .peer_state import PeerState
from .sdp.candidates import advertise_address
from .sdp.description import Description, Section
from .sdp.feedback import agreed_feedback, answer_feedback, offer_feedback
from .sdp.media import choose, read_media
from .sdp.opus import describe_opus
from .sdp.reduction import Reduction
from .sdp.simulcast import answer_simulcast
from .sdp.video import describe_video
from .sections import Sections

DEFAULT_MESSAGE_SIZE = 65_536
"""Bytes of the largest message for those that say nothing of it (RFC 8841 section 6.1)."""

KINDS: tuple[TrackKind, ...] = ("audio", "video")


class Negotiation:
    """Makes and answers offers.

    Args:
        pc: The connection.
        progress: Where its peer is.
        binding: The media of the endpoint.
        sections: The sections of tracks that come later.
        ports: UDP ports to use, or `None` for any.
        may_check: Which candidates of the other side this side sends checks to; `None` for all.
        take_channel: Called with data channels that the other side never opens.
        advertised_address: The IP address to put into host candidates.
    """

    def __init__(
        self,
        pc: RTCPeerConnection,
        progress: StateMachine[PeerState],
        binding: Binding,
        sections: Sections,
        ports: range | None,
        may_check: internals.MayCheck | None,
        take_channel: Callable[[RTCDataChannel], None],
        advertised_address: str | None = None,
    ) -> None:
        self._pc = pc
        self._progress = progress
        self._binding = binding
        self._sections = sections
        self._ports = ports
        self._may_check = may_check
        self._take_channel = take_channel
        self._advertised_address = advertised_address
        self._turn = asyncio.Lock()
        """Later offers come over the data channel, and from elsewhere."""
        self._mids: list[str] = []
        """Of all sections of the latest offer of the other side."""
        self._main: dict[str, TrackKind] = {}
        """The sections of what the endpoint itself sends and takes, by mid."""
        self._rejected: set[str] = set()
        """Those that were not accepted, and are not later (RFC 8829 section 5.3.1)."""
        self._taken: set[RTCRtpTransceiver] = set()
        """Those through which something has come in."""

    # The first offer and its answer

    async def answer(self, sdp: str) -> str:
        """Answer an offer; returns the SDP with all candidates of this side.

        Raises:
            RuntimeError: If there was an offer before.
            Exception: Whatever aiortc raises on an offer that it cannot serve.
        """
        self._progress.enter(PeerState.CONNECTING)
        binding = self._binding
        offer = Description.parse(sdp)
        media = read_media(offer)
        chosen = choose(
            media,
            receives=[kind for kind in KINDS if binding.remote(kind) is not None],
            sends=[kind for kind in KINDS if binding.local(kind) is not None],
            forwarded=binding.forwards,
        )
        self._main = {section.mid: _kind(section.kind) for section in chosen.values()}
        keep = set(self._main)
        keep.update([section.mid for section in media if section.kind == "application"][:1])
        if not chosen:  # a member who may only write: its media are inactive, and not gone for good
            keep.update([section.mid for section in media if section.kind in KINDS][:2])
        for kind in KINDS:
            if binding.remote(kind) is not None or binding.local(kind) is not None:
                transceiver = self._pc.addTransceiver(kind, direction="recvonly")
                self._prefer(transceiver, forwarded=binding.forwards)
        reduced = await self._show(offer, keep)
        for track, transceiver in self._came():
            binding.take(track, transceiver)
        if self._pc.sctp is not None:
            internals.take_negotiated(self._pc.sctp, self._take_channel)
        binding.attach()
        for transceiver in self._pc.getTransceivers():
            if binding.remote(transceiver.kind) is None:
                sends = transceiver.sender.track is not None
                transceiver.direction = "sendonly" if sends else "inactive"
        return await self._answer(reduced, offer)

    async def offer(self) -> str:
        """Make an offer; returns its SDP with all candidates of this side.

        Raises:
            RuntimeError: If there was an offer before.
        """
        self._progress.enter(PeerState.OFFERED)
        sent = self._binding.attach()
        for kind in KINDS:
            if self._binding.remote(kind) is not None and kind not in sent:
                self._pc.addTransceiver(kind, direction="recvonly")
        for transceiver in self._pc.getTransceivers():
            self._prefer(transceiver)
            if self._binding.remote(transceiver.kind) is None:
                transceiver.direction = "sendonly"
        return await self._offer()

    async def accept(self, sdp: str) -> None:
        """Take the answer to this side's offer.

        Raises:
            RuntimeError: If it has made none, or had its answer.
            ModalityError: If the other side rejects a section; aiortc cannot go on without it.
        """
        self._progress.enter(PeerState.CONNECTING)
        await self._take_answer(sdp)
        for track, transceiver in self._came():
            self._binding.take(track, transceiver)

    @property
    def max_message_size(self) -> float:
        """Bytes of the largest message that the other side takes, once its description is known.

        There, 0 stands for any size.
        """
        theirs = Description.parse(self._pc.remoteDescription.sdp)
        sizes = [size for section in theirs.sections for size in section.values("max-message-size")]
        said = [int(size) for size in sizes if size.strip().isdecimal()]
        return (said[0] or math.inf) if said else DEFAULT_MESSAGE_SIZE

    async def add_candidate(self, candidate: RTCIceCandidate | None) -> None:
        """Take a candidate of the other side, or the end of its candidates."""
        if candidate is not None and self._mids:
            # By its mid alone: aiortc counts only the sections that it was shown.
            index = candidate.sdpMLineIndex
            if not candidate.sdpMid and index is not None and 0 <= index < len(self._mids):
                candidate.sdpMid = self._mids[index]
            candidate.sdpMLineIndex = None
            if candidate.sdpMid is None:
                return
        await self._pc.addIceCandidate(candidate)

    # Tracks that come later

    async def answer_again(
        self,
        sdp: str,
        sends: Mapping[str, LocalAudioTrack | LocalVideoTrack],
        receives: Mapping[str, RemoteAudioTrack | RemoteVideoTrack],
        unwanted: Collection[str] = (),
    ) -> tuple[str, dict[str, Track[Any]]]:
        """Answer a later offer.

        Args:
            sdp: The offer.
            sends: Further tracks to send, by the mid of the section that was made for each; their
                first packets wait for `Sections.begin`.
            receives: Tracks of the endpoint, by the mid of the section that brings each now.
            unwanted: Sections that are rejected.

        Returns:
            The answer, and the further tracks that came with the offer, by their mid.

        Raises:
            RuntimeError: If there is no connection.
            NoIceRestartError: If it would restart ICE, and that cannot be.
            Exception: Whatever aiortc raises on an offer that it cannot serve.
        """
        async with self._turn:
            return await self._answer_again(sdp, sends, receives, unwanted)

    async def _answer_again(
        self,
        sdp: str,
        sends: Mapping[str, LocalAudioTrack | LocalVideoTrack],
        receives: Mapping[str, RemoteAudioTrack | RemoteVideoTrack],
        unwanted: Collection[str],
    ) -> tuple[str, dict[str, Track[Any]]]:
        self._require_connection()
        offer = Description.parse(sdp)
        restart = internals.IceRestart(self._pc, offer.ice_credentials())
        before = internals.before_offer(self._pc)
        try:
            media = read_media(offer)
            known = {transceiver.mid: transceiver for transceiver in before.places}
            data = [section.mid for section in media if section.kind == "application"][:1]
            taken = [s for s in media if s.kind != "application" and (s.spoken or s.mid in known)]
            keep = {section.mid for section in taken} - self._rejected - set(unwanted) | set(data)
            for section in taken:
                if section.mid in keep and section.mid not in known:
                    self._prefer(self._pc.addTransceiver(section.kind, "recvonly"))
                elif section.mid in receives:
                    known[section.mid].direction = "sendrecv"
            reduced = await self._show(offer, keep)
            arrived = self._take_further(receives)
            for transceiver in self._pc.getTransceivers():
                track = sends.get(transceiver.mid or "")
                if track is not None:
                    self._sections.send(track, transceiver, held=True)
            answer = await self._answer(reduced, offer)
            for mid, taking in (*receives.items(), *sends.items()):
                if taking in (self._binding.remote(taking.kind), self._binding.local(taking.kind)):
                    self._main[mid] = taking.kind
            restart.commit()
            return answer, arrived
        except BaseException:
            restart.abandon()
            for track in sends.values():
                self._sections.stop_sending(track)
            await self._sections.undo(before)
            self._taken &= set(self._pc.getTransceivers())
            raise

    async def restart_ice(self, theirs: Credentials) -> Description:
        """Take new ICE credentials of the other side that come without an offer.

        Returns:
            What there is to say of this side: one section with its new credentials, all its
            candidates, and the mid of the first section.

        Raises:
            RuntimeError: If there is no connection.
            NoIceRestartError: If that cannot be.
        """
        async with self._turn:
            self._require_connection()
            known = Description.parse(self._pc.localDescription.sdp)
            if len(internals.dtls_transports(self._pc)) != 1:
                raise NoIceRestartError("ICE cannot be restarted: the sections are no BUNDLE")
            first = next(section for section in known.sections if section.live)
            restart = internals.IceRestart(self._pc, {first.mid: theirs})
            if not restart:
                raise NoIceRestartError("these are the ICE credentials of before")
            ours = internals.local_credentials(self._pc)
            restart.commit()
            lines = [
                first.lines[0],
                f"a=mid:{first.mid}",
                f"a=ice-ufrag:{ours.ufrag}",
                f"a=ice-pwd:{ours.password}",
                *(f"a=candidate:{candidate}" for candidate in first.values("candidate")),
                "a=end-of-candidates",
            ]
            session = [line for line in known.session if line == "a=ice-lite"]
            return self._advertise(Description(session, [Section(lines)]))

    async def retire(self, sdp: str) -> set[TrackKind]:
        """End the sections that a later offer has ended: the other side never takes them up again.

        Returns:
            The media of the endpoint itself that were carried by them.
        """
        live = {section.mid for section in read_media(Description.parse(sdp))}
        gone = [t for t in self._pc.getTransceivers() if t.mid is not None and t.mid not in live]
        for transceiver in gone:
            self._binding.forget(transceiver)
        self._taken -= set(gone)
        await self._sections.retire(gone)
        carried = [self._main.pop(transceiver.mid or "", None) for transceiver in gone]
        media = {kind for kind in carried if kind is not None}
        for kind in media:
            self._binding.end_sending(kind)
        return media

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
            RuntimeError: If there is no connection.
            ConfigurationError: If there are as many sections as there may be.
        """
        self._require_connection()
        sending = [self._sections.open_outlet(track) for track in sends]
        receiving: list[RTCRtpTransceiver] = []
        for kind in receives:
            receiving.append(self._sections.open_inlet(kind, receiving))
        sdp = await self._offer()
        return sdp, [t.mid or "" for t in sending], [t.mid or "" for t in receiving]

    async def accept_again(self, sdp: str) -> dict[str, Track[Any]]:
        """Take the answer to a later offer; returns the further tracks in it, by their mid.

        Raises:
            RuntimeError: If there is no connection.
            ModalityError: If the other side rejects a section; aiortc cannot go on without it.
        """
        self._require_connection()
        await self._take_answer(sdp)
        return self._take_further({})

    def carries(self, mid: str) -> TrackKind | None:
        """The medium of the endpoint itself that a section carries, or has carried."""
        return self._main.get(mid)

    def knows(self, mid: str) -> bool:
        """Whether a section is one of the offers before."""
        return mid in self._rejected or any(t.mid == mid for t in self._pc.getTransceivers())

    # Steps

    def _prefer(self, transceiver: RTCRtpTransceiver, *, forwarded: bool = False) -> None:
        prefer_codecs(transceiver, self._binding.codecs, forwarded=forwarded)

    def _require_connection(self) -> None:
        self._progress.require(PeerState.CONNECTING, PeerState.CONNECTED)

    async def _show(self, offer: Description, keep: Collection[str]) -> Reduction:
        """Hand aiortc the sections of an offer that are used; the others are rejected for good."""
        reduced = Reduction(offer, keep, forwarded=self._binding.forwards)
        self._mids = offer.mids
        self._rejected.update(set(self._mids) - set(reduced.mids))
        await self._pc.setRemoteDescription(RTCSessionDescription(reduced.sdp, "offer"))
        internals.number_sections(self._pc, reduced.mids)
        for transceiver in self._pc.getTransceivers():
            internals.take_parameters(transceiver, reduced.h264.get(transceiver.mid or "", {}))
        return reduced

    async def _take_answer(self, sdp: str) -> None:
        answer = Description.parse(sdp)
        for section in answer.sections:
            if not section.live:
                raise ModalityError(
                    f"the other side takes and sends no {section.kind}: do not offer it"
                )
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        self._use_feedback(agreed_feedback(answer))

    def _came(self) -> Iterator[tuple[MediaStreamTrack, RTCRtpTransceiver]]:
        """What the latest description of the other side has brought.

        It is asked for before the event loop goes on, and so before any packet of it is read.
        """
        for transceiver in self._pc.getTransceivers():
            track: MediaStreamTrack | None = transceiver.receiver.track
            if track is not None and transceiver not in self._taken:
                self._taken.add(transceiver)
                internals.bound_receiver(transceiver.receiver)
                yield track, transceiver

    def _take_further(
        self, receives: Mapping[str, RemoteAudioTrack | RemoteVideoTrack]
    ) -> dict[str, Track[Any]]:
        """Take what came: as these tracks by mid, or as further ones."""
        return {
            transceiver.mid or "": self._sections.take(
                track, transceiver, receives.get(transceiver.mid or "")
            )
            for track, transceiver in self._came()
        }

    async def _answer(self, reduced: Reduction, offer: Description) -> str:
        """The answer to an offer of which aiortc was shown this."""
        answer = reduced.complete(await self._describe())
        self._use_feedback(answer_feedback(answer, offer))
        if self._binding.takes_layers:
            layered = [mid for mid, kind in self._main.items() if kind == "video"]
            internals.take_layers(self._pc, answer_simulcast(answer, offer, layered))
        return str(answer)

    def _use_feedback(self, agreed: Mapping[str, int]) -> None:
        """Send and take transport-wide feedback, as it was agreed."""
        internals.send_feedback(self._pc, agreed, self._binding.run)
        internals.number_packets(self._pc, agreed)

    async def _offer(self) -> str:
        offer = await self._describe()
        offer_feedback(offer)
        return str(offer)

    async def _describe(self) -> Description:
        internals.gather_here(self._pc, self._ports)
        internals.guard(self._pc, self._may_check)
        # Created by the call without an argument: an offer or an answer, whichever is due.
        await self._pc.setLocalDescription()
        internals.guard(self._pc, self._may_check)
        description = Description.parse(self._pc.localDescription.sdp)
        if internals.shares_ports(self._pc):
            # The agent is one of RFC 8445 (section 10); clients may restart it.
            description.session.append("a=ice-options:ice2")
        describe_opus(description, dtx=self._binding.takes_pauses)
        describe_video(description, self._binding.client_bit_rate)
        return self._advertise(description)

    def _advertise(self, description: Description) -> Description:
        if self._advertised_address is not None:
            advertise_address(description, self._advertised_address)
        return description


def _kind(kind: str) -> TrackKind:
    return "audio" if kind == "audio" else "video"
