"""Whether the speaker sounds right now, by all that is known of a window.

The model of the detector remembers: it lets go some windows after the last sound, later in noise,
and it is late for soft first sounds. A pause is measured from the last sound and not from there, so
here a small network weighs what the model says of the latest windows together with how far the
sound stands out from the noise in bands of frequencies, and how loud it is beside the room and the
speaker, for each half of a window.

Only differences of levels count, so that the gain of a microphone changes nothing. The weights were
learned from conversations of recorded speech by `benchmarks/turns/training.py`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .bands import Bands, Noise
from .foreground import Foreground
from .presence_weights import WEIGHTS

_HALF = 256
"""Samples in half a window."""
_RATE = 16000
_EDGES = (125, 312, 500, 812, 1187, 1687, 2500, 3500, 5000, 7000)
_BANDS = Bands(_EDGES, _HALF, _RATE)
_COUNT = len(_EDGES) - 1

_GROUPS = np.concatenate((np.repeat(np.eye(3), 3, axis=0) / 3, np.full((9, 1), 1 / 9)), axis=1)
"""Means of the lowest three bands, of those in the middle, of the highest, and of all."""

_LEAST = 1e-10
"""Least power that counts; -100 dB."""
_MOST = 20.0
"""What a band may stand out at most, in dB."""
_FARTHEST = 4.0
"""What the network is told at most, up or down."""
_CERTAIN = 6.0
"""What the logarithm of the odds of a window may be at most."""
_UNKNOWN = 25.0
"""How far in dB above the room a speaker is taken to be who was not heard yet."""

_ENOUGH = 2.5
"""How much evidence is enough to say that somebody has begun: the logarithm of odds of 12 to 1."""

_SWITCHES = 0.03
"""How likely somebody begins or ends within half a window, for what is believed."""
_TRUST = 0.4
"""Weight of what the network says of half a window there: it says the same of many in a row."""
_DISTRUST = 1.1
"""By how much too high it is there, where others talk: it mostly is theirs that it errs on."""

_SURELY = 1.0
"""Logarithm of the odds from which a sound is taken to be the speaker's."""
_EARLIER = 0.2
"""How much earlier in s a sound counts for each unit that they are below: the less likely it is,
the less it postpones an answer."""

FEATURES = 26

Features = NDArray[np.float32]


class Presence:
    """Tells in which halves of windows the speaker sounds, window after window.

    Attributes:
        head: How likely the speaker sounds in the first half of the latest window, 0 to 1.
        tail: The same of its second half.
        evidence: How much speaks for it that the speaker has begun: the sum of the logarithms of
            the odds, from where it was least on (E. S. Page, "Continuous Inspection Schemes",
            1954).
        belief: How likely the speaker speaks, by all windows so far: the forward probability of a
            chain of two states that seldom changes between them.
        last_sound: Sample after the last one that may be of the speaker, from the first one on.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the stream so far."""
        self.head = self.tail = self.evidence = self.belief = 0.0
        self.last_sound = 0
        self._heard = 0
        """Samples so far."""
        self._noise = Noise(_COUNT, 2 * _HALF / _RATE)
        self._features = np.zeros(FEATURES, np.float32)

    def push(self, window: NDArray[np.int16], probability: float, foreground: Foreground) -> None:
        """Add a window of 512 samples at 16 kHz.

        Args:
            window: The samples.
            probability: How likely the model takes it for speech, 0 to 1.
            foreground: What is known of the levels, this window included.
        """
        features = self.measure(window, probability, foreground)
        if features is None:
            self._heard += len(window)
            self.head = self.tail = self.evidence = self.belief = 0.0
            return
        hidden = np.tanh(WEIGHTS.hidden @ features + WEIGHTS.hidden_bias)
        head, tail = (float(odds) for odds in WEIGHTS.output @ hidden + WEIGHTS.output_bias)
        self.take(head, tail, closed=foreground.closed)

    def skip(self, windows: int = 1) -> None:
        """Count windows that are not listened to."""
        self._heard += windows * 2 * _HALF
        self.head = self.tail = self.evidence = self.belief = 0.0

    def take(self, head: float, tail: float, *, closed: bool = False) -> None:
        """Add what the network says: the logarithms of the odds of both halves of a window.

        Args:
            head: Of the first half.
            tail: Of the second.
            closed: Whether others talk, so that what is believed counts and not what is heard now.
        """
        self.head, self.tail = _probability(head), _probability(tail)
        for odds in (head, tail):
            self._heard += _HALF
            self.evidence = min(max(0.0, self.evidence + odds), _ENOUGH)
            expected = self.belief * (1 - _SWITCHES) + (1 - self.belief) * _SWITCHES
            self.belief = _probability(_log_odds(expected) + _TRUST * (odds - _DISTRUST))
            if not closed:
                early = _EARLIER * _RATE * max(0.0, _SURELY - odds)
                self.last_sound = max(self.last_sound, self._heard - round(early))
        if closed and self.belief >= 0.5:
            self.last_sound = self._heard

    @property
    def stirs(self) -> bool:
        """Whether there is enough of it."""
        return self.evidence >= _ENOUGH

    def measure(
        self, window: NDArray[np.int16], probability: float, foreground: Foreground
    ) -> Features | None:
        """What the network is told; `None` of digital silence."""
        levels = foreground.levels
        if levels.held is None or levels.quiet is None or levels.floor is None:
            self._features[:3] = -1.5
            return None
        power = _BANDS.power(window.reshape(2, _HALF))
        noise = self._noise.push(power.mean(axis=0))
        decibels = 10 * np.log10(np.maximum(power, _LEAST))
        excess = np.minimum(np.maximum(decibels - 10 * np.log10(noise), 0), _MOST) / 10
        by_group = excess @ _GROUPS
        head, tail = (10 * math.log10(max(float(sum_), _LEAST)) for sum_ in power.sum(axis=1))
        voice = foreground.voice
        known = voice is not None
        if voice is None:
            voice = levels.quiet + _UNKNOWN
        found = self._features
        found[1:3] = found[:2]
        found[0] = _log_odds(probability) / 4
        found[3] = found[11]
        found[4:8], found[8:12] = by_group
        found[12:14] = excess.max(axis=1)
        found[14:] = (
            (head - levels.quiet) / 10,
            (tail - levels.quiet) / 10,
            (head - voice) / 10,
            (tail - voice) / 10,
            (levels.held - voice) / 10,
            (levels.held - levels.floor) / 10,
            (voice - levels.quiet) / 10,
            (voice - levels.floor) / 10,
            foreground.crowd,
            foreground.other,
            foreground.unbroken,
            known,
        )
        np.minimum(np.maximum(found, -_FARTHEST, out=found), _FARTHEST, out=found)
        return found


def _log_odds(probability: float) -> float:
    least = 1 / (1 + math.exp(_CERTAIN))
    probability = min(max(probability, least), 1 - least)
    return math.log(probability / (1 - probability))


def _probability(log_odds: float) -> float:
    return 0.5 * (1 + math.tanh(log_odds / 2))
