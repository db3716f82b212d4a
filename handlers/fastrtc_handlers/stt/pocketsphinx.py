"""Speech recognition offline, with CMU PocketSphinx: exact for a grammar of commands."""

from __future__ import annotations

import re
import threading
from typing import Any

from fastrtc_core import ConfigurationError
from fastrtc_core.toolkit import import_extra

from .audio import mono
from .types import Audio

SAMPLE_RATE = 16000
"""Of the acoustic model, in Hz."""

_WORD = re.compile(r"[a-z][a-z']*")
_COMMENT = re.compile(r"//.*|/\*.*?\*/|#JSGF[^;]*;|<[^>]*>|\{[^}]*\}", re.DOTALL)
_KEYWORD = re.compile(r"\b(?:grammar\s+\S+?|import|public)\s*(?=[;\s])")


class PocketSphinxSTT:
    """Recognises English sentences of a grammar; the acoustic model is in the package.

    It knows no free dictation: what does not fit the grammar is recognised as something that does,
    or as nothing.

    Args:
        grammar: In JSGF, such as `#JSGF V1.0; grammar c; public <c> = turn (on | off) the light;`.

    Raises:
        ConfigurationError: If the extra `stt` is missing, if the grammar cannot be read, or if it
            has a word that is not in the dictionary; the text names the words.
    """

    def __init__(self, grammar: str) -> None:
        pocketsphinx = import_extra("pocketsphinx", extra="stt", used_by="PocketSphinxSTT")
        self._decoder = pocketsphinx.Decoder(
            hmm=pocketsphinx.get_model_path("en-us/en-us"),
            dict=pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"),
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
        text = _KEYWORD.sub(" ", _COMMENT.sub(" ", grammar))
        _check_words(self._decoder, text)
        try:
            self._decoder.add_jsgf_string("grammar", grammar)
            self._decoder.activate_search("grammar")
        except (RuntimeError, ValueError) as error:
            raise ConfigurationError(f"the grammar cannot be read: {error}") from None
        self._lock = threading.Lock()

    def stt(self, audio: Audio) -> str:
        """The words of an utterance; empty if they fit the grammar in no way."""
        samples = mono(audio, SAMPLE_RATE)
        if not samples.any():
            return ""
        with self._lock:
            self._decoder.start_utt()
            try:
                self._decoder.process_raw(samples.tobytes(), full_utt=True)
            finally:
                self._decoder.end_utt()
            found = self._decoder.hyp()
            return "" if found is None else str(found.hypstr)


def _check_words(decoder: Any, text: str) -> None:
    words = sorted(set(_WORD.findall(text.lower())))
    unknown = [word for word in words if decoder.lookup_word(word) is None]
    if unknown:
        raise ConfigurationError(
            f"the dictionary of PocketSphinx does not have {', '.join(unknown)}; "
            "use other English words, in lower case"
        )
