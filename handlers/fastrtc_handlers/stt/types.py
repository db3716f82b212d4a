"""What speech recognisers have in common."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

from numpy.typing import NDArray

from fastrtc_core import AudioFrame, FastRTCError

Audio = AudioFrame | tuple[int, NDArray[Any]]
"""Audio as handlers get it: int16 of shape `(channels, samples)`, or one row of any dtype."""


class STTError(FastRTCError, RuntimeError):
    """A recogniser failed; the text says why."""


class Transcript(NamedTuple):
    """What was recognised.

    Attributes:
        text: The words.
        final: Whether they stay; a partial transcript is replaced by the next one.
        start: Where the speech begins, in s from the beginning of the stream.
        end: Where it ends.
    """

    text: str
    final: bool
    start: float
    end: float


@runtime_checkable
class STTModel(Protocol):
    """Recognises whole utterances. It may take long: it is called on threads; sessions share it."""

    def stt(self, audio: Audio) -> str:
        """The words of an utterance, empty if there are none."""
        ...


class STTStream(Protocol):
    """Recognises one stream of audio as it comes; called from one thread at a time."""

    def push(self, frame: AudioFrame) -> list[Transcript]:
        """Listen to a frame; returns what is new."""
        ...

    def flush(self) -> list[Transcript]:
        """The stream ends, or pauses: what was said so far is final."""
        ...


@runtime_checkable
class StreamingSTTModel(Protocol):
    """Recognises while somebody speaks."""

    def stream(self) -> STTStream:
        """A recogniser for one session."""
        ...
