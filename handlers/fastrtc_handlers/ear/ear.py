"""`Ear`: what a handler listens with, where its own voice comes back to it."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, ConfigurationError

from ..vad.windows import Windows
from .canceller import EchoCanceller, NoiseSuppressor
from .levels import HOP, RATE, BandLevels
from .path import LAGS
from .self_voice import SelfVoice

_PRIMING = 500
"""Part of a second of silence in front, so that no frame waits for what a resampler holds back."""

_OVER = LAGS + 50
"""Hops after what was played last from which on nothing of it can come back, or be remembered."""


class Heard(NamedTuple):
    """What an ear made of 20 ms.

    Attributes:
        audio: The sound as it came: int16 of shape `(320,)`, 16 kHz.
        cleaned: The same without echo and noise, as far as that was asked for.
        own: Whether there is nothing in it but the agent's own voice.
    """

    audio: NDArray[np.int16]
    cleaned: NDArray[np.int16]
    own: bool


class Ear:
    """Listens past the agent's own voice, and past noise.

    It needs to know what was played: frames have it in a session whose handler `wants_played`.
    For others it only suppresses noise.

    Args:
        own_voice: Whether what is nothing but the agent's own voice is told apart, so that it does
            not interrupt itself. It takes numpy alone.
        cancel_echo: Whether the echo is taken out of the sound as well, so that a speech detector
            or recogniser hears the other voice alone. It takes the extra `ear`.
        suppress_noise: Takes steady noise out of the sound: 0 to 3, by at most 6, 12, 18 or 21 dB.
            It takes the extra `ear`.
        clean_turns: Whether what is handed on is the cleaned sound, 8 kHz wide, instead of the one
            that came. Otherwise only the speech detector hears it.

    Raises:
        ConfigurationError: If the extra is needed and not installed, or a value is out of range.
    """

    def __init__(
        self,
        *,
        own_voice: bool = True,
        cancel_echo: bool = False,
        suppress_noise: int | None = None,
        clean_turns: bool = False,
    ) -> None:
        if suppress_noise not in (None, 0, 1, 2, 3):
            raise ConfigurationError(f"suppress_noise is 0 to 3 or None, not {suppress_noise!r}")
        if clean_turns and not cancel_echo and suppress_noise is None:
            raise ConfigurationError("clean_turns needs cancel_echo or suppress_noise")
        self.own_voice = own_voice
        self.cancel_echo = cancel_echo
        self.suppress_noise = suppress_noise
        self.clean_turns = clean_turns
        self._canceller = EchoCanceller() if cancel_echo else None
        self._suppressor = None if suppress_noise is None else NoiseSuppressor(suppress_noise)
        self._self_voice = SelfVoice() if own_voice or cancel_echo else None
        self._near_levels, self._far_levels = BandLevels(), BandLevels()
        self._near, self._far = Windows(RATE, HOP), Windows(RATE, HOP)
        self._near_pieces: deque[NDArray[np.int16]] = deque()
        self._far_pieces: deque[NDArray[np.int16]] = deque()
        self._silent = _OVER
        """Hops in which nothing was played, the latest of all."""
        self._rate: int | None = None

    def copy(self) -> Self:
        """An ear with the same settings for another session."""
        return type(self)(
            own_voice=self.own_voice,
            cancel_echo=self.cancel_echo,
            suppress_noise=self.suppress_noise,
            clean_turns=self.clean_turns,
        )

    @property
    def delay(self) -> float | None:
        """How late in s the echo comes, beyond what the session knows; `None` without an echo."""
        delay = None if self._self_voice is None else self._self_voice.path.delay
        return None if delay is None else delay * HOP / RATE

    def hear(self, frame: AudioFrame) -> list[Heard]:
        """Listen to the next frame; returns what it completes, mostly as much as came.

        Raises:
            ConfigurationError: If the rate is below 8000 Hz.
            InvalidFrameError: If the frame is not int16 of shape `(channels, samples)`.
        """
        if frame.sample_rate != self._rate:
            self._begin(frame.sample_rate)
        near = self._near.push(frame)
        if self._self_voice is None:
            return [Heard(piece, self._quiet(piece), False) for piece in near]
        played = frame.played
        if played is None:
            played = np.zeros((1, frame.samples_per_channel), np.int16)
        far = self._far.push(AudioFrame(frame.sample_rate, played))
        # One may be a little behind: a resampler holds nothing back of silence.
        self._near_pieces.extend(near)
        self._far_pieces.extend(far)
        count = min(len(self._near_pieces), len(self._far_pieces))
        return [
            self._hear(self._near_pieces.popleft(), self._far_pieces.popleft())
            for _ in range(count)
        ]

    def _hear(self, near: NDArray[np.int16], far: NDArray[np.int16]) -> Heard:
        assert self._self_voice is not None
        self._silent = 0 if far.any() else self._silent + 1
        if self._silent > _OVER:
            return Heard(near, self._quiet(near), False)
        near_levels, far_levels = self._near_levels.push(near), self._far_levels.push(far)
        cleaned, left = near, 0.0
        if self._canceller is not None:
            path = self._self_voice.path
            cleaned = self._canceller.push(near, far, path.delay, path.audible)
            left = _lower(near, cleaned)
        own = self._self_voice.push(near_levels, far_levels, left)
        return Heard(near, self._quiet(cleaned), own and self.own_voice)

    def _quiet(self, near: NDArray[np.int16]) -> NDArray[np.int16]:
        return near if self._suppressor is None else self._suppressor.push(near)

    def _begin(self, rate: int) -> None:
        """Listen to frames of another rate from now on."""
        self._rate = rate
        silence = AudioFrame(rate, np.zeros((1, rate // _PRIMING), np.int16))
        for windows in (self._near, self._far):
            windows.reset()
            windows.push(silence)
        self._near_pieces.clear()
        self._far_pieces.clear()


def _lower(near: NDArray[np.int16], cleaned: NDArray[np.int16]) -> float:
    """By how many dB it is lower than before."""
    powers = [
        float(np.dot(x, x)) + 1.0 for x in (near.astype(np.float32), cleaned.astype(np.float32))
    ]
    return 10 * math.log10(powers[0] / powers[1])
