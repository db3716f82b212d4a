"""How well the ends of sentences are told from pauses inside them, on real speech.

    python -m benchmarks.ends --recordings FOLDER [--speakers folder] [--model FILE] [--most N]
        [--words]

A recording ends where a sentence does. Two kinds of places inside are set against that: where the
speaker paused (some of these are ends of sentences, too), and where the longest phrase is quietest
in its middle, as somebody stops who looks for a word. Each place is stretched to a pause of 0.5 to
1.0 s, by the seed, and played to turn-taking with the default voice activity detector. Every third
speaker is reported alone.

With `--words`, detectors that read the words of a real recogniser are measured as well. It takes
about as long as the tapes last.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args

import av
import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers.turns import (
    Bot,
    ListeningTurnDetector,
    ModelTurnDetector,
    SilenceTurnDetector,
    SmartTurn,
    TextTurnDetector,
    TurnDetector,
    TurnOptions,
    TurnTaking,
)
from fastrtc_handlers.turns.english import completeness as english
from fastrtc_handlers.vad import SileroVAD

from .statistics import percentile

RATE = 16000
SEED = 0
PAUSES = (0.5, 1.0)
"""Length in s of the pauses inside sentences."""

_STEP = RATE // 100
_CONTEXT = 8 * RATE
_SHORTEST = 150
"""Steps of speech that a recording has at least."""
_GAP = 18
"""Steps of silence at which two phrases part."""
_NEVER = 60.0

Samples = NDArray[np.float32]
Kind = Literal["end", "pause", "middle"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a sentence ends, or pauses.

    Attributes:
        kind: An end, a pause of the speaker, or the middle of a phrase.
        speaker: Who speaks.
        tape: What is heard: mono at 16 kHz.
        start: The sample at which speech stops.
        end: The sample at which it goes on, or the tape ends.
    """

    kind: Kind
    speaker: str
    tape: AudioFrame
    start: int
    end: int


def places(
    folder: Path, speaker_of: Callable[[Path], str], random: np.random.Generator, most: int
) -> Iterator[Place]:
    """Of all recordings in a folder, or of so many of each speaker, drawn by the generator."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".flac", ".wav", ".g722"))
    taken: dict[str, int] = {}
    for number in random.permutation(len(files)) if most else range(len(files)):
        speaker = speaker_of(files[number])
        if most and taken.get(speaker, 0) >= most:
            continue
        found = list(_places(read(files[number]), speaker, random))
        taken[speaker] = taken.get(speaker, 0) + bool(found)
        yield from found


def read(path: Path) -> Samples:
    """A recording as mono at 16 kHz."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    parts = []
    with av.open(str(path), format="g722" if path.suffix == ".g722" else None) as container:
        for frame in container.decode(audio=0):
            parts += [made.to_ndarray()[0] for made in resampler.resample(frame)]
    parts += [made.to_ndarray()[0] for made in resampler.resample(None)]
    return np.concatenate(parts)


def _places(sound: Samples, speaker: str, random: np.random.Generator) -> Iterator[Place]:
    levels = _levels(sound)
    spoken = _phrases(levels)
    if sum(end - start for start, end in spoken) < _SHORTEST:
        return
    hush = min(10 ** (float(np.percentile(levels, 3)) / 20), 0.003)

    def place(kind: Kind, step: int, seconds: float) -> Place:
        at = step * _STEP
        before = sound[max(spoken[0][0] * _STEP - RATE // 5, at - _CONTEXT, 0) : at]
        lead, gap = (
            hush * random.standard_normal(round(length * RATE)) for length in (0.5, seconds)
        )
        after = sound[at : at + RATE] if kind != "end" else sound[:0]
        data = np.concatenate([lead, before, gap, after])
        start = len(lead) + len(before)
        samples = np.clip(data * 32768, -32768, 32767).astype(np.int16)
        return Place(kind, speaker, AudioFrame(RATE, samples[None]), start, start + len(gap))

    yield place("end", spoken[-1][1], 2.0)
    said = 0
    for start, end in spoken[:-1]:
        said += end - start
        if said >= _SHORTEST:
            yield place("pause", end, random.uniform(*PAUSES))
    start, end = max(spoken, key=lambda phrase: phrase[1] - phrase[0])
    if end - start >= 100:
        power = np.convolve(10 ** (levels[start:end] / 10), np.ones(5), "same")
        third = (end - start) * 3 // 10
        middle = start + third + int(np.argmin(power[third:-third]))
        yield place("middle", middle, random.uniform(*PAUSES))


def _levels(sound: Samples) -> NDArray[np.float64]:
    """In dB, of each step."""
    steps = sound[: len(sound) // _STEP * _STEP].reshape(-1, _STEP).astype(np.float64)
    levels: NDArray[np.float64] = 10 * np.log10(np.mean(steps**2, axis=1) + 1e-12)
    return levels


def _phrases(levels: NDArray[np.float64]) -> list[tuple[int, int]]:
    """From step to step, what is spoken without a pause."""
    loud = np.percentile(levels, 95)
    sounding = np.flatnonzero(levels > max(loud - 30, min(np.percentile(levels, 5) + 8, loud - 12)))
    found = np.split(sounding, np.flatnonzero(np.diff(sounding) > _GAP) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in found if len(part) >= 8]


class Remembered:
    """A model that is asked once about each turn.

    Attributes:
        took: Of each time that it was asked: CPU time in s.
    """

    def __init__(self, model: Callable[[AudioFrame], float]) -> None:
        self._model = model
        self._known: dict[bytes, float] = {}
        self.took: list[float] = []

    def __call__(self, turn: AudioFrame) -> float:
        key = hashlib.sha256(turn.data.tobytes()).digest()
        if key not in self._known:
            began = time.thread_time()
            self._known[key] = self._model(turn)
            self.took.append(time.thread_time() - began)
        return self._known[key]


class _At:
    """A detector that is asked from one time of a tape on; before, no pause ends the turn."""

    def __init__(self, detector: TurnDetector) -> None:
        self._detector = detector
        self._listener = detector if isinstance(detector, ListeningTurnDetector) else None
        self.asked = False
        self._asked_in_pause = False
        self._patience = _NEVER

    def patience(self, turn: AudioFrame) -> float:
        self._asked_in_pause = self.asked
        self._patience = self._detector.patience(turn) if self.asked else _NEVER
        return self._patience

    def note_pause(self, seconds: float) -> None:
        pass

    def listen(self, frame: AudioFrame) -> None:
        if self._listener is not None:
            self._listener.listen(frame)

    def revise(self, pause: float) -> float:
        if self._listener is not None and self._asked_in_pause:
            self._patience = self._listener.revise(pause)
        return self._patience

    def copy(self) -> Self:
        raise NotImplementedError


def answered(place: Place, detector: TurnDetector) -> float | None:
    """How long in s after the stop of speech the turn is taken to be over, if it is."""
    at = _At(detector)
    turns = TurnTaking(SileroVAD(), at, TurnOptions(), RATE)
    now = 0
    for frame in frames_of(place.tape, 20):
        now += frame.samples_per_channel
        if now > place.end:
            break
        # The detector of speech may be done with a soft ending before it is over.
        at.asked = now > place.start - 3 * RATE // 10
        for action in turns.push(frame, Bot()):
            if action.kind == "reply":
                return (now - place.start) / RATE
    return None


def auc(ends: list[float], others: list[float]) -> float:
    """The probability that an end is given more than another place, ties counting half."""
    one, other = np.array(ends)[:, None], np.array(others)
    return float(np.mean(one > other) + np.mean(one == other) / 2)


def roc(found: list[Place], model: Callable[[AudioFrame], float]) -> None:
    """Print what a model says of each place, asked where turn-taking would ask it."""
    scores: dict[Kind, list[float]] = {"end": [], "pause": [], "middle": []}
    for place in found:
        at = place.start + RATE // 10
        begin = max(0, at - _CONTEXT)
        scores[place.kind].append(model(AudioFrame(RATE, place.tape.data[:, begin:at])))
    for kind in ("pause", "middle"):
        print(
            f"  end/{kind}: AUC {auc(scores['end'], scores[kind]):.3f}", end="; taken for ends at"
        )
        for threshold in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
            rates = (np.mean(np.array(scores[name]) >= threshold) for name in (kind, "end"))
            print(f" {threshold:g}: {next(rates):.0%} of {next(rates):.0%}", end=",")
        print()


def of_words(found: list[Place]) -> dict[str, dict[Place, float | None]]:
    """What detectors that read words make of each place; the recogniser hears each tape once."""
    from .dictation import Dictation, Heard, by_language_model

    stt = Dictation()
    began = time.thread_time()
    heard = {place: Heard(list(frames_of(place.tape, 20)), stt) for place in found}
    seconds = sum(place.tape.duration for place in found)
    print(f"the recogniser took {(time.thread_time() - began) / seconds:.2f} s of CPU a second")

    def answers(
        completeness: Callable[[str], float], threshold: float
    ) -> dict[Place, float | None]:
        return {
            place: answered(
                place, TextTurnDetector(heard[place], completeness, threshold=threshold)
            )
            for place in found
        }

    ngrams = by_language_model()
    by_rules = {"words, rules: 0.25, 0.8 or 1.5 s": answers(english, 0.8)}
    return by_rules | {
        f"words, n-grams {threshold:g}": answers(ngrams, threshold)
        for threshold in (0.5, 0.6, 0.7, 0.8)
    }


def through_turns(found: list[Place], answers: dict[str, dict[Place, float | None]]) -> None:
    """Print a table of splits and delays, of what each detector made of each place."""
    print(f"  {'':34} pauses split   middles split  end: p50, p90 ms   within 300 ms, their p50")
    for name, answer in answers.items():
        cells = []
        for kind in ("pause", "middle"):
            those = [answer[place] for place in found if place.kind == kind]
            split = sum(delay is not None for delay in those)
            cells.append(f"{split:4} of {len(those):3}")
        delays = [answer[place] for place in found if place.kind == "end"]
        known = [1000 * delay for delay in delays if delay is not None]
        sure = [delay for delay in known if delay <= 300]
        print(
            f"  {name:34} {cells[0]:14} {cells[1]:14} {percentile(known, 50):6.0f}"
            f" {percentile(known, 90):6.0f} of {len(known)}/{len(delays)}"
            f"   {len(sure):3}, {percentile(sure, 50):.0f}"
        )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ends",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recordings", type=Path, required=True, help="a folder of sentences")
    parser.add_argument(
        "--speakers",
        choices=("name", "folder"),
        default="name",
        help="who speaks: the name of a file up to the first `-`, or its folder",
    )
    parser.add_argument("--model", type=Path, help="the ONNX file of smart-turn, if not installed")
    parser.add_argument("--most", type=int, default=0, help="recordings of each speaker")
    parser.add_argument("--words", action="store_true", help="read the words of a recogniser, too")
    options = parser.parse_args()

    def speaker_of(path: Path) -> str:
        if options.speakers == "folder":
            return path.parent.name
        return path.stem.partition("-")[0]

    random = np.random.default_rng(SEED)
    found = list(places(options.recordings, speaker_of, random, options.most))
    speakers = sorted({place.speaker for place in found})
    held_out = set(speakers[2::3])
    model = Remembered(SmartTurn(options.model))
    detectors: dict[str, TurnDetector] = {
        f"silence {silence:g} s": SilenceTurnDetector(silence, adaptive=False)
        for silence in (0.5, 0.6, 0.8, 1.0)
    }
    for threshold in (0.5, 0.7, 0.8, 0.9):
        detectors[f"smart-turn {threshold:g}: 0.25 or 1.2 s"] = ModelTurnDetector(
            model, threshold=threshold, silence=0.25, longest=1.2
        )
    answers = {
        name: {place: answered(place, detector) for place in found}
        for name, detector in detectors.items()
    }
    if options.words:
        answers |= of_words(found)
    for title, those in (
        ("all", set(speakers)),
        ("to tune on", set(speakers) - held_out),
        ("held out", held_out),
    ):
        chosen = [place for place in found if place.speaker in those]
        counts = {kind: sum(place.kind == kind for place in chosen) for kind in KINDS}
        if not all(counts.values()):
            continue
        print(f"{title}: {len(those)} speakers, {counts}", flush=True)
        roc(chosen, model)
        through_turns(chosen, answers)
    took = [1000 * seconds for seconds in model.took]
    print(
        f"CPU of a decision: {percentile(took, 50):.0f} ms (p50), {percentile(took, 95):.0f} (p95)"
    )


if __name__ == "__main__":
    main()
