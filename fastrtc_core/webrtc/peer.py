"""One `RTCPeerConnection` and what flows over it, on either side of a connection."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from aiortc import RTCConfiguration, RTCDataChannel, RTCIceCandidate, RTCPeerConnection

from ..errors import SessionGoneError
from ..session import CloseReason
from ..states import StateMachine
from ..tracks import LocalAudioTrack, LocalVideoTrack
from . import internals
from .addresses import allow_candidate
from .binding import Binding
from .codecs import prefer_codecs
from .connectivity.paths import Credentials
from .datachannel import LABEL, DataChannel
from .endpoint import Endpoint
from .failures import Report, log_failure
from .liveness import Liveness
from .negotiation import Negotiation
from .options import AudioOptions, MediaPorts, VideoOptions
from .peer_state import MAY_FOLLOW, PeerState
from .pumps import Pumps
from .sections import Sections

logger = logging.getLogger(__name__)

internals.take_low_payload_types()

CONNECT_TIMEOUT = 15.0
"""How long in s ICE and DTLS may take."""

CHECK_TIMEOUT = 5.0
"""How long in s a client that was answered may take until it is reached by a connectivity check."""

CHANNEL_GRACE = 1.0
"""How long in s the other side has to open the data channel before this side does."""

LOSS_INTERVAL = 2.0
"""Time in s between two looks at the loss that the other side reports."""

SIGN_INTERVAL = 0.05
"""Time in s between two looks for a sign of life that somebody waits for."""

FLUSH_TIMEOUT = 0.5
"""How long in s the last messages have to leave before the connection is closed."""

_REACHED = {
    "connected": PeerState.CONNECTED,
    "failed": PeerState.FAILED,
    "closed": PeerState.CLOSED,
}
"""What states of an `RTCPeerConnection` say (W3C WebRTC section 4.3.3); others say nothing new."""


class Peer:
    """Connects an endpoint.

    Args:
        endpoint: What sends and receives.
        configuration: ICE servers of this side.
        ports: Over which media go. Those that are shared are for a side that answers; by default
            each peer has ports of its own.
        audio_options: How audio is encoded.
        video_options: How video is encoded.
        report: Told of media that could not be sent, and how often; by default the log is.
        may_check: Which candidates of the other side this side sends checks to; `None` for all.
        advertised_address: The IP address to put into host candidates.

    Attributes:
        negotiation: Its offers and answers.
        sections: The sections of tracks that come later.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        configuration: RTCConfiguration,
        ports: MediaPorts | None = None,
        audio_options: AudioOptions | None = None,
        video_options: VideoOptions | None = None,
        report: Report = log_failure,
        may_check: internals.MayCheck | None = allow_candidate,
        advertised_address: str | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._audio_options = audio = audio_options or AudioOptions()
        self._video_options = video = video_options or VideoOptions()
        self._pc = pc = RTCPeerConnection(configuration)
        internals.accept_rsa(pc)
        ports = ports or MediaPorts()
        if ports.udp is not None:
            internals.share_ports(pc, ports.udp, ports.tcp, may_check, lite=ports.lite)
        self._connecting = internals.watch_connecting(pc, self._note_failure)
        self._progress = StateMachine("the peer", PeerState.NEW, MAY_FOLLOW)
        self._pumps = pumps = Pumps()
        self._binding = binding = Binding(pc, endpoint, pumps, audio, video, report)
        prefer = partial(prefer_codecs, video=video.codecs)
        self.sections = Sections(pc, prefer, pumps.run, audio, video, report)
        self.negotiation = Negotiation(
            pc,
            self._progress,
            binding,
            self.sections,
            ports.own,
            may_check,
            self._take_channel,
            advertised_address,
        )
        self._channel: DataChannel | None = None
        self._liveness = Liveness(pc, endpoint.stop)
        self._settled = asyncio.Event()
        """It connects no longer, whatever has become of it."""
        pc.on("datachannel", self._take_channel)
        pc.on("connectionstatechange", self._note_state)

    @property
    def state(self) -> PeerState:
        """Where it is in its life."""
        return self._progress.state

    # Negotiation

    async def answer(self, sdp: str) -> str:
        """Answer an offer; see `Negotiation.answer`."""
        return await self.negotiation.answer(sdp)

    async def offer(self, *, data_channel: bool = True) -> str:
        """Make an offer, of a data channel too; see `Negotiation.offer`."""
        if data_channel:
            self._adopt(self._pc.createDataChannel(LABEL))
        return await self.negotiation.offer()

    async def accept(self, sdp: str) -> None:
        """Take the answer to this side's offer; see `Negotiation.accept`."""
        await self.negotiation.accept(sdp)

    async def add_candidate(self, candidate: RTCIceCandidate | None) -> None:
        """Take a candidate of the other side, or the end of its candidates."""
        if self.state is not PeerState.CLOSED:
            await self.negotiation.add_candidate(candidate)

    async def restart_ice(self, theirs: Credentials) -> str:
        """Take new ICE credentials; see `Negotiation.restart_ice`. Returns a fragment of SDP.

        Raises:
            OfferError: If that cannot be.
        """
        if self.state not in (PeerState.CONNECTING, PeerState.CONNECTED):
            raise SessionGoneError("the connection has ended: make a new one")
        return str(await self.negotiation.restart_ice(theirs))

    @property
    def remote_ufrags(self) -> frozenset[str]:
        """The ICE user names that the other side has now, once ICE has begun."""
        return internals.remote_ufrags(self._pc)

    async def stop_sending(self, track: LocalAudioTrack | LocalVideoTrack) -> bool:
        """Send a track no longer; returns whether it was sent."""
        if self.sections.stop_sending(track):
            return True
        if not await self._binding.stop_sending(track.sid):
            return False
        track.published = False
        return True

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
                return self.state is PeerState.CONNECTED
            except TimeoutError:
                if not internals.was_reached(self._pc):
                    return False
        return False

    def give_up(self) -> None:
        """Nobody waits for the connection any more."""
        self._settled.set()

    async def run(self) -> None:
        """Move media and watch the connection until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._pumps.begin(tasks)
            tasks.create_task(self._liveness.run(tasks))
            tasks.create_task(self._offer_channel())
            if self._audio_options.fec:
                tasks.create_task(self._follow_loss())

    @property
    def certain(self) -> float:
        """The latest loop time (s) of which it is known that the other side was there."""
        return self._liveness.certain

    async def heard_again(self) -> None:
        """Wait until the other side is heard from."""
        since, packets = asyncio.get_running_loop().time(), internals.packets_heard(self._pc)
        while True:
            await asyncio.sleep(SIGN_INTERVAL)
            if internals.packets_heard(self._pc) != packets or self.certain > since:
                return

    async def detach(self) -> None:
        """Move nothing more either way: another connection takes the place of this one."""
        if self._channel is not None:
            self._channel.abandon()
        self._pumps.close()
        self._binding.close()
        self.sections.close()
        await self._binding.stop_all()
        self.sections.stop_all()

    async def close(self) -> None:
        """Close the connection, after the last messages have left; idempotent."""
        if self._channel is not None and self.state is PeerState.CONNECTED:
            await self._channel.flush(FLUSH_TIMEOUT)
        if self.state is not PeerState.CLOSED:
            self._progress.enter(PeerState.CLOSED)
        self._pumps.close()
        self._binding.close()
        self.sections.close()
        self._pc.remove_all_listeners()
        if dropped := internals.dropped(self._pc):
            logger.info("dropped: %s", ", ".join(f"{n} {what}" for what, n in dropped.items()))
        await internals.close(self._pc, self._connecting)

    def _note_state(self) -> None:
        reached = _REACHED.get(self._pc.connectionState)
        # A section with a transport of its own has it connect once more.
        if reached is None or not self._progress.may_become(reached):
            return
        self._progress.enter(reached)
        self._settled.set()
        if reached is PeerState.FAILED:
            self._endpoint.stop(CloseReason.LOST)
        elif reached is PeerState.CLOSED:
            self._endpoint.stop(CloseReason.CLIENT)

    def _note_failure(self, error: Exception) -> None:
        logger.info("connecting failed: %s", error, exc_info=error)
        if self._progress.may_become(PeerState.FAILED):
            self._progress.enter(PeerState.FAILED)
        self._settled.set()
        self._endpoint.stop(CloseReason.LOST)

    # Data channel

    @property
    def max_message_size(self) -> float:
        """Bytes of the largest message that the other side takes, once its description is known."""
        return self.negotiation.max_message_size

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
            for encoder, sender in (*self._binding.encoders(), *self.sections.encoders()):
                encoder.note_loss(internals.reported_loss(sender))
