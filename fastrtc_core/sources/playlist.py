"""Files one after the other, joined without a gap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError, SourceError
from ..media.samples import SampleBuffer
from .decoding import AudioFile
from .rates import PieceConverter, fit_channels

AUDIO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("aac", "ac3", "aif", "aiff", "amr", "au", "caf", "flac", "m4a", "mka", "mkv", "mov"),
        *("mp2", "mp3", "mp4", "oga", "ogg", "opus", "ts", "wav", "weba", "webm", "wma", "wv"),
    )
)
"""Which files of a folder are played."""

Files = str | PathLike[str] | Sequence[str | PathLike[str]]
"""A file, a folder whose audio files are played by name, or a list of these."""


def list_files(files: Files) -> list[Path]:
    """The files that are meant, in order.

    Raises:
        SourceError: If one is not there, or a folder has no audio; the text names it.
    """
    if isinstance(files, str | PathLike):
        files = [files]
    found: list[Path] = []
    for path in map(Path, files):
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.suffix.lower() in AUDIO_SUFFIXES)
            if not inside:
                raise SourceError(f"there is no audio file in the folder {path}")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise SourceError(f"there is no file {path}")
    if not found:
        raise ConfigurationError("there is no file to play")
    return found


class Playlist:
    """Yields the samples of some files as one stream of one rate.

    Each file begins with the sample after the last of the one before, whatever their formats.

    Args:
        paths: The files.
        sample_rate: Rate of what is yielded, in Hz.
        num_channels: Its channels; see `fit_channels`.
    """

    def __init__(self, paths: Sequence[Path], sample_rate: int, num_channels: int) -> None:
        self._sample_rate = sample_rate
        self._num_channels = num_channels
        self._buffer = SampleBuffer(num_channels)
        self._pieces = self._decode(paths)

    def read(self, count: int) -> NDArray[np.int16]:
        """The next `count` samples, of shape `(channels, count)`; fewer, or none, at the end.

        Raises:
            SourceError: If a file cannot be read; the text names it.
        """
        while self._buffer.queued < count:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._buffer.push(piece)
        return self._buffer.take(count)

    def close(self) -> None:
        """Close the file that is open."""
        self._pieces.close()  # type: ignore[attr-defined] # a generator

    def _decode(self, paths: Sequence[Path]) -> Iterator[NDArray[np.int16]]:
        for path in paths:
            with AudioFile(path) as file:
                yield from self._convert(file)

    def _convert(self, file: AudioFile) -> Iterator[NDArray[np.int16]]:
        converter: PieceConverter | None = None
        rate = self._sample_rate
        for frame_rate, frame in file.samples():
            data = fit_channels(frame, self._num_channels)
            if frame_rate != rate:  # also in mid-file, as broadcasts do
                if converter is not None:
                    yield converter.finish()
                rate = frame_rate
                converter = (
                    None
                    if rate == self._sample_rate
                    else PieceConverter(rate, self._sample_rate, self._num_channels)
                )
            yield data if converter is None else converter.push(data)
        if converter is not None:
            yield converter.finish()
