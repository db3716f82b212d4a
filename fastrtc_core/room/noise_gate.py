"""A noise gate: what of a microphone is worth to be mixed."""

from __future__ import annotations

from ..frames import AudioFrame
from ..media.level import level_of

OPEN = 0.002
"""Root mean square, of 1, from which the gate opens: -54 dB. Voices are at -40 to -15 dB."""

CLOSE = 0.001
"""What is quieter than this is silence: -60 dB, about the noise of a quiet microphone."""

HOLD = 0.5
"""How long in s it must be silent before the gate closes: longer than the pauses within speech."""


class NoiseGate:
    """Leaves out the frames of who says nothing: a muted microphone sends silence without end.

    What it lets through is not changed. When it opens, the frame before is heard as well, so that
    no word loses its beginning; a mixer waits for two frames anyway. Between the two levels it
    stays as it is, so that it does not flutter. Noise that is louder counts as a voice.
    """

    def __init__(self) -> None:
        self._open = False
        self._silent = 0.0
        """For how long in s it has been silent, while the gate is open."""
        self._latest: AudioFrame | None = None
        """What came last, while the gate is closed."""

    def push(self, frame: AudioFrame) -> tuple[AudioFrame, ...]:
        """Take a frame; returns what is to be heard now, in order."""
        level = level_of(frame)
        if self._open:
            self._silent = self._silent + frame.duration if level < CLOSE else 0.0
            self._open = self._silent < HOLD
            return (frame,)
        if level < OPEN:
            # A copy, for whoever made the frame may use its array again.
            self._latest = AudioFrame(frame.sample_rate, frame.data.copy())
            return ()
        self._open, self._silent = True, 0.0
        latest, self._latest = self._latest, None
        return (frame,) if latest is None else (latest, frame)
