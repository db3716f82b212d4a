"""A real recogniser that streams: CMU PocketSphinx with its language model, for English.

It is here to measure detectors of turns that read words, not to be used: on read prose it gets a
third of the words wrong, and a session of it takes a good part of a core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pocketsphinx  # type: ignore[import-untyped]

from fastrtc_core import AudioFrame
from fastrtc_handlers.stt import STTStream, Transcript

RATE = 16000
_STEP = 0.1
"""How often in s there is a new partial transcript."""
_FRAME = 0.01
"""Length in s of what the recogniser counts."""
_USUAL = 0.1
"""Share of the places between two words at which a sentence ends, where words do not tell."""
_FILLERS = ("<", "[", "+")
"""What its names for silence and noises begin with."""


class Dictation:
    """A `StreamingSTTModel` whose transcripts are partial until the stream ends.

    Args:
        options: For the decoder, such as another language model or a grammar.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options

    def stream(self) -> STTStream:
        """A recogniser for one session; the models are read anew for each."""
        return _Stream(_decoder(self._options))


def _decoder(options: dict[str, Any]) -> pocketsphinx.Decoder:
    return pocketsphinx.Decoder(samprate=RATE, loglevel="FATAL", **options)


class _Stream:
    def __init__(self, decoder: pocketsphinx.Decoder) -> None:
        self._decoder = decoder
        self._decoder.start_utt()
        self._heard = 0
        self._asked = 0
        self._latest = ""

    def push(self, frame: AudioFrame) -> list[Transcript]:
        """Listen to a frame of mono at 16 kHz."""
        if frame.sample_rate != RATE or frame.num_channels != 1:
            raise ValueError("the recogniser hears mono at 16 kHz")
        self._decoder.process_raw(frame.data[0].tobytes())
        self._heard += frame.samples_per_channel
        if self._heard - self._asked < _STEP * RATE:
            return []
        self._asked = self._heard
        return self._known(final=False)

    def flush(self) -> list[Transcript]:
        """The words so far; what comes next is another utterance."""
        self._decoder.end_utt()
        known = self._known(final=True)
        self._decoder.start_utt()
        self._latest = ""
        return known

    def _known(self, final: bool) -> list[Transcript]:
        words = [part for part in self._decoder.seg() or () if not part.word.startswith(_FILLERS)]
        # "read(2)" is another way to say "read".
        text = " ".join(part.word.partition("(")[0] for part in words)
        if not words or (text == self._latest and not final):
            return []
        self._latest = text
        first, last = words[0].start_frame, words[-1].end_frame + 1
        return [Transcript(text, final, first * _FRAME, last * _FRAME)]


class Heard:
    """What a recogniser makes of one tape, to be told again and again.

    Args:
        tape: Frames of a stream.
        stt: Hears them once.
    """

    def __init__(self, tape: list[AudioFrame], stt: Dictation) -> None:
        stream = stt.stream()
        self._told = [stream.push(frame) for frame in tape]

    def stream(self) -> STTStream:
        """Tells the same for the same frames, at once."""
        return _Again(self._told)


class _Again:
    def __init__(self, told: list[list[Transcript]]) -> None:
        self._told = iter(told)

    def push(self, frame: AudioFrame) -> list[Transcript]:
        """What the recogniser said when it had heard as much."""
        return next(self._told, [])

    def flush(self) -> list[Transcript]:
        """Nothing new."""
        return []


def by_language_model() -> Callable[[str], float]:
    """How likely a text is complete, by its last two words: the share of the places behind them
    that are ends of sentences, in the text that the language model of the recogniser was made of.

    Where one in ten is, the words say nothing: 0.5.
    """
    decoder = _decoder({})
    model, logarithms = decoder.get_lm(decoder.current_search()), decoder.logmath

    def completeness(text: str) -> float:
        words = text.split()[-2:]
        if not words:
            return 0.5
        # The model wants a word, and what comes before it from the latest on.
        ends = float(logarithms.exp(model.prob(["</s>", *reversed(words)])))
        return ends / (ends + _USUAL)

    return completeness
