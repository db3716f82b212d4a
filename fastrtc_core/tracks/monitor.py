"""What a handler hears together with what was played meanwhile: the reference of its own voice."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..frames import AudioFrame, with_channels
from ..media.converter import Converter
from ..media.played import Played
from .audio_stream import AudioStream
from .local import LocalAudioTrack
from .remote import RemoteAudioTrack


class MonitoredFrame(AudioFrame):
    """A frame that knows what was played while it was recorded."""

    _played: NDArray[np.int16]

    @classmethod
    def of(cls, frame: AudioFrame, played: NDArray[np.int16]) -> MonitoredFrame:
        """The frame, with what was played: mono samples of shape `(1, samples)`, its own rate."""
        monitored = cls(*frame)
        monitored._played = played
        return monitored

    @property
    def played(self) -> NDArray[np.int16]:
        """What was played: int16 of shape `(1, samples)`."""
        return self._played


class Monitor:
    """Listens to what leaves for the client.

    Args:
        sample_rate: Of what the handler hears, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._converter = Converter(sample_rate, 1)
        self._played = Played(sample_rate)
        self._rate = self._sent_rate = sample_rate

    def attach(self, track: LocalAudioTrack) -> None:
        """Listen to a track from now on."""
        track._attach(self)

    def beside(self, frame: AudioFrame) -> MonitoredFrame:
        """The frame that has just come, with what was played while it was recorded."""
        now = asyncio.get_running_loop().time()
        played = self._played.receive(frame.samples_per_channel, now)
        return MonitoredFrame.of(frame, played[np.newaxis])

    # The side of the track

    def _push(self, frame: AudioFrame) -> None:
        mono = AudioFrame(frame.sample_rate, with_channels(frame.data, 1))
        data = self._converter.push(mono)
        self._played.send(data[0], asyncio.get_running_loop().time())
        self._sent_rate = frame.sample_rate

    def _take_back(self, count: int) -> None:
        self._played.take_back(count * self._rate // self._sent_rate)

    def _end(self) -> None:
        """Nothing more leaves."""


class MonitoredAudioStream(AudioStream):
    """An audio stream whose frames know what was played while they were recorded.

    Args:
        track: What is heard.
        monitor: Knows what is played.
        options: All else that `AudioStream` takes.
    """

    def __init__(self, track: RemoteAudioTrack, monitor: Monitor, **options: Any) -> None:
        self._monitor = monitor
        super().__init__(track, **options)

    def _push(self, frame: AudioFrame) -> None:
        for cut in self._framer.push(frame):
            self._put(self._monitor.beside(cut))
