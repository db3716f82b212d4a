"""What voice activity detectors have in common."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, Self, runtime_checkable

from fastrtc_core import AudioFrame, FastRTCError


class VADError(FastRTCError, RuntimeError):
    """The model of a detector failed, or returned what cannot be meant; the text names it."""


class VADEvent(NamedTuple):
    """Speech began or ended.

    Samples are counted per channel at the rate of the pushed frames, from the first one after the
    last `reset`.

    Attributes:
        kind: `speech_start` or `speech_end`; the two take turns.
        position: Sample at which it happened.
        decided: Sample after the last one that it took to tell.
    """

    kind: Literal["speech_start", "speech_end"]
    position: int
    decided: int


Gate = Literal["crowd", "other voice", "noise", "own voice"]
"""Why a detector is more careful than usual: several people seem to talk all the time, a voice was
heard that is quieter than the speaker's, the quietest moments are nearly as loud as the speaker, or
there is nothing but the agent's own voice."""


class Loudness(NamedTuple):
    """How loud it is; levels in dB relative to full scale, `None` where they are not known.

    Attributes:
        level: What is heard now; it rises at once and falls by 40 dB/s at most.
        floor: A level that most windows of the last 4 s exceed.
        voice: The speaker.
        gates: Which are closed.
    """

    level: float | None = None
    floor: float | None = None
    voice: float | None = None
    gates: tuple[Gate, ...] = ()


@runtime_checkable
class VAD(Protocol):
    """Listens to one stream of audio and tells where speech begins and ends.

    It is called from one thread at a time. It says nothing of turns: a pause inside a sentence
    ends speech as well.
    """

    @property
    def end_delay(self) -> float:
        """How much in s later than speech has ended the position of a `speech_end` lies, mostly."""
        ...

    @property
    def probability(self) -> float:
        """How likely the latest window is speech, 0 to 1."""
        ...

    @property
    def speaking(self) -> bool:
        """Whether the last event was a `speech_start`."""
        ...

    def push(self, frame: AudioFrame) -> list[VADEvent]:
        """Listen to a frame.

        Args:
            frame: Mono or stereo, of any length, at 8000 Hz or more; all frames between two calls
                of `reset` have one rate.

        Returns:
            What was decided with this frame, mostly nothing.

        Raises:
            ConfigurationError: If the rate is too low or has changed.
            InvalidFrameError: If the frame is not int16 of shape `(channels, samples)`.
            VADError: If the model fails. The rest of the frame is lost; the next is heard.
        """
        ...

    def reset(self) -> None:
        """Forget the stream so far: the next frame is the first of another."""
        ...

    def copy(self) -> Self:
        """A detector with the same settings and model for another stream."""
        ...


@runtime_checkable
class AttentiveVAD(VAD, Protocol):
    """A `VAD` that also says how sure it is of a pause; turn-taking heeds it."""

    @property
    def traces(self) -> bool:
        """Whether the latest window may be the beginning or end of a word after all."""
        ...

    @property
    def extra_silence(self) -> float:
        """How much longer in s than usual a pause should be waited for."""
        ...


@runtime_checkable
class DiscerningVAD(VAD, Protocol):
    """A `VAD` that tells what surely is speech from what probably is; turn-taking heeds it.

    Something short of which it is never sure is no turn.
    """

    @property
    def sure(self) -> bool:
        """Whether the latest window surely is speech of the speaker."""
        ...


@runtime_checkable
class MeasuringVAD(VAD, Protocol):
    """A `VAD` that also says how loud it is; for those who watch it."""

    @property
    def loudness(self) -> Loudness:
        """Of the latest window."""
        ...
