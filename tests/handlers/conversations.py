"""Synthetic conversations, the same for the same seed, with the truth about who speaks when.

One person speaks to an agent: sentences by espeak-ng in several voices, rates and pitches, with
commas and hesitations in them, over noise, and between them what an agent must not take for a
turn: backchannels, coughs, clicks, doors and keyboards.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.frames import to_int16
from fastrtc_core.media.resampler import Resampler
from fastrtc_core.testing.signals import frames_of

RATE = 16000
"""Rate of the conversations in Hz."""

Kind = Literal["utterance", "backchannel", "cough", "click", "door", "keyboard"]
Noise = Literal["none", "white", "pink", "hum", "babble"]
NOISES: tuple[Noise, ...] = get_args(Noise)
SOUNDS: tuple[Kind, ...] = ("cough", "click", "door", "keyboard")

Samples = NDArray[np.float64]

SENTENCES = (
    "I would like to book a table for two people.",
    "Could you tell me, please, when the next train to Cambridge leaves?",
    "My order has not arrived yet, and I have been waiting for a week.",
    "What will the weather be like in Edinburgh tomorrow?",
    "Please change my appointment, I cannot come on Thursday.",
    "No, that is not what I meant.",
    "The number is four, seven, one, nine, two, zero.",
    "Can you read the last message again?",
    "I think the kitchen light is broken, it flickers all the time.",
    "Send the report to Margaret before noon.",
    "How much does the larger one cost?",
    "Set a timer for twenty minutes.",
    "Well, if there is a window seat left, I would take that.",
    "Stop, I have changed my mind.",
    "Where did you put the keys to the garden shed?",
    "It should be on the second floor, next to the library.",
)
OPENINGS = ("Let me think.", "I am not sure.", "Yes, hello.", "So, tell me.", "One more question.")
BACKCHANNELS = ("mhm.", "yeah.", "okay.", "right.", "uh huh.")
VOICES = ("en-us", "en-gb", "en-gb-scotland", "en-us+f2", "en-gb+f4", "en-us+m3", "en-gb+m7")

_LEVEL = 0.05
"""Root mean square of the speech, 1.0 being full scale: -26 dB, as usual on the telephone."""


@dataclass(frozen=True)
class Segment:
    """One thing that is heard.

    Attributes:
        kind: What it is.
        start: Its first sample.
        end: The sample after its last.
        text: What is said, if anything.
        pauses: Hesitations inside it, from their first sample to the one after their last.
    """

    kind: Kind
    start: int
    end: int
    text: str = ""
    pauses: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Conversation:
    """One side of a conversation.

    Attributes:
        audio: What the microphone hears: mono at 16 kHz.
        segments: The truth, in order; nothing overlaps.
        noise: What sounds all the time.
        snr: Level of the speech over that noise in dB.
    """

    audio: AudioFrame
    segments: tuple[Segment, ...]
    noise: Noise
    snr: float

    def of(self, *kinds: Kind) -> list[Segment]:
        """The segments of some kinds."""
        return [segment for segment in self.segments if segment.kind in kinds]

    def frames(self, milliseconds: int = 20) -> Iterator[AudioFrame]:
        """The audio as it arrives."""
        return frames_of(self.audio, milliseconds)


@dataclass(frozen=True)
class Speaker:
    """How someone speaks.

    Attributes:
        voice: A name that espeak-ng knows.
        rate: Words per minute.
        pitch: 0 to 99.
    """

    voice: str = "en-us"
    rate: int = 160
    pitch: int = 50


class Voices:
    """Speech by espeak-ng; what was spoken once is kept in a folder.

    Args:
        folder: Where it is kept.

    Raises:
        FileNotFoundError: If espeak-ng is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = shutil.which("espeak-ng")
        if program is None:
            raise FileNotFoundError("espeak-ng is not installed; scripts/test installs it")
        self._program = program

    def say(self, text: str, speaker: Speaker) -> Samples:
        """Speech from its first sound to its last, at the level of all speech here."""
        arguments = ["-v", speaker.voice, "-s", str(speaker.rate), "-p", str(speaker.pitch)]
        key = hashlib.sha256("\n".join([*arguments, text]).encode()).hexdigest()[:16]
        path = self._folder / f"{key}.wav"
        if not path.exists():
            subprocess.run([self._program, *arguments, "-w", str(path), text], check=True)
        return _read(path)


def _read(path: Path) -> Samples:
    with wave.open(str(path), "rb") as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        resampler = Resampler(file.getframerate(), RATE, 1)
    parts = resampler.push(data[np.newaxis]), resampler.flush()
    samples = np.concatenate(parts, axis=1)[0] / 32768
    # The first and last 5 ms that are within 40 dB of the loudest.
    loudness = np.sqrt(np.mean(samples[: len(samples) // 80 * 80].reshape(-1, 80) ** 2, axis=1))
    heard = np.flatnonzero(loudness > loudness.max() / 100) * 80
    return _levelled(samples[heard[0] : heard[-1] + 80], _LEVEL)


def conversation(
    seed: int, voices: Voices, *, noise: Noise = "pink", snr: float = 15.0, turns: int = 6
) -> Conversation:
    """Someone speaks a few times, with 1 to 2.5 s of other sounds between.

    Args:
        seed: Two conversations of one seed and the same settings are the same.
        voices: Who speaks.
        noise: What sounds all the time.
        snr: Level of the speech over the noise in dB.
        turns: How often they speak.
    """
    random = np.random.default_rng(seed)
    speaker = Speaker(
        str(random.choice(VOICES)), int(random.integers(130, 191)), int(random.integers(30, 71))
    )
    tape = _Tape()
    tape.pause(random.uniform(1.0, 1.5))
    for _ in range(turns):
        _add_utterance(tape, random, voices, speaker)
        tape.pause(random.uniform(1.0, 2.5))
        choice = random.random()
        if choice < 0.25:
            text = str(random.choice(BACKCHANNELS))
            tape.add("backchannel", voices.say(text, speaker), text)
        elif choice < 0.65:
            kind = SOUNDS[int(random.integers(len(SOUNDS)))]
            tape.add(kind, _SOUNDS[kind](random))
        else:
            continue
        tape.pause(random.uniform(1.0, 1.5))

    speech = np.concatenate(tape.parts)
    heard = speech + make_noise(noise, len(speech), random, voices) * _LEVEL / 10 ** (snr / 20)
    audio = AudioFrame(RATE, to_int16(heard[np.newaxis]))
    return Conversation(audio, tuple(tape.segments), noise, snr)


class _Tape:
    """Sounds and pauses one after the other, and what is where."""

    def __init__(self) -> None:
        self.parts: list[Samples] = []
        self.segments: list[Segment] = []
        self.length = 0

    def pause(self, seconds: float) -> None:
        self._append(np.zeros(int(seconds * RATE)))

    def add(self, kind: Kind, sound: Samples, text: str = "") -> None:
        start = self.length
        self._append(sound)
        self.segments.append(Segment(kind, start, self.length, text))

    def hesitate(self, seconds: float, sound: Samples, text: str) -> None:
        """Go on with the latest segment after a pause in it."""
        latest = self.segments.pop()
        pause = (self.length, self.length + int(seconds * RATE))
        self.pause(seconds)
        self._append(sound)
        self.segments.append(
            Segment(latest.kind, latest.start, self.length, f"{latest.text} {text}", (pause,))
        )

    def _append(self, sound: Samples) -> None:
        self.parts.append(sound)
        self.length += len(sound)


def make_noise(noise: Noise, length: int, random: np.random.Generator, voices: Voices) -> Samples:
    """So many samples of a noise of root mean square 1 (0 for none)."""
    if noise == "none":
        return np.zeros(length)
    if noise == "white":
        return random.standard_normal(length)
    if noise == "pink":
        frequencies = np.fft.rfftfreq(length, 1 / RATE)
        shape = 1 / np.sqrt(np.maximum(frequencies, 50))
        return _levelled(_shaped(random.standard_normal(length), shape), 1)
    if noise == "hum":
        time = np.arange(length) / RATE
        tones = [np.sin(2 * np.pi * 50 * k * time + random.uniform(0, 6)) / k for k in range(1, 12)]
        return _levelled(np.sum(tones, axis=0) + 0.1 * random.standard_normal(length), 1)
    talk = np.zeros(length)
    for voice in VOICES:
        sentences = random.permutation(SENTENCES)[:6]
        said = np.concatenate([voices.say(str(text), Speaker(voice)) for text in sentences])
        talk += np.roll(np.resize(said, length), int(random.integers(length)))
    return _levelled(talk, 1)


def _add_utterance(
    tape: _Tape, random: np.random.Generator, voices: Voices, speaker: Speaker
) -> None:
    """A sentence; every other one after an opening and a hesitation of 200 to 400 ms."""
    text = str(random.choice(SENTENCES))
    if random.random() < 0.5:
        tape.add("utterance", voices.say(text, speaker), text)
        return
    opening = str(random.choice(OPENINGS))
    tape.add("utterance", voices.say(opening, speaker), opening)
    tape.hesitate(random.uniform(0.2, 0.4), voices.say(text, speaker), text)


def _cough(random: np.random.Generator) -> Samples:
    """A burst of noise around 1 kHz, 150 to 300 ms: it comes at once and fades."""
    length = int(random.uniform(0.15, 0.3) * RATE)
    frequencies = np.fft.rfftfreq(length, 1 / RATE)
    shape = np.exp(-((np.log2(np.maximum(frequencies, 1) / 1000) / 1.2) ** 2))
    time = np.arange(length) / length
    envelope = np.minimum(time / 0.05, 1) * np.exp(-3 * time)
    return _levelled(_shaped(random.standard_normal(length), shape) * envelope, _LEVEL)


def _click(random: np.random.Generator) -> Samples:
    """5 ms of noise that fades."""
    length = RATE // 200
    return 0.2 * random.standard_normal(length) * np.exp(-np.arange(length) / (length / 5))


def _door(random: np.random.Generator) -> Samples:
    """A thud below 200 Hz with a crack at its beginning, 300 ms."""
    length = 3 * RATE // 10
    frequencies = np.fft.rfftfreq(length, 1 / RATE)
    thud = _shaped(random.standard_normal(length), np.exp(-frequencies / 100))
    fading = np.exp(-np.arange(length) / (0.06 * RATE))
    sound = _levelled(thud * fading, 2 * _LEVEL)
    sound[: RATE // 200] += _click(random)
    return sound


def _keyboard(random: np.random.Generator) -> Samples:
    """Seven keys, 80 to 200 ms apart."""
    parts = []
    for _ in range(6):
        parts += [0.4 * _click(random), np.zeros(int(random.uniform(0.08, 0.2) * RATE))]
    return np.concatenate([*parts, 0.4 * _click(random)])


_SOUNDS: dict[Kind, Callable[[np.random.Generator], Samples]] = {
    "cough": _cough,
    "click": _click,
    "door": _door,
    "keyboard": _keyboard,
}


def _shaped(samples: Samples, shape: Samples) -> Samples:
    """Samples with a spectrum multiplied by a shape."""
    return np.fft.irfft(np.fft.rfft(samples) * shape, len(samples))


def _levelled(samples: Samples, level: float) -> Samples:
    """Samples at a root mean square."""
    levelled: Samples = samples * (level / np.sqrt(np.mean(samples**2)))
    return levelled
