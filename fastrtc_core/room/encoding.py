"""Mixes as Opus packets, one encoding for all who hear the same."""

from __future__ import annotations

from ..media.libopus import OpusEncoder
from ..webrtc.internals import EncodedFrame
from .mixing import FRAME_SIZE, SAMPLE_RATE, Mix

BIT_RATE = 48_000
"""Of a mix of voices, in bits per second."""


class MixEncoder:
    """Encodes what one listener hears, or several.

    A decoder goes from one encoder to another as a member begins to speak and ends: packets of Opus
    stand for themselves, but for a few ms in which they overlap.
    """

    def __init__(self) -> None:
        self._encoder = OpusEncoder(SAMPLE_RATE, 1, application="lowdelay", bit_rate=BIT_RATE)
        self._next = -1
        self._latest: EncodedFrame | None = None

    def encode(self, mix: Mix) -> EncodedFrame:
        """The packet of a mix; the same mix is encoded once."""
        latest = self._latest
        if latest is None or latest.timestamp != mix.position:
            payload = self._encoder.encode(mix.data)
            latest = EncodedFrame(payload, mix.position, mix.position != self._next)
            self._next = mix.position + FRAME_SIZE
            self._latest = latest
        return latest
