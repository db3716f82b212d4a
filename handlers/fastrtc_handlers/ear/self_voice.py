"""Tells the agent's own voice in a microphone from somebody who speaks, without I/O.

Where the delay of the echo is known, the levels of what was played say which levels are its echo.
How much of it comes back is learned, band by band, while nobody speaks. Whoever speaks as well is
louder than that in the bands of their own voice.
"""

from __future__ import annotations

import numpy as np

from .levels import BANDS, SILENCE, Levels
from .path import EchoPath

_EXCESS = 8.0
"""By how many dB a band is louder than the echo explains when something else is in it."""

_MOST_OF_ECHO = 0.3
"""Part of the bands that may be louder although nobody speaks: a room is not that regular."""

_CANCELLED = 12.0
"""By how many dB a canceller lowers what is mostly echo."""

_SAME_DELAY = 3
"""By how many hops the delay may change and still be that of the same echo."""

_SURELY = 0.5
"""Part of the bands from which somebody is heard whatever the canceller does: it takes some time to
let a voice pass.
"""

_FIRST_LOSS = -20.0
"""What comes back in dB, before anything was learned."""

_NEW = 15
"""Hops of echo after which the loss is known roughly; nobody is told apart from it before."""

_STEP = 3.0
"""Afterwards, by how many dB a band can be off, in one hop, to count for what is learned."""

_RATE = 0.05
_RATE_BESIDE = 0.005
"""How fast it is learned, per hop; and beside somebody who speaks."""

_HOLD = 15
"""Hops for which somebody who spoke is listened to: words have gaps."""

_EVIDENCE = 3
"""Hops out of the latest four in which somebody must be heard."""

_LINGER = 25
"""Hops for which a detector still remembers the echo that has just ended."""

_LOUD = 25.0
"""By how many dB a band of the echo may be below its loudest for its loss to be learned."""


class SelfVoice:
    """Says hop by hop whether anything but the agent itself is heard."""

    def __init__(self) -> None:
        self.path = EchoPath()
        self._loss = np.full(BANDS, _FIRST_LOSS, np.float32)
        self._floor = np.full(BANDS, SILENCE, np.float32)
        self._started = False
        self._learned = 0
        self._delay: int | None = None
        self._recent = [False] * 4
        self._held = self._lingers = 0

    def push(self, near: Levels, far: Levels, left: float = 0.0) -> bool:
        """Add one hop of both.

        Args:
            near: What the microphone hears.
            far: What was played meanwhile.
            left: By how many dB it is louder than what a canceller leaves of it, if there is one.

        Returns:
            Whether there is nothing in it but the echo.
        """
        path = self.path
        path.push(near, far)
        self._follow_floor(near)
        expected = path.expected() if path.audible else None
        explained = self._floor + 3
        if expected is not None:
            explained = np.maximum(explained, self._echo(expected))
            self._lingers = _LINGER
        elif path.audible and not path.decided:
            return True
        elif not self._lingers:
            return False
        else:
            self._lingers -= 1
        share = float((near > explained + _EXCESS).mean())
        somebody = share > _SURELY or (share > _MOST_OF_ECHO and left < _CANCELLED)
        if expected is not None:
            somebody = self._learn(near, expected, somebody)
        self._recent = [*self._recent[1:], somebody]
        if sum(self._recent) >= _EVIDENCE:
            self._held = _HOLD
        elif self._held:
            self._held -= 1
        return not self._held

    def _echo(self, expected: Levels) -> Levels:
        """Levels of the echo; they are learned anew where it is another one."""
        delay = self.path.delay
        if delay is not None and (self._delay is None or abs(delay - self._delay) > _SAME_DELAY):
            self._delay, self._learned = delay, 0
        return expected + self._loss

    def _learn(self, near: Levels, expected: Levels, somebody: bool) -> bool:
        """Learn how much comes back; returns whether somebody is heard, as far as it is known."""
        off, loud = near - expected - self._loss, expected > expected.max() - _LOUD
        if self._learned < _NEW:
            self._learned += 1
            self._loss += np.where(loud, off, off.mean()) / self._learned
            return False
        rate = _RATE_BESIDE if somebody else _RATE
        self._loss += rate * np.where(loud, np.clip(off, -_STEP, _STEP), 0)
        return somebody

    def _follow_floor(self, near: Levels) -> None:
        if not self._started:
            self._started, self._floor = True, near.copy()
        self._floor = np.minimum(near, self._floor + np.float32(0.02))
