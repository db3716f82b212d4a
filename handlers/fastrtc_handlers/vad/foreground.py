"""Whose voice is near: by level, where the model hears speech all the time.

A model tells speech from noise, not one voice from another: where others talk in the background, a
turn never ends. The level tells them apart, but not without reason: a speaker is not equally loud
all the time, either. So there are two gates, and each is open until something shows that it is
needed.

- **A crowd**: for 4 s, the model has found no silence of a quarter second. Nobody speaks like that.
  From then on, windows that are not clearly above the floor are not speech.
- **Another voice**: for a second, what the model takes for speech has stayed far below
  the level of the speaker. For the next 20 s, such windows are not speech.

While either is closed, speech begins again only after some windows in a row that are loud enough,
and pauses should be waited for longer (`extra_silence`).

Where the floor is close beneath the speaker, as in loud music, the model itself loses words: pauses
should be waited for longer there, too.

Only differences of levels count, so that the gain of a microphone changes nothing.
"""

from __future__ import annotations

from .levels import Levels
from .types import Gate, Loudness

_VOICE = 0.5
"""Probability from which a window has a voice in it."""
_SILENCE = 0.25
"""Silence in s that somebody makes who speaks alone, at least once in `_CROWD_AFTER`."""
_CROWD_AFTER = 4.0
"""Time in s without such a silence after which more than one speak."""
_OVER_CROWD = 6.0
"""How far in dB above the floor a voice is that is nearer than the crowd."""

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

_REST = 0.2
"""Pause in s after which speech has to begin anew while a gate is closed."""
_ONSET = 0.12
"""How long in s it has to be loud enough then: in a crowd, now and then a syllable is."""
_EXTRA_SILENCE = 0.4
"""How much longer in s a pause should be waited for while a gate is closed: soft words are lost."""

_NOISY = 14.0
"""How far in dB below the speaker the quietest moments are where the model loses words."""
_EXTRA_IN_NOISE = 0.2
"""How much longer in s a pause should be waited for there."""

_TRACE = 0.2
"""Probability from which a window may be speech after all."""
_SOUND_OVER_QUIET = 10.0
"""How far in dB above the quiet a sound is."""
_SOUND_BELOW_VOICE = 28.0
"""How far in dB below the speaker the soft consonants are, at most."""


class Foreground:
    """Tells the speaker from other voices, window after window.

    Args:
        window: Length of a window in s.

    Attributes:
        levels: How loud the windows are.
        voice: Level of the speaker in dB; `None` as long as nobody has spoken.
        traces: Whether the latest window may be the beginning or end of a word: the model is in
            doubt, or it is as loud as a soft consonant. Never while a gate is closed.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self.reset()

    def reset(self) -> None:
        """Forget the stream so far."""
        self.levels = Levels(self._window)
        self.voice: float | None = None
        self.traces = False
        # All times are counts of windows: sums of seconds would differ from one to the next.
        self._silent = self._unbroken = 0
        self._below = 0
        self._other = 0
        """For how many windows more another voice is expected."""
        self._resting = self._loud = 0
        self._resumes = False
        """Whether speech has to begin anew."""

    @property
    def crowd(self) -> bool:
        """Whether more than one seem to speak all the time."""
        return self._unbroken * self._window >= _CROWD_AFTER

    @property
    def other(self) -> bool:
        """Whether another voice was heard, far below the speaker's."""
        return self._other > 0

    @property
    def noisy(self) -> bool:
        """Whether even the quietest moments are close beneath the speaker."""
        if self.voice is None or self.levels.quiet is None or self.levels.held is None:
            return False
        return self.voice - self.levels.quiet < _NOISY

    @property
    def extra_silence(self) -> float:
        """How much longer in s than usual a pause should be waited for."""
        if self.crowd or self.other:
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

    def push(self, level: float | None, probability: float) -> bool:
        """Add a window; returns whether what is heard in it may be the speaker.

        Args:
            level: In dB, or `None` for digital silence.
            probability: How likely the model takes it for speech, 0 to 1.
        """
        voiced = probability >= _VOICE
        self.levels.push(level)
        self._follow_silence(voiced)
        if self._other:
            self._other -= 1
            if not self._other:
                self._below = 0
        held, floor, quiet = self.levels.held, self.levels.floor, self.levels.quiet
        if level is None or held is None or floor is None or quiet is None:
            self.traces = False
            return False
        if voiced:
            self._follow_voice(held)
        near = not (self.crowd and held < floor + _OVER_CROWD)
        if voiced and self.voice is not None and held < self.voice - _OTHER_BELOW:
            self._below += 1
            if self._below * self._window >= _OTHER_AFTER:
                self._other = round(_OTHER_FOR / self._window)
            near = near and not self.other
        elif voiced:
            self._below = 0
        near = self._has_begun(near, voiced)
        softest = quiet + _SOUND_OVER_QUIET
        if self.voice is not None:
            softest = max(softest, self.voice - _SOUND_BELOW_VOICE)
        closed = self.crowd or self.other
        self.traces = not closed and (probability >= _TRACE or level > softest)
        return near

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

    def _has_begun(self, near: bool, voiced: bool) -> bool:
        """Whether a voice that is near has been so for long enough."""
        if not (near and voiced):
            self._resting, self._loud = self._resting + 1, 0
            if self._resting * self._window >= _REST:
                self._resumes = True
            return near
        self._loud += 1
        if self._loud * self._window >= _ONSET:
            self._resting, self._resumes = 0, False
        return not (self._resumes and (self.crowd or self.other))
