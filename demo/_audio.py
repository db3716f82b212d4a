"""Audio files: any that FFmpeg reads come in, WAV goes out."""

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from fastrtc_core import AudioFrame


def read_audio(path: Path, rate: int) -> AudioFrame:
    """A file, as one channel of this rate in Hz."""
    try:
        with av.open(path) as file:
            return _convert(file.decode(audio=0), rate)
    except (OSError, ValueError, IndexError) as error:
        raise SystemExit(f"{path} is no audio file that can be read: {error}") from None


def at_rate(audio: AudioFrame, rate: int) -> AudioFrame:
    """The same, as one channel of this rate in Hz."""
    layout = {1: "mono", 2: "stereo"}[audio.num_channels]
    frame = av.AudioFrame.from_ndarray(audio.data, "s16p", layout)
    frame.sample_rate = audio.sample_rate
    return _convert([frame], rate)


def write_wav(path: Path, audio: AudioFrame) -> None:
    """Write a file, and say so."""
    path.write_bytes(audio.to_wav_bytes())
    print(f"{path}: {audio.duration:.1f} s")


def _convert(frames: Iterable[av.AudioFrame], rate: int) -> AudioFrame:
    resampler = av.AudioResampler("s16p", "mono", rate)
    parts = [part for frame in frames for part in resampler.resample(frame)]
    parts += resampler.resample(None)
    return AudioFrame(rate, np.concatenate([part.to_ndarray() for part in parts], axis=1))
