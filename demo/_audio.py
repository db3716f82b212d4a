"""Audio files: any that FFmpeg reads come in, WAV goes out."""

import tempfile
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


def write_wav(path: Path | None, audio: AudioFrame) -> None:
    """Write a file, a temporary one if none is named, and say where it is."""
    if path is None:
        with tempfile.NamedTemporaryFile(prefix="heard-", suffix=".wav", delete=False) as file:
            path = Path(file.name)
    path.write_bytes(audio.to_wav_bytes())
    print(f"Wrote what was heard ({audio.duration:.1f} s) to {path}")


def _convert(frames: Iterable[av.AudioFrame], rate: int) -> AudioFrame:
    resampler = av.AudioResampler("s16p", "mono", rate)
    parts = [part for frame in frames for part in resampler.resample(frame)]
    parts += resampler.resample(None)
    return AudioFrame(rate, np.concatenate([part.to_ndarray() for part in parts], axis=1))
