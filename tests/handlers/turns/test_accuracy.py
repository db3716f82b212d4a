"""The figures of turn-taking that are promised, on conversations made by espeak-ng."""

from __future__ import annotations

import numpy as np
import pytest

from fastrtc_handlers import TurnOptions

from ..conversations import Conversation, Noise, Voices, conversation
from .accuracy import measure_interruptions, measure_turns

SETTINGS: list[tuple[Noise, float]] = [("none", 20), ("white", 10), ("pink", 5), ("hum", 20)]


@pytest.fixture(scope="module")
def talks(voices: Voices) -> list[Conversation]:
    """Six persons in each of four rooms: 144 utterances, some with hesitations, and much else."""
    return [
        conversation(seed, voices, noise=noise, snr=snr)
        for noise, snr in SETTINGS
        for seed in range(100, 106)
    ]


@pytest.mark.soak
def test_turns(talks: list[Conversation]) -> None:
    """Answered once, after the silence, with all that was said; nothing else is."""
    result = measure_turns(talks, TurnOptions())
    assert result.utterances == 144
    assert result.missed + result.split <= 0.03 * result.utterances
    assert not result.false
    assert np.median(result.waits) <= 0.06
    # Where noise is 5 dB below the speech, pauses are waited for 0.2 s longer.
    assert np.percentile(result.waits, 95) <= 0.3
    assert max(result.cut) == 0


@pytest.mark.soak
def test_interruptions(talks: list[Conversation]) -> None:
    """The bot is silent at once; no cough, noise or "mhm" ends what it says."""
    result = measure_interruptions(talks, TurnOptions())
    assert max(result.silent_after) <= 0.25
    assert result.missed <= 0.03 * result.utterances
    assert result.others > 60
    assert len(result.false) + result.noise <= 0.02 * result.others
    assert max(result.paused) < 1.5, "and it goes on soon"
