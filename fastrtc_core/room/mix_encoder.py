"""Mixes as Opus packets, one encoding for all who hear the same."""

from __future__ import annotations

from ..errors import ConfigurationError
from ..media.libopus import OpusEncoder
from ..webrtc.internals import EncodedFrame
from ..webrtc.options import AudioOptions
from .room_mixer import FRAME_SIZE, SAMPLE_RATE, Mix

FRAME_DURATION = FRAME_SIZE / SAMPLE_RATE
"""Of one packet, in s."""

BIT_RATE = 48_000
"""Of a mix of voices, in bits per second, by default."""


class MixEncoder:
    """Encodes what one listener hears, or several.

    A decoder goes from one encoder to another as a member begins to speak and ends: packets of Opus
    stand for themselves, but for a few ms in which they overlap.

    Args:
        options: How it encodes.
    """

    def __init__(self, options: AudioOptions | None = None) -> None:
        options = options or AudioOptions()
        self._encoder = OpusEncoder(
            SAMPLE_RATE,
            1,
            application=options.application,
            bit_rate=options.bit_rate or BIT_RATE,
            complexity=options.complexity,
        )
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


def mix_options(options: AudioOptions | None) -> AudioOptions:
    """The options of an engine for all of its mixes.

    Raises:
        ConfigurationError: If they ask for what no mix can have.
    """
    if options is not None and options.fec:
        raise ConfigurationError("a mix carries no fec: it is encoded once for all who hear it")
    if options is not None and options.frame_duration != FRAME_DURATION:
        raise ConfigurationError(f"frame_duration of a mix is {FRAME_DURATION:g} s")
    return options or AudioOptions()
