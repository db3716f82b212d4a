"""`FileSource`: audio files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError, SourceError
from ..frames import FRAME_DURATION
from .block import Block
from .decoding import AudioFile
from .paced import PacedSource, check_format
from .playlist import Files, Playlist, list_files


class FileSource(PacedSource):
    """Plays files of any kind that FFmpeg reads.

    `FileSource("talk.mp3")` has the channels of the file. `FileSource(["1.wav", "2.wav"])` and
    `FileSource("folder")` join files without a gap. `FileSource(channels=["left.wav", "right/"])`
    has one channel for each entry, which may be several files or a folder as well; what has ended
    before the longest is silent.

    The files are opened when the source is started, and decoded while it runs.

    Args:
        files: A file, a folder, or a list of these, to be played one after the other.
        channels: In place of `files`: the same for each channel. Files with more are mixed.
        sample_rate: Rate of the blocks in Hz; that of the first file by default.
        num_channels: Number of channels, with `files`; that of the first by default.
        real_time: Whether each block comes when it is due; else as fast as they are taken.
        loop: Whether to begin again at the end, without a gap, until it is stopped.
        block_duration: Length of a block in s.

    Raises:
        ConfigurationError: If an argument makes no sense.
        SourceError: If there is no such file or folder; the text names it.
    """

    def __init__(
        self,
        files: Files | None = None,
        *,
        channels: Sequence[Files] | None = None,
        sample_rate: int | None = None,
        num_channels: int | None = None,
        real_time: bool = True,
        loop: bool = False,
        block_duration: float = FRAME_DURATION,
    ) -> None:
        super().__init__(real_time, block_duration)
        if (files is None) == (channels is None):
            raise ConfigurationError("give either files or channels")
        if channels is not None and num_channels is not None:
            raise ConfigurationError("channels= says how many there are: leave num_channels out")
        check_format(sample_rate or 48000, num_channels or 1)
        self.loop = loop
        self._apart = channels is not None
        self._parts = [list_files(one) for one in ([files or []] if channels is None else channels)]
        if not self._parts:
            raise ConfigurationError("channels is empty: there is nothing to play")
        self._sample_rate = sample_rate
        self._num_channels = num_channels

    @property
    def files(self) -> list[list[Path]]:
        """The files in the order of playing; one list for each entry of `channels`, or one."""
        return [list(part) for part in self._parts]

    @property
    def duration(self) -> float | None:
        """Length in s, as far as the files say so; `None` if one does not, or it loops."""
        if self.loop:
            return None
        lengths = [[_duration(path) for path in part] for part in self._parts]
        if any(length is None for part in lengths for length in part):
            return None
        return max(sum(length or 0.0 for length in part) for part in lengths)

    def _run(self) -> None:
        with AudioFile(self._parts[0][0]) as first:
            rate = self._sample_rate or first.sample_rate
            width = 1 if self._apart else self._num_channels or first.num_channels
        size = self._block_size(rate)
        wait_for = self._clock(rate)
        joined = _Joined(self._parts, rate, width, self.loop)
        pts = 0
        try:
            while wait_for(pts) and (data := joined.read(size)).shape[1]:
                self._emit(Block(data, rate, pts))
                pts += data.shape[1]
        finally:
            joined.close()


class _Joined:
    """The playlists of all parts side by side, again and again where it loops."""

    def __init__(self, parts: Sequence[Sequence[Path]], rate: int, width: int, loop: bool) -> None:
        self._parts = parts
        self._rate = rate
        self._width = width
        self._loop = loop
        self._begin()

    def read(self, count: int) -> NDArray[np.int16]:
        """The next samples; fewer than `count`, or none, at the end."""
        data = self._read(count)
        while self._loop and data.shape[1] < count:
            if not self._read_any:
                raise SourceError(f"there is no sample in {self._parts[0][0]}")
            self.close()
            self._begin()
            data = np.concatenate([data, self._read(count - data.shape[1])], axis=1)
        return data

    def close(self) -> None:
        """Close what is open."""
        for playlist in self._playlists:
            playlist.close()

    def _begin(self) -> None:
        self._playlists = [Playlist(part, self._rate, self._width) for part in self._parts]
        self._read_any = False

    def _read(self, count: int) -> NDArray[np.int16]:
        rows = [playlist.read(count) for playlist in self._playlists]
        longest = max(row.shape[1] for row in rows)
        self._read_any = self._read_any or longest > 0
        return np.concatenate([np.pad(row, ((0, 0), (0, longest - row.shape[1]))) for row in rows])


def _duration(path: Path) -> float | None:
    try:
        with AudioFile(path) as file:
            return file.duration
    except SourceError:
        return None
