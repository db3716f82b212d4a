"""How well the detectors find speech by real voices over noise."""

from __future__ import annotations

import numpy as np
import pytest

from fastrtc_handlers.vad import VAD, EnergyVAD, SileroVAD

from ..conversations import Noise, Voices, conversation
from .accuracy import Figures, measure

SEEDS = range(4)

STEADY: tuple[Noise, ...] = ("white", "pink", "hum")
EASIER = [pytest.param(noise, 20.0, marks=pytest.mark.soak) for noise in STEADY]


def figures_for(vad: VAD, voices: Voices, noise: Noise, snr: float) -> Figures:
    figures = measure(vad, (conversation(seed, voices, noise=noise, snr=snr) for seed in SEEDS))
    there, heard = figures.backchannels
    percentiles = {
        name: [f"{1000 * value:.0f}" for value in np.percentile(values, [50, 95])]
        for name, values in (
            ("onset", np.abs(figures.onsets)),
            ("decided", figures.decisions),
            ("end", np.abs(figures.ends)),
        )
    }
    print(
        f"{type(vad).__name__}, {noise} {snr:.0f} dB: {figures.found:.0%} of {figures.utterances} "
        f"utterances, {heard} of {there} backchannels in {figures.minutes:.1f} min; p50 and p95 in "
        f"ms {percentiles}; false starts {dict(figures.false_starts)}"
    )
    return figures


@pytest.mark.parametrize(
    ("noise", "snr"),
    [("none", 10.0), *((noise, 10.0) for noise in STEADY), *EASIER],
)
def test_silero_finds_speech(voices: Voices, noise: Noise, snr: float) -> None:
    """97 % and more, onsets within 150 ms, decided soon, ends in time, coughs and doors not."""
    figures = figures_for(SileroVAD(), voices, noise, snr)
    assert figures.found >= 0.97
    assert np.percentile(np.abs(figures.onsets), 95) < 0.15
    assert np.percentile(figures.decisions, 95) < 0.25
    assert np.percentile(np.abs(figures.ends), 95) < 0.3
    assert figures.false_starts.total() <= 1


def test_silero_finds_speech_in_a_crowd(voices: Voices) -> None:
    """Seven voices 20 dB below the speaker: each utterance is heard, and few of theirs."""
    figures = figures_for(SileroVAD(), voices, "babble", 20)
    assert figures.found >= 0.97
    assert np.percentile(np.abs(figures.onsets), 75) < 0.15
    assert figures.false_starts.total() <= 3


@pytest.mark.parametrize(("noise", "snr"), [*((noise, 15.0) for noise in STEADY), *EASIER])
def test_energy_finds_speech_over_steady_noise(voices: Voices, noise: Noise, snr: float) -> None:
    """The same at 15 dB and more; only what is loud, coughs and doors, is taken for speech too."""
    figures = figures_for(EnergyVAD(), voices, noise, snr)
    assert figures.found >= 0.97
    assert np.percentile(np.abs(figures.onsets), 95) < 0.15
    assert np.percentile(np.abs(figures.ends), 95) < 0.3
    assert set(figures.false_starts) <= {"cough", "door"}
