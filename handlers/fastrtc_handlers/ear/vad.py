"""A speech detector that listens with an ear."""

from __future__ import annotations

from typing import Self

import numpy as np

from fastrtc_core import AudioFrame
from fastrtc_core.toolkit import Converter

from ..vad import VAD, AttentiveVAD, DiscerningVAD, Loudness, MeasuringVAD, VADEvent, WindowedVAD
from .ear import Ear, Heard
from .levels import RATE

_SPEECH = 0.5
"""Probability from which a window is taken for speech."""


class EarVAD:
    """A `VAD` that hears what an ear lets through.

    Where there is nothing but the agent's own voice, the detector goes on listening, so that it is
    not surprised by what comes next, but what it hears is not speech.

    Args:
        vad: The detector; of this stream alone.
        ear: The ear; of this stream alone.
    """

    def __init__(self, vad: VAD, ear: Ear) -> None:
        self.vad = vad
        self.ear = ear
        self._attentive = vad if isinstance(vad, AttentiveVAD) else None
        self._discerning = vad if isinstance(vad, DiscerningVAD) else None
        self._heard: tuple[AudioFrame, list[Heard]] | None = None
        self._converter: Converter | None = None

    @property
    def end_delay(self) -> float:
        """See `VAD.end_delay`."""
        return self.vad.end_delay

    @property
    def probability(self) -> float:
        """See `VAD.probability`."""
        return self.vad.probability

    @property
    def speaking(self) -> bool:
        """See `VAD.speaking`."""
        return self.vad.speaking

    @property
    def traces(self) -> bool:
        """See `AttentiveVAD`; `False` where the detector does not say."""
        return self._attentive is not None and self._attentive.traces

    @property
    def extra_silence(self) -> float:
        """See `AttentiveVAD`; 0 where the detector does not say."""
        return 0.0 if self._attentive is None else self._attentive.extra_silence

    @property
    def sure(self) -> bool:
        """See `DiscerningVAD`; what a detector takes for speech where it does not say more."""
        if self._discerning is not None:
            return self._discerning.sure
        return self.vad.probability >= _SPEECH

    @property
    def loudness(self) -> Loudness:
        """See `MeasuringVAD`; nothing is known where the detector does not say."""
        return self.vad.loudness if isinstance(self.vad, MeasuringVAD) else Loudness()

    def hear(self, frame: AudioFrame) -> AudioFrame:
        """Listen to a frame, whether it is pushed afterwards or not.

        An ear has to hear all that comes: the echo of what is played now comes later.

        Returns:
            The frame that is to be pushed, if any: cleaned, if that is what the ear is for.
        """
        heard = self.ear.hear(frame)
        if self.ear.clean_turns:
            frame = self._cleaned(frame, heard)
        self._heard = frame, heard
        return frame

    def push(self, frame: AudioFrame) -> list[VADEvent]:
        """Listen to a frame, see `VAD.push`."""
        if self._heard is None or self._heard[0] is not frame:
            frame = self.hear(frame)
        assert self._heard is not None
        (_, pieces), self._heard = self._heard, None
        events = []
        for piece in pieces:
            events += self._listen(piece)
        rate = frame.sample_rate
        return [
            VADEvent(event.kind, event.position * rate // RATE, event.decided * rate // RATE)
            for event in events
        ]

    def reset(self) -> None:
        """See `VAD.reset`; the ear goes on where it was."""
        self.vad.reset()

    def copy(self) -> Self:
        """A detector and an ear with the same settings for another stream."""
        return type(self)(self.vad.copy(), self.ear.copy())

    def _listen(self, piece: Heard) -> list[VADEvent]:
        audio = piece.audio[np.newaxis]
        if isinstance(self.vad, WindowedVAD):
            self.vad.ignoring = piece.own
        elif piece.own:
            audio = np.zeros_like(audio)
        return self.vad.push(AudioFrame(RATE, audio))

    def _cleaned(self, frame: AudioFrame, heard: list[Heard]) -> AudioFrame:
        """A frame of the same form that holds what was heard; the first one begins with silence."""
        if self._converter is None:
            self._converter = Converter(frame.sample_rate, frame.num_channels)
        pieces = [piece.cleaned for piece in heard]
        audio = np.concatenate(pieces)[np.newaxis] if pieces else np.zeros((1, 0), np.int16)
        return AudioFrame(frame.sample_rate, self._converter.push(AudioFrame(RATE, audio)))
