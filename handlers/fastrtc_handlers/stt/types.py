"""What speech recognisers have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
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


@runtime_checkable
class LiveSTTModel(Protocol):
    """Recognises a turn while it is being said, on the event loop; sessions share it.

    What others call an interim result is a `Transcript` that is not `final`, and the next one
    replaces it. One that is `final` stays, and others may follow it: LiveKit's `FINAL_TRANSCRIPT`,
    Deepgram's `is_final`.
    """

    def stream_stt(self, audio: AsyncIterator[AudioFrame]) -> AsyncIterator[Transcript]:
        """Recognise one turn; usually an async generator.

        Args:
            audio: Frames at the input rate and layout of the handler, while the speaker speaks and
                pauses. It ends with the turn: what is still partial becomes final then, and the
                iterator that is returned ends. That is closed earlier where there is no turn after
                all, and when the session ends.

        Returns:
            Transcripts as they come, their times in s from the beginning of `audio`.
        """
        ...
