"""The one place that reaches into private parts of aiortc and aioice.

Each name is covered by a contract test; aiortc is pinned to the minor versions that pass it.
"""

from .connection import close, packets_received, probe, was_reached, watch_connecting
from .damage import drop_damaged
from .ports import restrict_ports
from .receiving import receive_directly
from .sending import EncodedFrame, reported_loss, send_directly, use_encoder
from .video import VideoPacket, VideoTap, negotiated_codecs, send_encoded

__all__ = [
    "EncodedFrame",
    "VideoPacket",
    "VideoTap",
    "close",
    "drop_damaged",
    "negotiated_codecs",
    "packets_received",
    "probe",
    "receive_directly",
    "reported_loss",
    "restrict_ports",
    "send_directly",
    "send_encoded",
    "use_encoder",
    "was_reached",
    "watch_connecting",
]
