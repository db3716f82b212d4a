"""The one place that reaches into private parts of aiortc and aioice.

Each name is covered by a contract test; aiortc is pinned to the minor versions that pass it.
"""

from .association import unacknowledged
from .ciphers import accept_rsa
from .connection import (
    BeforeOffer,
    before_offer,
    close,
    dtls_transports,
    probe,
    retire,
    shares_ports,
    undo_offer,
    was_reached,
    watch_connecting,
)
from .encoded_video import VideoPacket, VideoTap, negotiated_codecs, take_layers
from .feedback import send_feedback
from .gate import MayCheck
from .gathering import gather_here
from .guard import dropped, guard, packets_heard
from .line import BitRates, number_packets
from .negotiated import open_channel, take_negotiated
from .numbering import number_sections, take_parameters
from .payload_types import take_low_payload_types
from .receiving import receive_directly
from .restarting import IceRestart, local_credentials, remote_ufrags
from .sending import EncodedFrame, reported_loss, send_directly
from .shared import share_ports
from .sources import bound_receiver
from .video_sending import PictureEncoding, TimedPicture, send_encoded, send_pictures

__all__ = [
    "BeforeOffer",
    "BitRates",
    "EncodedFrame",
    "IceRestart",
    "MayCheck",
    "PictureEncoding",
    "TimedPicture",
    "VideoPacket",
    "VideoTap",
    "accept_rsa",
    "before_offer",
    "bound_receiver",
    "close",
    "dropped",
    "dtls_transports",
    "gather_here",
    "guard",
    "local_credentials",
    "negotiated_codecs",
    "number_packets",
    "number_sections",
    "open_channel",
    "packets_heard",
    "probe",
    "receive_directly",
    "remote_ufrags",
    "reported_loss",
    "retire",
    "send_directly",
    "send_encoded",
    "send_feedback",
    "send_pictures",
    "share_ports",
    "shares_ports",
    "take_layers",
    "take_low_payload_types",
    "take_negotiated",
    "take_parameters",
    "unacknowledged",
    "undo_offer",
    "was_reached",
    "watch_connecting",
]
