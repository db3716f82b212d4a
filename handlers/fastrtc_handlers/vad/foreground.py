"""Whether others talk: by level, where the model hears speech all the time.

A model tells speech from noise, not one voice from another: where others talk in the background, a
turn never ends. The level tells them apart, but not without reason: a speaker is not equally loud
all the time, either. So there are two gates, and each is open until something shows that it is
needed.

- **A crowd**: for 4 s, the model has found no silence of a quarter second. Nobody speaks like that.
- **Another voice**: for a second, what the model takes for speech has stayed far below the level of
  the speaker, or of somebody who speaks up later. It is expected for the next 20 s.

While either is closed, a `Presence` says what is speech of the speaker, and pauses should be waited
for longer (`extra_silence`).

Where the floor is close beneath the speaker, as in loud music, the model itself loses words: pauses
should be waited for longer there, too.

Only differences of levels count, so that the gain of a microphone changes nothing.
"""

from __future__ import annotations

from collections import deque

from .levels import Levels
from .types import Gate, Loudness

_VOICE = 0.5
"""Probability from which a window has a voice in it."""
_SILENCE = 0.25
"""Silence in s that somebody makes who speaks alone, at least once in `_CROWD_AFTER`."""
_CROWD_AFTER = 4.0
"""Time in s without such a silence after which more than one speak."""

_ATTACK = 0.1
"""Time constant in s with which the speaker's level follows a louder voice."""
_FALL = 0.3
"""How fast it falls while quieter voices are heard, in dB/s."""
_OTHER_BELOW = 11.0
"""How far in dB below the speaker another voice is."""
_OTHER_AFTER = 1.0
"""How long in s voices must stay that far below; the speaker's own last words do not."""
_OTHER_FOR = 20.0
"""For how long in s another voice is expected to be heard again."""

_EXTRA_SILENCE = 0.27
"""How much longer in s a pause should be waited for while a gate is closed: soft words are lost."""

_NOISY = 14.0
"""How far in dB below the speaker the quietest moments are where the model loses words."""
_EXTRA_IN_NOISE = 0.2
"""How much longer in s a pause should be waited for there."""


class Foreground:
    """Tells whether others talk beside the speaker, window after window.

    Args:
        window: Length of a window in s.

    Attributes:
        levels: How loud the windows are.
        voice: Level of the speaker in dB; `None` as long as nobody has spoken.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self.reset()

    def reset(self) -> None:
        """Forget the stream so far."""
        self.levels = Levels(self._window)
        self.voice: float | None = None
        # All times are counts of windows: sums of seconds would differ from one to the next.
        self._silent = self._unbroken = 0
        self._recent: deque[float] = deque(maxlen=round(_OTHER_AFTER / self._window))
        """How loud the latest voiced windows are."""
        self._quiet_voice: float | None = None
        """Least level below which voices have stayed for as long as that."""
        self._quiet_for = 0
        """For how many windows more that one is expected."""
        self._other = 0
        """For how many windows more another voice is expected."""

    @property
    def crowd(self) -> bool:
        """Whether more than one seem to speak all the time."""
        return self._unbroken * self._window >= _CROWD_AFTER

    @property
    def other(self) -> bool:
        """Whether another voice was heard, far below the speaker's."""
        return self._other > 0

    @property
    def closed(self) -> bool:
        """Whether others talk."""
        return self.crowd or self.other

    @property
    def unbroken(self) -> float:
        """Since when nobody has paused, as a share of what only a crowd does; 1 at most."""
        return min(1.0, self._unbroken * self._window / _CROWD_AFTER)

    @property
    def noisy(self) -> bool:
        """Whether even the quietest moments are close beneath the speaker."""
        if self.voice is None or self.levels.quiet is None or self.levels.held is None:
            return False
        return self.voice - self.levels.quiet < _NOISY

    @property
    def extra_silence(self) -> float:
        """How much longer in s than usual a pause should be waited for."""
        if self.closed:
            return _EXTRA_SILENCE
        return _EXTRA_IN_NOISE if self.noisy else 0.0

    @property
    def loudness(self) -> Loudness:
        """See `MeasuringVAD`."""
        gates: list[tuple[Gate, bool]] = [
            ("crowd", self.crowd),
            ("other voice", self.other),
            ("noise", self.noisy),
        ]
        closed = tuple(name for name, is_closed in gates if is_closed)
        return Loudness(self.levels.held, self.levels.floor, self.voice, closed)

    def push(self, level: float | None, probability: float) -> None:
        """Add a window.

        Args:
            level: In dB, or `None` for digital silence.
            probability: How likely the model takes it for speech, 0 to 1.
        """
        voiced = probability >= _VOICE
        self.levels.push(level)
        self._follow_silence(voiced)
        self._other = max(0, self._other - 1)
        self._quiet_for = max(0, self._quiet_for - 1)
        if not self._quiet_for and self._quiet_voice is not None:
            self._quiet_voice = None
            self._recent.clear()
        if voiced and self.levels.held is not None:
            self._follow_voice(self.levels.held)
            self._follow_other(self.levels.held)

    def _follow_silence(self, voiced: bool) -> None:
        self._silent = 0 if voiced else self._silent + 1
        broken = self._silent * self._window >= _SILENCE
        self._unbroken = 0 if broken else self._unbroken + 1

    def _follow_voice(self, held: float) -> None:
        if self.voice is None:
            self.voice = held
        elif held > self.voice:
            self.voice += (held - self.voice) * min(1.0, self._window / _ATTACK)
        else:
            self.voice -= _FALL * self._window

    def _follow_other(self, held: float) -> None:
        """Whether a voice that lasted was far below the speaker, who may have come later."""
        assert self.voice is not None
        self._recent.append(held)
        far = self.voice - _OTHER_BELOW
        if len(self._recent) == self._recent.maxlen:
            loudest = max(self._recent)
            if self._quiet_voice is None or loudest <= max(self._quiet_voice, far):
                self._quiet_voice, self._quiet_for = loudest, round(_OTHER_FOR / self._window)
        if self._quiet_voice is not None and self._quiet_voice < far:
            self._other = self._quiet_for
