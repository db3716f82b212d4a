"""Audio files of many kinds, made by FFmpeg."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from fastrtc_core.sources import Block, SourceInterface

LAYOUTS = {1: "mono", 2: "stereo", 4: "4.0", 8: "7.1"}


def write_audio(
    path: Path, data: NDArray[Any], rate: int, codec: str, sample_format: str = "s16"
) -> Path:
    """Write samples of shape `(channels, n)`; the container goes by the suffix."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=LAYOUTS[len(data)])
        assert isinstance(stream, AudioStream)
        if codec == "wavpack":  # its first choice has 8 bits
            stream.format = "s16p"
        resampler = av.AudioResampler(stream.format, stream.layout, rate)
        size = 1024
        for start in range(0, data.shape[1], size):
            piece = np.ascontiguousarray(data[:, start : start + size].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, sample_format, LAYOUTS[len(data)])
            frame.sample_rate = rate
            frame.pts = start
            for ready in resampler.resample(frame):
                container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    return path


def ramp(samples: int, channels: int = 1, start: int = 0) -> NDArray[np.int16]:
    """Samples that tell their index and channel: no two near each other are alike."""
    index = np.arange(start, start + samples)
    rows = [(index * 7 + channel * 1000) % 30000 - 15000 for channel in range(channels)]
    return np.array(rows, np.int16)


def collect(source: SourceInterface) -> list[Block]:
    """Every block of a source that ends by itself, and is in no hurry."""
    import threading

    blocks: list[Block] = []
    ended = threading.Event()
    source.set_callback(blocks.append)
    source.on_end = ended.set
    with source:
        assert ended.wait(20), "the source does not end"
    return blocks


def joined(blocks: list[Block]) -> NDArray[np.int16]:
    """The samples of blocks that follow on each other."""
    for before, after in itertools.pairwise(blocks):
        assert after.pts == before.end, (before.pts, before.end, after.pts)
    return np.concatenate([block.data for block in blocks], axis=1)
