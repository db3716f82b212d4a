"""From the probabilities of windows to the events of speech."""

from __future__ import annotations

from dataclasses import dataclass

from fastrtc_core import ConfigurationError

from .types import VADEvent

_HYSTERESIS = 0.15


@dataclass(frozen=True)
class VADOptions:
    """When speech has begun, and when it has ended.

    Attributes:
        threshold: Probability from which a window is speech.
        lower_threshold: Probability below which a window is silence; in between, whatever was
            heard before goes on. 0.15 less than `threshold` when left out.
        min_speech: How long in s speech lasts before `speech_start`: a click is shorter. The
            window in which it begins counts.
        min_silence: How long in s silence lasts before `speech_end`: the closure of a consonant is
            shorter. It is not the pause after which a reply begins; who replies waits on from here.
        foreground: Whether voices that are clearly quieter than the speaker are no speech, once
            they are heard all the time; of `SileroVAD`.

    Raises:
        ConfigurationError: If a value is out of range.
    """

    threshold: float = 0.5
    lower_threshold: float | None = None
    min_speech: float = 0.064
    min_silence: float = 0.096
    foreground: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigurationError(f"threshold must be above 0 and at most 1: {self.threshold}")
        if not 0 < self.release <= self.threshold:
            raise ConfigurationError(
                f"lower_threshold must be above 0 and at most the threshold of {self.threshold}: "
                f"{self.lower_threshold}"
            )
        for name in ("min_speech", "min_silence"):
            seconds = getattr(self, name)
            if not 0 <= seconds <= 10:
                raise ConfigurationError(f"{name} must be 0 to 10 seconds: {seconds}")

    @property
    def release(self) -> float:
        """The lower threshold, given or by default."""
        if self.lower_threshold is not None:
            return self.lower_threshold
        return max(self.threshold - _HYSTERESIS, self.threshold / 2)


class Segmenter:
    """Decides where speech begins and ends, one window after the other.

    Args:
        options: When it has.
        window: Samples in each window; events count in these.
        sample_rate: Of the windows, in Hz.
    """

    def __init__(self, options: VADOptions, window: int, sample_rate: int) -> None:
        self.options = options
        self.window = window
        self._min_speech = options.min_speech * sample_rate
        self._min_silence = options.min_silence * sample_rate
        self.reset()

    def reset(self) -> None:
        """Start at sample 0, in silence."""
        self.speaking = False
        self._now = 0
        self._since: int | None = None
        """Where the change that is not decided yet began."""

    def push(self, probability: float) -> VADEvent | None:
        """Add the next window; returns what it decides."""
        begins = self._now
        self._now += self.window
        options = self.options
        changing = (
            probability < options.release if self.speaking else probability >= options.threshold
        )
        undone = (
            probability >= options.threshold if self.speaking else probability < options.release
        )
        if undone:
            self._since = None
        elif changing and self._since is None:
            self._since = begins
        wanted = self._min_silence if self.speaking else self._min_speech
        if self._since is None or self._now - self._since < wanted:
            return None
        position, self._since = self._since, None
        self.speaking = not self.speaking
        return VADEvent(
            "speech_start" if self.speaking else "speech_end", position, decided=self._now
        )

    def skip(self, windows: int) -> None:
        """Count windows of which nothing is known: they change nothing."""
        self._now += windows * self.window
