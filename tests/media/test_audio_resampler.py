"""Frames of one rate as frames of another: exact in length and level."""

from __future__ import annotations

import numpy as np
import pytest

from fastrtc_core import AudioResampler, ConfigurationError, InvalidFrameError
from fastrtc_core.testing import fit_sine, tone
from fastrtc_core.testing.signals import frames_of

RATES = [8000, 16000, 24000, 44100, 48000]


@pytest.mark.parametrize("output_rate", RATES)
@pytest.mark.parametrize("input_rate", RATES)
def test_length_and_level_are_kept(input_rate: int, output_rate: int) -> None:
    """To the sample after `flush`, and within 0.1 dB, however it is cut, twice in a row."""
    resampler = AudioResampler(input_rate, output_rate, num_channels=2)
    for milliseconds in (10, 20, 100):
        spoken = tone(1000, 1.0, input_rate, 0.5, num_channels=2)
        frames = [
            out for part in frames_of(spoken, milliseconds) for out in resampler.push(part)
        ] + resampler.flush()
        assert {frame.sample_rate for frame in frames} == {output_rate}
        sound = np.concatenate([frame.data for frame in frames], axis=1)
        assert sound.shape == (2, output_rate)
        fit = fit_sine(sound[1, output_rate // 50 : -output_rate // 50], 1000, output_rate)
        assert abs(20 * np.log10(fit.amplitude / 16384)) < 0.1
        assert fit.snr > 60


def test_what_does_not_fit_is_refused() -> None:
    """Another rate, another layout, and rates that there are not."""
    resampler = AudioResampler(16000, 48000)
    for frame in (tone(500, 0.02, 8000), tone(500, 0.02, 16000, num_channels=2)):
        with pytest.raises(InvalidFrameError, match="takes 16000 Hz and 1 channel"):
            resampler.push(frame)
    with pytest.raises(ConfigurationError):
        AudioResampler(16000, 0)
    with pytest.raises(ConfigurationError):
        AudioResampler(16000, 48000, num_channels=6)
    assert resampler.flush() == []
