"""A room with a loudspeaker, a microphone and somebody who speaks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.frames import to_int16
from fastrtc_core.testing.inprocess import InProcessPeer

RATE = 16000
FRAME = 320

Samples = NDArray[np.float64]


def response(seed: int, t60: float = 0.3) -> Samples:
    """How a room answers a click: the direct sound, and what fades within `t60` s."""
    random = np.random.default_rng(seed)
    time = np.arange(round(t60 * RATE)) / RATE
    tail = 0.3 * random.standard_normal(len(time)) * 10 ** (-3 * time / t60)
    tail[:20] = 0
    tail[0] = 1
    return np.asarray(tail / np.sqrt(np.sum(tail**2)))


def echo_of(
    played: Samples, *, level: float, delay: float, drift: float = 0.0, seed: int = 1
) -> Samples:
    """What of it reaches the microphone: distorted a little, `level` dB, `delay` s later."""
    size = 2 * len(played)
    spectrum = np.fft.rfft(played, size) * np.fft.rfft(response(seed), size)
    sound = np.tanh(2 * np.fft.irfft(spectrum, size)[: len(played)]) / 2
    at = np.arange(len(played)) * (1 - drift) - delay * RATE
    moved = np.interp(at, np.arange(len(played)), sound, left=0, right=0)
    return np.asarray(moved * 10 ** (level / 20))


def hiss(count: int, seed: int, level: float = -65.0) -> Samples:
    """Noise of a microphone, in dB of full scale."""
    random = np.random.default_rng(seed)
    return np.asarray(random.standard_normal(count) * 10 ** (level / 20))


@dataclass
class Room:
    """Plays what a session sends, and sends back what its microphone hears.

    Attributes:
        peer: The client's end of the session, which sends at 16 kHz.
        level: Of the echo in dB.
        delay: From when a frame leaves to when it is in a frame that comes, in s.
        voices: Who speaks, with the time in s at which they begin.
    """

    peer: InProcessPeer
    level: float = -10.0
    delay: float = 0.2
    voices: list[tuple[float, Samples]] = field(default_factory=list)
    heard: int = 0

    async def run(self, seconds: float) -> None:
        """Let time go by."""
        loop = asyncio.get_running_loop()
        count = round(seconds * RATE) + RATE * 2
        self.start = loop.time()
        self._echo = np.zeros(count)
        self._end = 0
        self._noise = hiss(count, 5)
        for at, voice in self.voices:
            begin = round(at * RATE)
            self._noise[begin : begin + len(voice)] += voice
        self._answer = response(1) * 10 ** (self.level / 20)
        for number in range(round(seconds / 0.02)):
            await asyncio.sleep(max(0.0, self.start + (number + 1) * 0.02 - loop.time()))
            self._play()
            cut = slice(number * FRAME, (number + 1) * FRAME)
            microphone = self._noise[cut] + self._echo[cut]
            self.peer.push(AudioFrame(RATE, to_int16(microphone[np.newaxis])))

    def _play(self) -> None:
        for when, frame in self.peer.heard[self.heard :]:
            # One after the other, as a client plays.
            begin = max(self._end, round((when - self.start + self.delay) * RATE))
            self._end = begin + frame.data.shape[1]
            sound = np.convolve(frame.data[0] / 32768, self._answer)
            if 0 <= begin < len(self._echo) - len(sound):
                self._echo[begin : begin + len(sound)] += sound
        self.heard = len(self.peer.heard)
