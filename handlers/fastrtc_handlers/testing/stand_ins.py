"""A voice, a recogniser and a detector of speech for agents under test: exact, and at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fastrtc_core import AudioFrame, SpokenFrame, WordTime

from ..vad import VADEvent
from .tones import ToneSpeech

LOUD = 600
"""Peak of samples, int16, from which there is a voice."""

HOLD = 0.1
"""How long in s it must be quiet for a voice to have ended: longer than between two words."""


class StandInVoice:
    """A voice that says each word as a sound of 0.2 s, and knows when it does.

    Args:
        speech: The language that both sides of the call speak.
        timed: Whether it tells when it says each word.
    """

    def __init__(self, speech: ToneSpeech, *, timed: bool = True) -> None:
        self._speech = speech
        self._timed = timed

    async def stream_tts(self, text: str, options: Any = None) -> AsyncIterator[AudioFrame]:
        """Speak a text, word by word."""
        position = 0
        for word in text.split():
            position = text.index(word, position)
            frame = self._speech.say(word)
            if frame.samples_per_channel:
                yield SpokenFrame.of(frame, [WordTime(position, 0.0)]) if self._timed else frame
            position += len(word)


class StandInSTT:
    """Recognises what is said in that language.

    Args:
        speech: The language.
    """

    def __init__(self, speech: ToneSpeech) -> None:
        self._speech = speech

    if TYPE_CHECKING:

        def stt(self, audio: Any) -> str:
            """As `STTModel` has it, which says nothing of async ones."""

    else:

        async def stt(self, audio: Any) -> str:
            """The words of an utterance."""
            return self._speech.text(AudioFrame(*audio))


class StandInVAD:
    """What is loud is speech."""

    end_delay = 0.0

    def __init__(self) -> None:
        self._now = self._last = 0
        self._speaking = self._loud = False

    @property
    def probability(self) -> float:
        """1 or 0."""
        return float(self._loud)

    @property
    def speaking(self) -> bool:
        """Whether there is a voice."""
        return self._speaking

    def push(self, frame: AudioFrame) -> list[VADEvent]:
        """Listen to a frame."""
        start = self._now
        self._now += frame.samples_per_channel
        row = frame.data[0]
        self._loud = bool(row.any()) and int(row.max()) >= LOUD  # a voice is as loud in both ways
        if self._loud:
            levels = np.flatnonzero(row >= LOUD)
            self._last = start + int(levels[-1]) + 1
            if not self._speaking:
                self._speaking = True
                return [VADEvent("speech_start", start + int(levels[0]), self._now)]
        elif self._speaking and self._now - self._last >= HOLD * frame.sample_rate:
            self._speaking = False
            return [VADEvent("speech_end", self._last, self._now)]
        return []

    def reset(self) -> None:
        """Forget the stream so far."""
        self.__init__()  # type: ignore[misc]

    def copy(self) -> Self:
        """Another one."""
        return type(self)()
