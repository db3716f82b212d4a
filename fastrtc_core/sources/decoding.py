"""Audio files of any kind, as int16 samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from ..errors import FastRTCError, SourceError
from .unpacking import Unpacker


_LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Titles in an unknown encoding are no reason to refuse a file. PyAV 19 never is that strict, and no
longer has the argument."""


class AudioFile:
    """One file that is open for reading.

    Args:
        path: The file.

    Raises:
        SourceError: If it cannot be opened, or holds no audio; the text names it.

    Attributes:
        sample_rate: In Hz.
        num_channels: Number of channels.
        duration: In s, as far as the file says so.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._container = _open(path)
        try:
            stream = self._container.streams.audio[0]
        except IndexError:
            self._container.close()
            raise SourceError(f"there is no audio in {path}") from None
        self._stream = stream
        self.sample_rate = int(stream.sample_rate)
        self.num_channels = int(stream.channels)
        if not self.sample_rate or not self.num_channels:
            self._container.close()
            raise SourceError(f"the audio in {path} cannot be read: its format is unknown")
        self.duration = self._duration()

    def samples(self) -> Iterator[tuple[int, NDArray[np.int16]]]:
        """Yields the rate and the samples of each decoded frame, of shape `(channels, n)`.

        Raises:
            SourceError: If the file is damaged beyond a packet.
        """
        packets = self._container.demux(self._stream)
        unpack = Unpacker()
        decoded = False
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.FFmpegError, OSError) as error:
                raise SourceError(f"{self.path} cannot be read on: {error}") from None
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue  # one damaged packet does not end a file
            for frame in frames:
                decoded = True
                yield frame.sample_rate, unpack(frame)
        if not decoded:
            raise SourceError(f"the audio in {self.path} cannot be decoded: it has no frame")

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _duration(self) -> float | None:
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None:
            return float(self._container.duration / av.time_base)
        return None


def _open(path: Path) -> InputContainer:
    if not path.exists():
        raise SourceError(f"there is no file {path}")
    try:
        return av.open(str(path), **_LENIENT)
    except FastRTCError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{path} cannot be opened as audio: {reason}") from None
