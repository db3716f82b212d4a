"""A voice that needs no download: eSpeak NG, robotic, in a hundred languages, in milliseconds."""

from __future__ import annotations

import ctypes
import functools
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrtc_core import AudioFrame, ConfigurationError, SpokenFrame, WordTime
from fastrtc_core.toolkit import Sentences, import_extra

from .types import SyncVoice, TTSError

_SYNCHRONOUS = 2
_BUFFER_MS = 200
_DONT_EXIT = 0x8000
_RATE, _PITCH = 1, 3
_BY_CHARACTER = 1
_UTF8 = 1
_END_OF_EVENTS, _WORD = 0, 1


@dataclass(frozen=True)
class EspeakOptions:
    """How one text is spoken.

    Attributes:
        voice: A language or voice, such as `en-us`, `de`, `fr+f3` (female, the third).
        speed: Words per minute, 80 to 450.
        pitch: 0 to 99.

    Raises:
        ConfigurationError: If a value is out of range.
    """

    voice: str = "en-us"
    speed: int = 170
    pitch: int = 50

    def __post_init__(self) -> None:
        if not 80 <= self.speed <= 450:
            raise ConfigurationError(f"speed must be 80 to 450 words per minute: {self.speed}")
        if not 0 <= self.pitch <= 99:
            raise ConfigurationError(f"pitch must be 0 to 99: {self.pitch}")


class EspeakTTS(SyncVoice):
    """Speaks with eSpeak NG; library and voices come with the extra `tts`.

    The library has one state for the whole process, so texts are spoken one sentence after the
    other, whoever asks: some 10 ms each.

    Args:
        voice: See `EspeakOptions`.
        speed: See `EspeakOptions`.
        pitch: See `EspeakOptions`.

    Raises:
        ConfigurationError: If the extra `tts` is missing, or there is no such voice.
    """

    def __init__(self, voice: str = "en-us", speed: int = 170, pitch: int = 50) -> None:
        self.options = EspeakOptions(voice, speed, pitch)
        self._library = _load()
        self.sample_rate = self._library.sample_rate
        self._library.speak("", self.options)

    def stream_tts_sync(
        self, text: str, options: EspeakOptions | None = None
    ) -> Iterator[AudioFrame]:
        """Speak a text, one sentence after the other; the frames know when each word is said."""
        sentences = Sentences()
        end = 0
        for sentence in [*sentences.push(text), *sentences.flush()]:
            samples, words = self._library.speak(sentence, options or self.options)
            start = max(text.find(sentence, end), end)
            end = start + len(sentence)
            if len(samples):
                frame = AudioFrame(self.sample_rate, samples[np.newaxis])
                yield SpokenFrame.of(frame, [WordTime(start + at, time) for at, time in words])


class _Library:
    """The library, initialised once for the process; used by one thread at a time."""

    def __init__(self, library: Any, data_path: str) -> None:
        self._lock = threading.Lock()
        self._library = library
        self._parts: list[bytes] = []
        self._words: list[WordTime] = []
        self._voice = ""
        rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data_path.encode(), _DONT_EXIT)
        if rate <= 0:
            raise ConfigurationError(f"eSpeak NG finds no voices in {data_path}")
        self.sample_rate: int = rate
        # Kept alive here: the library keeps but the address.
        self._callback = _CALLBACK(self._take)
        library.espeak_SetSynthCallback(self._callback)

    def speak(
        self, text: str, options: EspeakOptions
    ) -> tuple[np.ndarray[Any, np.dtype[np.int16]], list[WordTime]]:
        """The samples of a text, of shape `(n,)`, and when each of its words is said."""
        with self._lock:
            self._set_voice(options.voice)
            self._library.espeak_SetParameter(_RATE, options.speed, 0)
            self._library.espeak_SetParameter(_PITCH, options.pitch, 0)
            self._parts.clear()
            self._words.clear()
            data = text.encode(errors="replace").replace(b"\0", b" ")
            status = self._library.espeak_Synth(
                data, len(data) + 1, 0, _BY_CHARACTER, 0, _UTF8, None, None
            )
            if status:
                raise TTSError(f"eSpeak NG failed with status {status}")
            return np.frombuffer(b"".join(self._parts), np.int16), list(self._words)

    def _set_voice(self, voice: str) -> None:
        if voice == self._voice:
            return
        by_language = _Voice(languages=voice.encode())
        if self._library.espeak_SetVoiceByName(
            voice.encode()
        ) and self._library.espeak_SetVoiceByProperties(ctypes.byref(by_language)):
            raise ConfigurationError(
                f"eSpeak NG has no voice {voice!r}; there are languages, such as en-us, en-gb, de, "
                "fr, es, cmn, and variants of each, such as en-us+f3 or de+m1"
            )
        self._voice = voice

    def _take(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._parts.append(ctypes.string_at(samples, 2 * count))
        for event in itertools.takewhile(lambda event: event.type != _END_OF_EVENTS, events or ()):
            if event.type == _WORD:
                # Positions count characters, from 1 on.
                self._words.append(WordTime(event.text_position - 1, event.audio_position / 1000))
        return 0


class _Voice(ctypes.Structure):
    """`espeak_VOICE` of its speak_lib.h: what is not set may be anything."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


class _Event(ctypes.Structure):
    """`espeak_EVENT` of its speak_lib.h; times are in ms."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


@functools.cache
def _load() -> _Library:
    loader = import_extra("espeakng_loader", extra="tts", used_by="EspeakTTS")
    library = ctypes.CDLL(loader.get_library_path())
    library.espeak_Initialize.argtypes = [
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
    ]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_SetSynthCallback.argtypes = [_CALLBACK]
    library.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
    return _Library(library, loader.get_data_path())
