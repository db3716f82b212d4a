"""What a caller hears: when there is sound, and which words."""

from __future__ import annotations

import asyncio
import bisect
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.testing import InProcessPeer

from .tones import HeardWord, ToneSpeech

LOUD = 600
"""Peak of samples, int16, from which there is a sound; it is as high as it is deep."""

PAUSE = 0.1
"""Silence in s that ends a sound: what is shorter lies between words, or was lost."""


@dataclass
class Sound:
    """From the first loud frame to the last.

    Attributes:
        start: In s since the call began.
        end: The same.
    """

    start: float
    end: float


class Ears:
    """Follows what arrives at a caller.

    Args:
        peer: The caller's end of the session.
        began: When the call began, in loop time.
    """

    def __init__(self, peer: InProcessPeer, began: float) -> None:
        self.sounds: list[Sound] = []
        self._peer = peer
        self._began = began
        self._looked = 0
        self._cut = float("-inf")
        self._known: tuple[int, list[HeardWord]] = (0, [])
        """The words in so many frames, to which nothing is added."""
        self._read: tuple[int, list[HeardWord]] = (0, [])
        """Those in so many."""

    @property
    def now(self) -> float:
        """Time in s since the call began."""
        return asyncio.get_running_loop().time() - self._began

    def cut(self, at: float) -> None:
        """What arrives from then on is another sound."""
        self.listen()
        self._cut = at

    def listen(self) -> None:
        """Take note of what has arrived since the last call."""
        heard = self._peer.heard
        for at, timed in heard[self._looked :]:
            if int(timed.data.max(initial=0)) < LOUD:
                continue
            start = at - self._began
            end = start + timed.data.shape[1] / timed.sample_rate
            last = self.sounds[-1] if self.sounds else None
            if last is None or start - last.end >= PAUSE or last.start < self._cut <= start:
                self.sounds.append(Sound(start, end))
            else:
                last.end = end
        self._looked = len(heard)

    @property
    def quiet_for(self) -> float:
        """How long in s it has been quiet; since the call began, where nothing was heard."""
        return max(0.0, self.now - self.sounds[-1].end) if self.sounds else self.now

    def recording(self, start: float = 0.0, end: float = float("inf")) -> AudioFrame:
        """What was heard from one time to another, in s; holes are silence."""
        times = [at - self._began for at, _ in self._peer.heard]
        return self._joined(bisect.bisect_left(times, start), bisect.bisect_left(times, end))

    def words(self, speech: ToneSpeech) -> list[HeardWord]:
        """Every word that was heard, in s since the call began."""
        heard = self._peer.heard
        if self._read[0] == len(heard):
            return self._read[1]
        begin = heard[self._known[0]][0]
        found = speech.read(self._joined(self._known[0], len(heard)))
        begin -= self._began
        words = [
            *self._known[1],
            *(HeardWord(word.text, begin + word.start, begin + word.end) for word in found),
        ]
        self._read = len(heard), words
        self.listen()
        if self.quiet_for >= PAUSE:
            self._known = self._read  # none of it goes on
        return words

    def _joined(self, first: int, last: int) -> AudioFrame:
        """The frames from one to another, with silence in the holes."""
        parts: list[NDArray[Any]] = []
        rate, after = 48000, None
        for _, timed in self._peer.heard[first:last]:
            rate = timed.sample_rate
            if after is not None and timed.timestamp > after:
                parts.append(np.zeros((timed.data.shape[0], timed.timestamp - after), np.int16))
            parts.append(timed.data)
            after = timed.timestamp + timed.data.shape[1]
        nothing = np.zeros((1, 0), np.int16)
        return AudioFrame(rate, np.concatenate(parts, axis=1) if parts else nothing)
