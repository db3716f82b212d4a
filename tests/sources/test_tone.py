"""`ToneSource` makes the sines that it was asked for, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from fastrtc_core import ConfigurationError
from fastrtc_core.sources import ToneSource
from fastrtc_core.testing import tone

from .files import collect, joined


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
def test_blocks_join_to_a_sine(rate: int) -> None:
    """The phase goes on from block to block, also where 20 ms are no whole number of samples."""
    source = ToneSource(440, sample_rate=rate, duration=0.5, real_time=False)
    data = joined(collect(source))
    assert data.shape == (1, rate // 2)
    expected = tone(440, 0.5, rate).data.astype(int)
    assert np.abs(data - expected).max() <= 1
    assert source.duration == 0.5


def test_each_channel_has_its_own() -> None:
    """Frequencies and levels by channel."""
    source = ToneSource(
        [400, 800, 1200, 1600], level=[0.1, 0.2, 0.3, 0.4], duration=0.1, real_time=False
    )
    data = joined(collect(source))
    for row, frequency, level in zip(
        data, (400, 800, 1200, 1600), (0.1, 0.2, 0.3, 0.4), strict=True
    ):
        assert np.abs(row - tone(frequency, 0.1, level=level).data[0].astype(int)).max() <= 1


@pytest.mark.parametrize(
    "arguments",
    [{"frequency": 30000}, {"sample_rate": 0}, {"num_channels": 0}, {"block_duration": 0}],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, float]) -> None:
    """With an error at once."""
    with pytest.raises(ConfigurationError):
        ToneSource(**arguments)  # type: ignore[arg-type]
