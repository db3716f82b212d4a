"""Speech recognition offline, with CMU PocketSphinx: exact for a grammar of commands."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from numpy.typing import NDArray

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.toolkit import Resampler, SessionThread, import_extra, with_channels

from .audio import mono
from .types import Audio, Transcript

SAMPLE_RATE = 16000
"""Of the acoustic model, in Hz."""

_STEP = 0.1
"""How often in s there is a new partial transcript."""

_FRAME = 0.01
"""Length in s of what the decoder counts."""

_FILLERS = ("<", "[", "+")
"""What its names for silence and noises begin with."""

_PAUSE = 0.15
"""Silence in s after the last word in which all of the turn is recognised once more."""

_SAME = 0.1
"""By how much in s the end of a word may move although nothing more was said."""

_MOST = 20.0
"""Length in s of a turn up to which that is done."""

_IDLE = 8
"""Decoders that are kept for turns to come."""

_WORD = re.compile(r"[a-z][a-z']*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|#JSGF[^;]*;|<[^>]*>|\{[^}]*\}", re.DOTALL)
_KEYWORD = re.compile(r"\b(?:grammar\s+\S+?|import|public)\s*(?=[;\s])")


class PocketSphinxSTT:
    """Recognises English sentences of a grammar; the acoustic model is in the package.

    It knows no free dictation: what does not fit the grammar is recognised as something that does,
    or as nothing.

    It is a `LiveSTTModel` too: turns that are spoken at the same time have a decoder each. As long
    as it has not heard all of a turn, it does not know how loud and dull the line is, and makes
    more mistakes. So it recognises all of it once more in each pause; the final words are as good
    as those of `stt`.

    Args:
        grammar: In JSGF, such as `#JSGF V1.0; grammar c; public <c> = turn (on | off) the light;`.

    Raises:
        ConfigurationError: If the extra `stt` is missing, if the grammar cannot be read, or if it
            has a word that is not in the dictionary; the text names the words.
    """

    def __init__(self, grammar: str) -> None:
        self._grammar = grammar
        self._words = _pronounced(_KEYWORD.sub(" ", _COMMENT.sub(" ", grammar)))
        try:
            decoder = self._make()
        except (RuntimeError, ValueError) as error:
            raise ConfigurationError(f"the grammar cannot be read: {error}") from None
        self._lock = threading.Lock()
        self._idle = [decoder]

    def stt(self, audio: Audio) -> str:
        """The words of an utterance; empty if they fit the grammar in no way."""
        samples = mono(audio, SAMPLE_RATE)
        if not samples.any():
            return ""
        with self._lock:
            return self._recognise(samples.tobytes())

    async def stream_stt(self, audio: AsyncIterator[AudioFrame]) -> AsyncGenerator[Transcript]:
        """Recognise a turn while it is being said, on a thread; what fits so far is partial."""
        thread = SessionThread("stt")
        utterance = _Utterance(self._recognise)
        try:
            decoder = await thread.run(self._take)
            thread.at_close(lambda: self._give_back(decoder))
            await thread.run(utterance.begin, decoder)
            async for frame in audio:
                for transcript in await thread.run(utterance.push, frame):
                    yield transcript
            yield await thread.run(utterance.finish)
        finally:
            thread.close()

    def _recognise(self, samples: bytes) -> str:
        """The words of an utterance that is over."""
        decoder = self._take()
        try:
            decoder.start_utt()
            decoder.process_raw(samples, full_utt=True)
            decoder.end_utt()
            found = decoder.hyp()
            return "" if found is None else str(found.hypstr)
        finally:
            self._give_back(decoder)

    def _take(self) -> Any:
        with contextlib.suppress(IndexError):
            return self._idle.pop()  # which is atomic, as is `append`
        return self._make()

    def _make(self) -> Any:
        """A decoder that knows the words of the grammar alone.

        One with the whole dictionary takes 30 MB, and nothing else runs while it is made.
        """
        decoder = _decoder(None)
        for word, phones in self._words:
            decoder.add_word(word, phones, False)
        decoder.add_jsgf_string("grammar", self._grammar)
        decoder.activate_search("grammar")
        return decoder

    def _give_back(self, decoder: Any) -> None:
        with contextlib.suppress(RuntimeError):  # it was ended
            decoder.end_utt()
        if len(self._idle) < _IDLE:
            self._idle.append(decoder)


class _Utterance:
    """One turn.

    Args:
        recognise: Recognises all that was said so far.
    """

    def __init__(self, recognise: Callable[[bytes], str]) -> None:
        self._recognise = recognise
        self._decoder: Any = None
        self._resampler: Resampler | None = None
        self._samples = bytearray()
        self._heard = 0
        self._asked = 0
        self._latest = Transcript("", False, 0.0, 0.0)
        self._checked: Transcript | None = None
        """What was known when all of it was recognised last, and how it read then."""
        self._exact = ""

    def begin(self, decoder: Any) -> None:
        self._decoder = decoder
        decoder.start_utt()

    def push(self, frame: AudioFrame) -> list[Transcript]:
        """Listen to a frame; returns what is new."""
        data = with_channels(frame.data, 1)
        if frame.sample_rate != SAMPLE_RATE:
            if self._resampler is None:
                self._resampler = Resampler(frame.sample_rate, SAMPLE_RATE, 1)
            data = self._resampler.push(data)
        self._process(data)
        if self._heard - self._asked < _STEP * SAMPLE_RATE:
            return []
        self._asked = self._heard
        known = self._known()
        if known.text and known.end <= self._heard / SAMPLE_RATE - _PAUSE:
            known = self._check(known)
        latest = self._latest
        if known.text == latest.text and abs(known.end - latest.end) <= _SAME:
            return []
        self._latest = known
        return [known]

    def finish(self) -> Transcript:
        """All that was said, if it fits the grammar."""
        if self._resampler is not None:
            self._process(self._resampler.flush())
        self._decoder.end_utt()
        known = self._known()
        return self._check(known)._replace(final=True)

    def _process(self, data: NDArray[Any]) -> None:
        if data.shape[1]:
            samples = data[0].tobytes()
            self._decoder.process_raw(samples)
            self._heard += data.shape[1]
            if self._heard <= _MOST * SAMPLE_RATE:
                self._samples += samples

    def _check(self, known: Transcript) -> Transcript:
        """The same as it reads when all was heard; looked at once, where nothing more was said."""
        if self._heard > _MOST * SAMPLE_RATE:
            return known
        before = self._checked
        if before is None or before.text != known.text or abs(before.end - known.end) > _SAME:
            self._checked = known
            self._exact = self._recognise(bytes(self._samples))
        return known._replace(text=self._exact)

    def _known(self) -> Transcript:
        found = self._decoder.hyp()
        words = [part for part in self._decoder.seg() or () if not part.word.startswith(_FILLERS)]
        if found is None or not words:
            return Transcript("", False, 0.0, 0.0)
        start = max(0, words[0].start_frame) * _FRAME
        end = (words[-1].end_frame + 1) * _FRAME
        return Transcript(str(found.hypstr), False, start, end)


def _decoder(dictionary: str | None) -> Any:
    pocketsphinx = import_extra("pocketsphinx", extra="stt", used_by="PocketSphinxSTT")
    return pocketsphinx.Decoder(
        hmm=pocketsphinx.get_model_path("en-us/en-us"),
        dict=None if dictionary is None else pocketsphinx.get_model_path(dictionary),
        lm=None,
        samprate=SAMPLE_RATE,
        loglevel="FATAL",
        # A small grammar can afford to follow every path to its end. The search for the best
        # path through a lattice, which would come after, prefers half a sentence.
        bestpath=False,
        beam=1e-120,
        wbeam=1e-100,
        pbeam=1e-120,
    )


def _pronounced(text: str) -> list[tuple[str, str]]:
    """The words of a text with their phones, some in several ways: `read` and `read(2)`."""
    dictionary = _decoder("en-us/cmudict-en-us.dict")
    words = sorted(set(_WORD.findall(text.lower())))
    found: list[tuple[str, str]] = []
    unknown = []
    for word in words:
        ways = itertools.chain([word], (f"{word}({number})" for number in itertools.count(2)))
        phones = itertools.takewhile(bool, map(dictionary.lookup_word, ways))
        said = [(word if not n else f"{word}({n + 1})", each) for n, each in enumerate(phones)]
        found += said
        if not said:
            unknown.append(word)
    if unknown:
        raise ConfigurationError(
            f"the dictionary of PocketSphinx does not have {', '.join(unknown)}; "
            "use other English words, in lower case"
        )
    return found
