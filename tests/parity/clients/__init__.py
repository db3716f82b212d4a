"""One client for each transport, all alike to a test."""

from .base import Client, Transport, Wishes
from .inprocess import InProcess
from .telephone import Telephone
from .webrtc import WebRtc
from .websocket import FastRtcSocket, WebSocket

TRANSPORTS: tuple[Transport, ...] = (
    WebRtc(),
    WebSocket(),
    FastRtcSocket(),
    Telephone(),
    InProcess(),
)
"""All of them; FastRTC's dialect of the WebSocket counts as one of its own."""

__all__ = ["TRANSPORTS", "Client", "Transport", "Wishes"]
