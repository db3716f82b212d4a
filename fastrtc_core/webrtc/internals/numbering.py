"""The sections of a connection where it was not shown all that were offered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiortc import RTCPeerConnection, RTCRtpTransceiver
from aiortc.sdp import parameters_from_sdp


def number_sections(pc: RTCPeerConnection, mids: Sequence[str]) -> None:
    """Give each transceiver the place that its section has in the latest offer.

    aiortc keeps the place of the first offer, which is another one where a section before it has
    been left out since.

    Args:
        pc: The connection, which has taken the offer.
        mids: The sections that it was shown.
    """
    private: Any = pc
    places = {mid: place for place, mid in enumerate(mids)}
    for transceiver in pc.getTransceivers():
        private_transceiver: Any = transceiver
        private_transceiver._set_mline_index(places.get(transceiver.mid or ""))
    if pc.sctp is not None and pc.sctp.mid in places:
        private._RTCPeerConnection__sctp_mline_index = places[pc.sctp.mid]


def take_parameters(transceiver: RTCRtpTransceiver, offered: Mapping[int, str]) -> None:
    """Answer codecs with parameters of the offer, in place of those that aiortc knows.

    Args:
        transceiver: One that has taken an offer.
        offered: The `fmtp` of the offer, by payload type; empty where there was none.
    """
    for codec in transceiver._codecs:
        text = offered.get(codec.payloadType or 0)
        if text is not None:
            codec.parameters = parameters_from_sdp(text) if text else {}
