"""Where the output of a run goes: a file, or a function."""

from __future__ import annotations

import wave
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.audio.stream import AudioStream as EncodedStream

from ..errors import ConfigurationError
from ..frames import AudioFrame
from ..session.calls import UserCall

Sink = str | PathLike[str] | Callable[[AudioFrame], Any] | None
"""A file to write, its format by its suffix; or a sync or async function that takes frames."""

MAX_SILENCE = 1.0
"""Longest frame in s of the silence between two outputs."""


class Output(Protocol):
    """Takes frames, one after the other."""

    async def write(self, frame: AudioFrame) -> None:
        """Take a frame."""

    def close(self) -> None:
        """Take no more."""


def open_sink(sink: Sink, sample_rate: int, num_channels: int) -> Output:
    """Open what a run writes to.

    Raises:
        ConfigurationError: If the file cannot be written; the text names it.
    """
    if sink is None:
        return Nowhere()
    if callable(sink):
        return FunctionOutput(sink)
    path = Path(fspath(sink))
    try:
        if path.suffix.lower() == ".wav":
            return WavOutput(path, sample_rate, num_channels)
        return EncodedOutput(path, sample_rate, num_channels)
    except (OSError, ValueError, av.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{path} cannot be written: {reason}") from None


class Nowhere:
    """Takes frames and forgets them."""

    async def write(self, frame: AudioFrame) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class FunctionOutput:
    """Calls a function of the application: on a thread of its own, unless it is async."""

    def __init__(self, function: Callable[[AudioFrame], Any]) -> None:
        self._call = UserCall(function, "sink")

    async def write(self, frame: AudioFrame) -> None:
        """Call it, and wait until it returns."""
        await self._call(frame)

    def close(self) -> None:
        """End the thread."""
        self._call.close()


class WavOutput:
    """Writes 16-bit PCM, which keeps every sample."""

    def __init__(self, path: Path, sample_rate: int, num_channels: int) -> None:
        self._raw = path.open("wb")
        self._file = wave.open(self._raw, "wb")  # noqa: SIM115 - closed by `close`
        self._file.setnchannels(num_channels)
        self._file.setsampwidth(2)
        self._file.setframerate(sample_rate)

    async def write(self, frame: AudioFrame) -> None:
        """Append a frame. It takes microseconds, and the event loop is that of the run alone."""
        self._file.writeframesraw(np.ascontiguousarray(frame.data.T).astype("<i2").tobytes())

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
        self._raw.close()


class EncodedOutput:
    """Writes whatever FFmpeg makes of the suffix: FLAC, MP3, Ogg, M4A, …"""

    def __init__(self, path: Path, sample_rate: int, num_channels: int) -> None:
        self._container = av.open(str(path), "w")
        codec = self._container.default_audio_codec
        if path.suffix.lower() in (".ogg", ".opus"):
            codec = "libopus"
        layout = "mono" if num_channels == 1 else "stereo"
        stream = self._container.add_stream(codec, rate=sample_rate, layout=layout)
        assert isinstance(stream, EncodedStream)
        self._stream = stream
        self._layout = layout
        self._pts = 0

    async def write(self, frame: AudioFrame) -> None:
        """Encode a frame and append it."""
        encoded = av.AudioFrame.from_ndarray(frame.data, "s16p", self._layout)
        encoded.sample_rate = frame.sample_rate
        encoded.pts = self._pts
        self._pts += frame.samples_per_channel
        self._container.mux(self._stream.encode(encoded))

    def close(self) -> None:
        """Finish the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


class GapFiller:
    """Writes frames where they belong in time, and silence between them.

    Args:
        output: Where to.
        sample_rate: Of the frames in Hz.
        num_channels: Of the frames.
    """

    def __init__(self, output: Output, sample_rate: int, num_channels: int) -> None:
        self._output = output
        self._rate = sample_rate
        self._channels = num_channels
        self.written = 0
        """Samples per channel, silence included."""

    async def write(self, timestamp: int, frame: AudioFrame) -> None:
        """Write a frame whose first sample has this index."""
        while (missing := timestamp - self.written) > 0:
            size = min(missing, round(MAX_SILENCE * self._rate))
            await self._write(AudioFrame(self._rate, np.zeros((self._channels, size), np.int16)))
        await self._write(frame)

    async def _write(self, frame: AudioFrame) -> None:
        await self._output.write(frame)
        self.written += frame.samples_per_channel
