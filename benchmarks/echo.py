"""What ears do about an echo, on real speech.

    python -m benchmarks.echo --recordings FOLDER [--cases 24]

The folder holds recordings of read sentences, named `speaker-….flac` or `.wav`. One speaker is the
agent, whose voice comes back from a loudspeaker in a room; another interrupts it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.tracks.monitor import MonitoredFrame
from fastrtc_handlers import Ear, TurnOptions
from fastrtc_handlers.ear import EarVAD
from fastrtc_handlers.turns import Bot, SilenceTurnDetector, TurnTaking
from fastrtc_handlers.vad import VAD, SileroVAD
from tests.handlers.ear.room import FRAME, RATE, echo_of, hiss

Samples = NDArray[np.float64]

LEVEL = 0.07
"""Root mean square of speech: -23 dB."""

DELAYS = (0.04, 0.12, 0.25, 0.4, 0.5)
EARS: dict[str, Ear | None] = {
    "none": None,
    "own voice": Ear(),
    "own voice, canceller, noise": Ear(cancel_echo=True, suppress_noise=1),
}


class Scene(NamedTuple):
    """What is played and what the microphone hears, and when the other voice begins, in s."""

    far: Samples
    near: Samples
    onset: float = 0.0


class Recordings:
    """Sentences by speaker."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".flac", ".wav"):
                self._files.setdefault(path.name.split("-")[0], []).append(path)
        self.speakers = sorted(name for name, files in self._files.items() if len(files) >= 4)
        if len(self.speakers) < 2:
            raise SystemExit(f"{folder} must hold recordings of two speakers, four of each")
        self._read: dict[Path, Samples] = {}

    def sentence(self, speaker: int, random: np.random.Generator) -> Samples:
        """One of a speaker's sentences, at most 5 s of it."""
        files = self._files[self.speakers[speaker % len(self.speakers)]]
        path = files[int(random.integers(len(files)))]
        if path not in self._read:
            self._read[path] = _load(path)
        return self._read[path]

    def agent(self, number: int, random: np.random.Generator, sentences: int = 4) -> Samples:
        """What an agent says: sentences with a pause after each."""
        parts = [np.zeros(RATE // 2)]
        for _ in range(sentences):
            parts += [self.sentence(number, random), np.zeros(int(random.uniform(0.4, 1.0) * RATE))]
        return np.concatenate([*parts, np.zeros(RATE)])


def _load(path: Path) -> Samples:
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(path)) as file:
        blocks = [
            part.to_ndarray()[0]
            for frame in file.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    sound = np.concatenate(blocks)[: 5 * RATE] / 32768
    loud = sound[np.abs(sound) > 0.01]
    return np.asarray(sound * LEVEL / np.sqrt(np.mean(loud**2)))


def echo(far: Samples, level: float, delay: float, drift: float = 0.0, seed: int = 1) -> Samples:
    """The echo, at a level relative to what was played, whatever the room does to it."""
    sound = echo_of(far, level=0.0, delay=delay, drift=drift, seed=seed)
    powers = [np.mean(x[np.abs(x) > 0.01] ** 2) for x in (far, sound)]
    return np.asarray(sound * np.sqrt(powers[0] / powers[1]) * 10 ** (level / 20))


def frames(scene: Scene) -> Iterator[AudioFrame]:
    near, far = _int16(scene.near), _int16(scene.far)
    for at in range(0, len(near) - FRAME, FRAME):
        cut = slice(at, at + FRAME)
        yield MonitoredFrame.of(AudioFrame(RATE, near[np.newaxis, cut]), far[np.newaxis, cut])


def _int16(samples: Samples) -> NDArray[np.int16]:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


# Figures


def cancelled(recordings: Recordings) -> None:
    """By how many dB the echo is lower, from 2 s after its beginning or the jump on."""
    print("\n| echo | delay | what happens | lower by, first 2 s | after |\n|---|---|---|---|---|")
    rows: list[tuple[float, float, str]] = [
        *((level, delay, "") for level in (0.0, -10.0, -20.0) for delay in (0.04, 0.2, 0.5, 0.8)),
        (-10.0, 0.2, "drift 100 ppm"),
        (-10.0, 0.1, "jump 40 ms"),
        (-10.0, 0.1, "jump 200 ms"),
        (-10.0, 0.1, "jump 200 ms, known"),
    ]
    for level, delay, event in rows:
        figures: list[tuple[float, float]] = []
        for number in range(3):
            random = np.random.default_rng(number)
            far = recordings.agent(number, random, 5)
            played, start = far, RATE
            sound = echo(far, level, delay, 1e-4 if "drift" in event else 0.0, number)
            if "jump" in event:
                start = 10 * RATE
                by = RATE // 25 if "40" in event else RATE // 5
                sound[start:] = np.concatenate((np.zeros(by), sound))[start : len(sound)]
                if "known" in event:  # the session moves the reference with it
                    played = far.copy()
                    played[start:] = np.concatenate((np.zeros(by), far))[start : len(far)]
            near = sound + hiss(len(far), number)
            ear = Ear(cancel_echo=True)
            heard = [ear.hear(frame) for frame in frames(Scene(played, near))]
            cleaned = np.concatenate([part.cleaned for parts in heard for part in parts]) / 32768
            figures.append(
                (
                    _lower(near, cleaned, start, start + 2 * RATE),
                    _lower(near, cleaned, start + 2 * RATE, len(cleaned)),
                )
            )
        first, after = np.mean(figures, axis=0)
        print(f"| {level:g} dB | {1000 * delay:g} ms | {event} | {first:.0f} dB | {after:.0f} dB |")


def _lower(before: Samples, after: Samples, start: int, end: int) -> float:
    powers = [float(np.mean(x[start:end] ** 2)) for x in (before, after)]
    return float(10 * np.log10(powers[0] / powers[1]))


def turns(recordings: Recordings, cases: int, levels: tuple[float | None, ...]) -> None:
    """Pauses, interruptions and turns by the echo alone, and how soon another voice is noticed."""
    print(
        "\n| echo | ear | sentences of the agent | stopped for a moment | interrupted | others "
        "noticed | after, p50 / p95 |\n|---|---|---|---|---|---|---|"
    )
    for level in levels:
        for name, ear in EARS.items():
            stops = broken = 0
            waits: list[float] = []
            for number in range(cases):
                scene = _scene(recordings, number, level, interrupts=False)
                kinds = [kind for kind, _ in _follow(scene, ear)]
                stops += kinds.count("pause")
                broken += "interrupt" in kinds or "reply" in kinds
                scene = _scene(recordings, number, level, interrupts=True)
                noticed = [
                    at - scene.onset
                    for kind, at in _follow(scene, ear)
                    if kind == "pause" and -0.05 < at - scene.onset < 2
                ]
                waits += noticed[:1]
            p50, p95 = np.percentile(waits, (50, 95)) * 1000 if waits else (np.nan, np.nan)
            echoed = "none" if level is None else f"{level:g} dB"
            print(
                f"| {echoed} | {name} | {4 * cases} | {stops} | {broken} | "
                f"{len(waits)} of {cases} | {p50:.0f} / {p95:.0f} ms |",
                flush=True,
            )


def _scene(recordings: Recordings, number: int, level: float | None, *, interrupts: bool) -> Scene:
    random = np.random.default_rng(1000 + number)
    far = recordings.agent(number, random)
    near = hiss(len(far), number)
    if level is not None:
        near += echo(far, level, DELAYS[number % len(DELAYS)], seed=number)
    if not interrupts:
        return Scene(far, near)
    voice = recordings.sentence(number + 3, random)[: 3 * RATE]
    loudness = np.sqrt(np.convolve(far**2, np.ones(RATE // 2) / (RATE // 2), "same"))
    # While the agent speaks, and has for a while.
    moments = np.flatnonzero(loudness[3 * RATE : len(far) - 4 * RATE] > LEVEL / 2) + 3 * RATE
    begin = int(random.choice(moments))
    near[begin : begin + len(voice)] += voice
    onset = begin + _onset(voice)
    end = onset + 2 * RATE
    return Scene(far[:end], near[:end], onset / RATE)


def _onset(voice: Samples) -> int:
    """Where speech has begun: 40 ms within 12 dB of its level."""
    hops = np.sqrt(np.mean(voice[: len(voice) // 160 * 160].reshape(-1, 160) ** 2, axis=1))
    loud = hops > LEVEL / 4
    runs = loud[:-3] & loud[1:-2] & loud[2:-1] & loud[3:]
    return int(np.flatnonzero(runs)[0]) * 160


def _follow(scene: Scene, ear: Ear | None) -> list[tuple[str, float]]:
    """What turn-taking does up to the first interruption, with a bot that goes on and on."""
    vad: VAD = SileroVAD() if ear is None else EarVAD(SileroVAD(), ear.copy())
    taking = TurnTaking(vad, SilenceTurnDetector(), TurnOptions(), RATE)
    done: list[tuple[str, float]] = []
    for number, frame in enumerate(frames(scene)):
        now = (number + 1) * FRAME / RATE
        for action in taking.push(frame, Bot(True, max(0.01, now - 0.5))):
            done.append((action.kind, now))
            if action.kind == "interrupt":
                return done
    return done


def costs(recordings: Recordings) -> None:
    """CPU of a conversation in which both speak in turn, each half of the time: the least of three
    runs, where others use the machine as well."""
    print("\n| ear | CPU per second of conversation |\n|---|---|")
    random = np.random.default_rng(7)
    far_parts, near_parts = [], []
    for number in range(12):
        sound = recordings.sentence(number % 2, random)
        silent = np.zeros(len(sound))
        far_parts.append(sound if number % 2 else silent)
        near_parts.append(silent if number % 2 else sound)
    far = np.concatenate(far_parts)
    near = np.concatenate(near_parts) + echo(far, -10, 0.2) + hiss(len(far), 1)
    for name, ear in EARS.items():
        pieces = list(frames(Scene(far, near)))
        spent = float("inf")
        for _ in range(3):
            vad: VAD = SileroVAD() if ear is None else EarVAD(SileroVAD(), ear.copy())
            begun = time.process_time()
            for piece in pieces:
                vad.push(piece)
            spent = min(spent, time.process_time() - begun)
        print(f"| {name} | {1000 * spent / (len(far) / RATE):.1f} ms |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=24, help="of four sentences, per condition")
    parser.add_argument("--levels", type=float, nargs="*", default=[0.0, -10.0, -20.0])
    parser.add_argument("--only", choices=("costs", "cancelled", "turns"), help="one table")
    options = parser.parse_args()
    recordings = Recordings(options.recordings)
    if options.only in (None, "costs"):
        costs(recordings)
    if options.only in (None, "cancelled"):
        cancelled(recordings)
    if options.only in (None, "turns"):
        turns(recordings, options.cases, (*options.levels, None))


if __name__ == "__main__":
    main()
