"""The file of a recording; its methods block, and are called on a thread."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigurationError
from ...media.pictures import PictureConverter

_VIDEO_CLOCK = 90000


class FileFormat(NamedTuple):
    """How a kind of file is written.

    Attributes:
        container: FFmpeg's name of the container.
        audio: Of the codec of the sound.
        video: Of the codec of the pictures, where there can be some.
        options: Of the container.
    """

    container: str
    audio: str
    video: str | None = None
    options: dict[str, str] = {}  # noqa: RUF012 - read only


# In fragments of a second, so that what was written plays even if the process is killed.
_FRAGMENTS = {
    "movflags": "empty_moov+default_base_moof",
    "frag_duration": "1000000",
    "flush_packets": "1",
}

FORMATS = {
    ".wav": FileFormat("wav", "pcm_s16le"),
    ".flac": FileFormat("flac", "flac"),
    ".ogg": FileFormat("ogg", "libopus"),
    ".opus": FileFormat("ogg", "libopus"),
    ".mp4": FileFormat("mp4", "aac", "libx264", _FRAGMENTS),
    ".m4a": FileFormat("mp4", "aac", None, _FRAGMENTS),
    ".webm": FileFormat("webm", "libopus", "libvpx"),
}


def format_of(path: Path, *, video: bool) -> FileFormat:
    """The format that the name of a file asks for.

    Raises:
        ConfigurationError: If there is none, or it has no video.
    """
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        raise ConfigurationError(f"{path.name}: a recording ends in one of {', '.join(FORMATS)}")
    if video and format.video is None:
        able = ", ".join(suffix for suffix, one in FORMATS.items() if one.video)
        raise ConfigurationError(f"{path.name}: video is recorded into one of {able}")
    return format


class RecordingFile:
    """Writes sound and pictures.

    Args:
        path: The file; what is there is replaced.
        sample_rate: Of the sound, in Hz.
        num_channels: Of the sound, 1 or 2.
        video_size: Width and height of the pictures; without it there are none.

    Raises:
        OSError: If the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        num_channels: int,
        video_size: tuple[int, int] | None = None,
    ) -> None:
        format = format_of(path, video=video_size is not None)
        self._rate = sample_rate
        self._layout = "mono" if num_channels == 1 else "stereo"
        self._samples = 0
        self._last_picture = -1
        path.open("wb").close()  # FFmpeg would not name the file that cannot be written
        self._container = av.open(str(path), "w", format=format.container, options=format.options)
        audio: Any = self._container.add_stream(format.audio, rate=sample_rate)
        audio.codec_context.layout = self._layout
        self._audio = audio
        self._video: Any = None
        self._pictures = PictureConverter()
        if video_size is not None and format.video is not None:
            self._video = self._container.add_stream(format.video, rate=30)
            self._video.width, self._video.height = video_size
            self._video.pix_fmt = "yuv420p"
            self._video.codec_context.time_base = Fraction(1, _VIDEO_CLOCK)
            self._video.codec_context.gop_size = 60
        try:
            self._container.start_encoding()
        except BaseException:
            self._container.close()
            raise

    def write_sound(self, data: NDArray[np.int16]) -> None:
        """Append samples of shape `(channels, n)`."""
        packed = np.ascontiguousarray(data.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts = self._samples
        frame.time_base = Fraction(1, self._rate)
        self._samples += data.shape[1]
        self._container.mux(self._audio.encode(frame))

    def write_picture(self, frame: av.VideoFrame, time: float) -> None:
        """Add a picture at a time in s from the beginning."""
        pts = round(time * _VIDEO_CLOCK)
        if self._video is None or pts <= self._last_picture:
            return
        self._last_picture = pts
        scaled = self._pictures.scaled(frame, self._video.width, self._video.height)
        scaled.pts = pts
        scaled.time_base = Fraction(1, _VIDEO_CLOCK)
        self._container.mux(self._video.encode(scaled))

    def close(self) -> None:
        """Finish the file."""
        with contextlib.closing(self._container):
            for stream in (self._audio, self._video):
                if stream is not None:
                    self._container.mux(stream.encode(None))
