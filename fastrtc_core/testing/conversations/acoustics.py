"""What happens to speech on its way to a microphone, and what else is heard there.

Coughs, laughs, clicks and the default music are synthetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .recordings import LEVEL, RATE, Recordings, Samples, rms

LOOP = 30 * RATE
"""Length of a background in samples, after which it begins again."""

_BABBLERS = 6


def pink(random: np.random.Generator) -> Samples:
    """Noise with as much power in each octave above 50 Hz."""
    frequencies = np.fft.rfftfreq(LOOP, 1 / RATE)
    shape = 1 / np.sqrt(np.maximum(frequencies, 50))
    return _levelled(_shaped(random.standard_normal(LOOP), shape))


def babble(recordings: Recordings, speakers: Sequence[str], random: np.random.Generator) -> Samples:
    """Six people who talk at once, each as loud as the others."""
    chosen = random.permutation(sorted(speakers))
    total = np.zeros(LOOP, np.float32)
    for number in range(_BABBLERS):
        total += talker(recordings, [chosen[number % len(chosen)]], random)
    return _levelled(total)


def talker(recordings: Recordings, speakers: Sequence[str], random: np.random.Generator) -> Samples:
    """Somebody else who talks on, with the pauses of a reader; at the level of all speech."""
    name = str(random.choice(sorted(speakers)))
    said = recordings.talk[name]
    return np.roll(np.resize(said, LOOP), int(random.integers(LOOP)))


def music(pieces: Sequence[Samples], random: np.random.Generator) -> Samples:
    """A stretch of one of some pieces, or synthetic music where there are none."""
    if not pieces:
        return _levelled(_band(random))
    piece = pieces[int(random.integers(len(pieces)))]
    start = int(random.integers(max(1, len(piece) - LOOP)))
    return _levelled(np.resize(piece[start : start + LOOP], LOOP))


def _band(random: np.random.Generator) -> Samples:
    """Chords, a melody, a bass and drums, at 90 to 130 beats a minute."""
    beat = int(60 / random.uniform(90, 130) * RATE)
    total = np.zeros(LOOP + 4 * beat)
    root = 110 * 2 ** (random.integers(0, 12) / 12)
    degrees = np.array([0, 2, 4, 5, 7, 9, 11, 12])

    def note(frequency: float, length: int, harmonics: int, decay: float) -> np.ndarray:
        time = np.arange(length) / RATE
        tones = sum(
            np.sin(2 * np.pi * frequency * k * time) / k
            for k in range(1, harmonics + 1)
            if frequency * k < RATE / 2
        )
        return np.asarray(tones) * np.exp(-decay * time) * np.minimum(time / 0.01, 1)

    for number, start in enumerate(range(0, LOOP, beat)):
        if number % 4 == 0:
            degree = int(random.integers(0, 6))
            for step in (degree, (degree + 2) % 8, (degree + 4) % 8):
                total[start : start + 4 * beat] += 0.5 * note(
                    2 * root * 2 ** (degrees[step] / 12), 4 * beat, 6, 0.6
                )
        total[start : start + beat] += note(
            root * 2 ** (degrees[number % 3 * 2] / 12) / 2, beat, 4, 3.0
        )
        for half in range(2):
            if random.random() < 0.7:
                frequency = 4 * root * 2 ** (degrees[int(random.integers(8))] / 12)
                first = start + half * beat // 2
                total[first : first + beat // 2] += 0.8 * note(frequency, beat // 2, 8, 2.0)
        hit = min(beat, RATE // 8)
        drum = random.standard_normal(hit) * np.exp(-np.arange(hit) / (0.02 * RATE))
        total[start : start + hit] += (1.2 if number % 2 else 0.5) * drum
    return total[:LOOP].astype(np.float32)


def cough(random: np.random.Generator) -> Samples:
    """One to three bursts of noise around 1 kHz, 150 to 300 ms each, and a little louder."""
    parts = []
    for _ in range(int(random.integers(1, 4))):
        length = int(random.uniform(0.15, 0.3) * RATE)
        frequencies = np.fft.rfftfreq(length, 1 / RATE)
        shape = np.exp(-((np.log2(np.maximum(frequencies, 1) / 1000) / 1.2) ** 2))
        time = np.arange(length) / length
        envelope = np.minimum(time / 0.05, 1) * np.exp(-3 * time)
        burst = _shaped(random.standard_normal(length), shape) * envelope
        parts += [_levelled(burst, 1.4 * LEVEL), np.zeros(RATE // 20, np.float32)]
    return np.concatenate(parts[:-1])


def laugh(random: np.random.Generator) -> Samples:
    """Four to seven breaths with a voice in each, 4 to 6 a second, falling in pitch."""
    syllable = int(RATE / random.uniform(4, 6))
    count = int(random.integers(4, 8))
    pitch = random.uniform(160, 320)
    parts = []
    for number in range(count):
        voiced = int(0.5 * syllable)
        time = np.arange(voiced) / RATE
        phase = 2 * np.pi * np.cumsum(pitch * (1 - 0.04 * number) * (1.1 - time)) / RATE
        tones = np.asarray(sum(np.sin(k * phase) / k for k in range(1, 20)))
        breath = 0.4 * random.standard_normal(voiced)
        sound = (tones + breath) * np.hanning(voiced)
        parts += [sound, 0.05 * random.standard_normal(syllable - voiced)]
    fading = np.linspace(1, 0.4, syllable * count)
    return _levelled((np.concatenate(parts) * fading).astype(np.float32))


def click(random: np.random.Generator) -> Samples:
    """One to eight keys or taps, 5 ms each, 80 to 200 ms apart."""
    length = RATE // 200
    parts = []
    for _ in range(int(random.integers(1, 9))):
        tap = 0.15 * random.standard_normal(length) * np.exp(-np.arange(length) / (length / 5))
        parts += [tap, np.zeros(int(random.uniform(0.08, 0.2) * RATE))]
    return np.concatenate(parts[:-1]).astype(np.float32)


SOUNDS: dict[str, Callable[[np.random.Generator], Samples]] = {
    "cough": cough,
    "click": click,
    "laugh": laugh,
}


def in_room(samples: Samples, t60: float, random: np.random.Generator) -> Samples:
    """Heard from some metres away: the direct sound and as much reverberation.

    Args:
        samples: The dry sound.
        t60: Time in s in which the reverberation falls by 60 dB.
        random: Makes the room.
    """
    length = int(t60 * RATE)
    time = np.arange(length) / RATE
    response = random.standard_normal(length) * 10 ** (-3 * time / t60)
    response[: RATE // 500] = 0
    response /= np.sqrt(np.sum(response**2))
    response[0] = 1
    size = 1 << int(len(samples) + length).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    heard: Samples = (wet[: len(samples)] / np.sqrt(2)).astype(np.float32)
    return heard


def over_telephone(samples: Samples) -> Samples:
    """300 to 3400 Hz, in µ-law."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    shape = 1 / (1 + (300 / np.maximum(frequencies, 1)) ** 8) / (1 + (frequencies / 3400) ** 16)
    narrow = np.clip(_shaped(samples, shape), -1, 1)
    coded = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    steps = np.round(coded * 127) / 127
    decoded: Samples = (np.sign(steps) * (256 ** np.abs(steps) - 1) / 255).astype(np.float32)
    return decoded


def _shaped(samples: np.ndarray, shape: np.ndarray) -> Samples:
    """Samples with a spectrum multiplied by a shape."""
    shaped = np.fft.irfft(np.fft.rfft(samples) * shape, len(samples))
    return shaped.astype(np.float32)


def _levelled(samples: Samples, level: float = LEVEL) -> Samples:
    """Samples at a root mean square."""
    return samples * np.float32(level / rms(samples))
