"""Learn when the speaker sounds: the weights of `fastrtc_handlers.vad.presence`.

    python -m benchmarks.turns.training --recordings FOLDER [--music FOLDER] [--seeds N]

The network hears conversations in all conditions, of the speakers that settings are tuned on and of
other seeds than those that are measured. The truth is in the same conversations without noise: a
half of a window in which the speaker is louder than `_SOFTEST`. What is softer inside an utterance
is neither. Numbers are drawn by a seed: one machine makes the same weights each time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastrtc_core.testing.conversations import Conversation, Script, render, script
from fastrtc_handlers.vad import presence_weights
from fastrtc_handlers.vad.foreground import Foreground
from fastrtc_handlers.vad.levels import level_of
from fastrtc_handlers.vad.presence import FEATURES, Presence
from fastrtc_handlers.vad.silero_model import WINDOW

from .conditions import CONDITIONS, TURNS, Material, gather, score

SEED = 1
FIRST = 100
"""Seed of the first conversation; those that are measured begin at 0."""
COUNT = 10
"""Conversations of each condition."""
UNITS = 16
STEPS = 12000
_BATCH = 2048
_RATE = 3e-3
_NEAR = 10
"""Halves of windows around a beginning or an end that count more."""
_WEIGHT = 3.0
"""How much more."""
_SOFTEST = 10 ** (-58 / 20)
"""Root mean square of the softest sound; speech is at -26 dB."""

Floats = NDArray[np.float32]


def examples(
    material: Material, seeds: Sequence[int], names: Sequence[str] = tuple(CONDITIONS)
) -> tuple[Floats, Floats, Floats]:
    """What the network is told of each window, what is true of its halves, and how much it counts.

    Returns:
        Shapes `(n, FEATURES)`, `(n, 2)` and `(n, 2)`.
    """
    found = list(_examples(material, seeds, names))
    told, true, counts = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return told, true, counts


def _examples(
    material: Material, seeds: Sequence[int], names: Sequence[str]
) -> Iterator[tuple[Floats, Floats, Floats]]:
    for name in names:
        condition = CONDITIONS[name]
        for seed in seeds:
            drawn = script(
                seed,
                material.recordings,
                condition.setting,
                speakers=material.tuning,
                turns=TURNS,
                pauses=condition.pauses,
                sounds=condition.sounds,
            )
            conversation = render(drawn, material.recordings, music=material.music)
            told = measured(conversation.audio.data[0])
            sounds, counts = truth(conversation, render(_alone(drawn), material.recordings))
            known = ~np.isnan(told[:, 0])
            yield told[known], sounds[known], counts[known]


def _alone(drawn: Script) -> Script:
    """The same script where nothing but the speaker is heard."""
    quiet = replace(drawn.setting, noise="none", t60=0.0, telephone=False, level=0.0, room=-150.0)
    return replace(drawn, setting=quiet)


def measured(samples: NDArray[np.int16]) -> Floats:
    """What the network is told of each window; NaN of digital silence."""
    foreground, presence = Foreground(WINDOW / 16000), Presence()
    windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    found = np.full((len(windows), FEATURES), np.nan, np.float32)
    for number, (window, likely) in enumerate(zip(windows, score(samples), strict=True)):
        foreground.push(level_of(window), float(likely))
        features = presence.measure(window, float(likely), foreground)
        if features is not None:
            found[number] = features
    return found


def truth(conversation: Conversation, alone: Conversation) -> tuple[Floats, Floats]:
    """Whether the speaker sounds in the halves of each window, and how much that counts."""
    samples = alone.audio.data[0]
    half, count = WINDOW // 2, len(samples) // WINDOW * 2
    levels = np.sqrt(np.mean((samples[: count * half].reshape(-1, half) / 32768.0) ** 2, axis=1))
    first = np.arange(count) * half
    inside, counts = np.zeros(count, np.bool_), np.ones(count, np.float32)
    for segment in conversation.of("utterance"):
        edges = [segment.start, *(edge for pause in segment.pauses for edge in pause), segment.end]
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            inside |= np.minimum(first + half, end) - np.maximum(first, start) >= half // 4
    for edge in np.flatnonzero(np.diff(inside.astype(np.int8))):
        counts[max(0, edge + 1 - _NEAR) : edge + 1 + _NEAR] = _WEIGHT
    sounds = inside & (levels > _SOFTEST)
    counts[inside & ~sounds] = 0
    return sounds.astype(np.float32).reshape(-1, 2), counts.reshape(-1, 2)


def learned(
    told: Floats, true: Floats, counts: Floats, *, units: int = UNITS, steps: int = STEPS
) -> presence_weights.Weights:
    """The network that tells best what is true: least cross entropy, by Adam."""
    random = np.random.default_rng(SEED)
    mean, spread = told.mean(axis=0), told.std(axis=0) + np.float32(0.05)
    scaled = (told - mean) / spread
    shapes = ((units, told.shape[1]), (units,), (2, units), (2,))
    weights = [
        (random.standard_normal(shape) / np.sqrt(shape[-1]) * (len(shape) > 1)).astype(np.float32)
        for shape in shapes
    ]
    momentum = [np.zeros_like(weight) for weight in weights]
    square = [np.zeros_like(weight) for weight in weights]
    for step in range(1, steps + 1):
        chosen = random.integers(0, len(scaled), _BATCH)
        inputs, count = scaled[chosen], counts[chosen]
        hidden = np.tanh(inputs @ weights[0].T + weights[1])
        likely = 1 / (1 + np.exp(-(hidden @ weights[2].T + weights[3])))
        error = (likely - true[chosen]) * count / max(1.0, float(count.sum()))
        back = (error @ weights[2]) * (1 - hidden**2)
        slopes = [back.T @ inputs, back.sum(axis=0), error.T @ hidden, error.sum(axis=0)]
        for number, slope in enumerate(slopes):
            momentum[number] += 0.1 * (slope - momentum[number])
            square[number] += 0.001 * (slope**2 - square[number])
            sized = np.sqrt(square[number] / (1 - 0.999**step)) + 1e-8
            moved = momentum[number] / (1 - 0.9**step) / sized
            weights[number] -= np.float32(_RATE * (1 - step / steps)) * moved
    first = weights[0] / spread
    return presence_weights.Weights(first, weights[1] - first @ mean, weights[2], weights[3])


def written(weights: presence_weights.Weights) -> str:
    """The module of these weights."""
    parts = [_TOP]
    for name, weight in weights._asdict().items():
        rows = np.atleast_2d(weight)
        parts.append(f"_{name.upper()} = (\n")
        for row in rows:
            numbers = [f"{number:.3f}" for number in row]
            lines = [", ".join(numbers[at : at + 10]) for at in range(0, len(numbers), 10)]
            parts.append("    (" + ",\n     ".join(lines) + ",),\n")
        parts.append(")\n")
    parts.append(_END)
    return "".join(parts)


_TOP = '''"""What the network of `presence` has learned; made by `benchmarks/turns/training.py`."""
# fmt: off

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Weights(NamedTuple):
    """A network with one hidden layer, of shapes (units, features), (units,), (2, units), (2,)."""

    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    output: NDArray[np.float32]
    output_bias: NDArray[np.float32]


'''
_END = """

WEIGHTS = Weights(
    np.array(_HIDDEN, np.float32),
    np.array(_HIDDEN_BIAS[0], np.float32),
    np.array(_OUTPUT, np.float32),
    np.array(_OUTPUT_BIAS[0], np.float32),
)
"""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.turns.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recordings", type=Path, required=True, help="speech: speaker-….flac")
    parser.add_argument("--music", type=Path, help="recorded music; synthetic when left out")
    parser.add_argument("--seeds", type=int, default=COUNT, help="conversations of each condition")
    cache = Path.home() / ".cache" / "fastrtc-core-benchmarks" / "turns"
    parser.add_argument("--cache", type=Path, default=cache, help="where recordings are kept")
    options = parser.parse_args()

    material = gather(options.recordings, options.cache, options.music)
    weights = learned(*examples(material, range(FIRST, FIRST + options.seeds)))
    Path(str(presence_weights.__file__)).write_text(written(weights))


if __name__ == "__main__":
    main()
