"""Audio in the form that recognisers want."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastrtc_core.toolkit import Resampler, to_audio_frame, to_float32, with_channels

from .types import Audio


def mono(audio: Audio, sample_rate: int) -> NDArray[np.int16]:
    """All of an utterance as int16 of shape `(samples,)` at a rate.

    Raises:
        InvalidFrameError: If it is no audio.
    """
    frame = to_audio_frame(audio)
    data = with_channels(frame.data, 1)
    if frame.sample_rate != sample_rate and data.shape[1]:
        resampler = Resampler(frame.sample_rate, sample_rate, 1)
        data = np.concatenate([resampler.push(data), resampler.flush()], axis=1)
    samples: NDArray[np.int16] = data[0]
    return samples


def mono_float(audio: Audio, sample_rate: int) -> NDArray[np.float32]:
    """The same as float32 in [-1, 1)."""
    return to_float32(mono(audio, sample_rate))
