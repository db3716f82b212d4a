"""What each member of a room hears: everybody but itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..frames import FRAME_DURATION, AudioFrame
from ..media.level import level_of
from ..media.limiter import Limiter
from ..tracks import Participant
from ..tracks.mixer_input import MixerInput
from .noise_gate import NoiseGate

SAMPLE_RATE = 48000
"""Of all mixes, in Hz; they are mono."""

FRAME_SIZE = round(FRAME_DURATION * SAMPLE_RATE)

SPEAKING = 0.01
"""Root mean square, of 1, from which somebody is taken to speak: -40 dB."""

HOLD = 0.5
"""For how long in s somebody must be louder than whoever speaks, to be the active speaker."""

_SMOOTH = 0.2
"""By which part a loudness follows the latest frame."""


class Mix(NamedTuple):
    """20 ms of what one or several members hear.

    Attributes:
        data: int16 samples of shape `(1, FRAME_SIZE)`, at `SAMPLE_RATE`.
        position: Its first sample, counted from the beginning of the room.
        shared: Whether all members hear it that say nothing: it is worth to encode it once.
    """

    data: NDArray[np.int16]
    position: int
    shared: bool


class RoomMixer:
    """Mixes the voices of a room, and finds who speaks.

    Nothing is done while nobody says anything, be it that silence comes in. It belongs to the event
    loop on which it is made.

    Args:
        active_speaker: Called with the uid of whoever speaks now, or `None`.
    """

    def __init__(self, active_speaker: Callable[[int | None], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._active_speaker = active_speaker
        self._speakers: dict[int, _Speaker] = {}
        self._listeners: dict[int, _Listener] = {}
        self._shared = Limiter()
        self._timer: asyncio.TimerHandle | None = None
        self._begun = self._loop.time()
        self._ticks = 0
        self._active: int | None = None
        self._louder = 0.0
        """For how long somebody has been louder than the active speaker."""

    @property
    def idle(self) -> bool:
        """Whether nothing is going on, so that it costs nothing."""
        return self._timer is None

    def add_speaker(self, uid: int, participant: Participant) -> None:
        """Mix in what somebody publishes as its microphone."""
        self._speakers[uid] = _Speaker(participant, self._wake)

    def add_listener(self, uid: int, sink: Callable[[Mix], None]) -> None:
        """Have somebody hear the others, 20 ms at a time; there are none while they are silent."""
        self._listeners[uid] = _Listener(sink, Limiter())

    def remove_listener(self, uid: int) -> None:
        """Somebody hears no longer; idempotent."""
        self._listeners.pop(uid, None)

    def remove(self, uid: int) -> None:
        """Somebody is gone; idempotent."""
        self.remove_listener(uid)
        speaker = self._speakers.pop(uid, None)
        if speaker is not None:
            speaker.close()
        if uid == self._active:
            self._activate(None)

    def close(self) -> None:
        """Mix no more."""
        for uid in tuple(self._speakers):
            self.remove(uid)
        self._listeners.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        if self._timer is None:
            now = self._loop.time()
            # The next tick on the raster of the room, so that its time goes on through silence.
            self._ticks = int((now - self._begun) / FRAME_DURATION) + 1
            self._arm()

    def _arm(self) -> None:
        due = self._begun + self._ticks * FRAME_DURATION
        self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        voices: dict[int, NDArray[np.int16]] = {}
        for uid, speaker in self._speakers.items():
            data = speaker.take()
            if data is not None:
                voices[uid] = data
        self._mix(voices)
        self._judge()
        self._ticks += 1
        if any(speaker.busy for speaker in self._speakers.values()):
            self._arm()
        elif self._active is not None:
            self._activate(None)

    def _mix(self, voices: dict[int, NDArray[np.int16]]) -> None:
        if not voices:
            return
        position = self._ticks * FRAME_SIZE
        total: NDArray[np.int32] = np.sum([*voices.values()], axis=0, dtype=np.int32)
        shared: Mix | None = None
        for uid, listener in tuple(self._listeners.items()):
            own = voices.get(uid)
            if own is None:
                shared = shared or Mix(self._shared.push(total), position, True)
                listener.sink(shared)
            elif len(voices) > 1:
                listener.sink(Mix(listener.limiter.push(total - own), position, False))

    def _judge(self) -> None:
        """Find the active speaker: the loudest one, if it is for long enough."""
        loudness = {uid: speaker.loudness for uid, speaker in self._speakers.items()}
        loudest = max(loudness, key=lambda uid: loudness[uid], default=None)
        if loudest is None or loudness[loudest] < SPEAKING or loudest == self._active:
            self._louder = 0.0
            return
        self._louder += FRAME_DURATION
        active = loudness.get(self._active, 0.0) if self._active is not None else 0.0
        if self._louder >= HOLD or active < SPEAKING:
            self._activate(loudest)

    def _activate(self, uid: int | None) -> None:
        self._active, self._louder = uid, 0.0
        self._active_speaker(uid)


class _Speaker:
    """The voice of one member, and how loud it is; it reads the track of the microphone."""

    def __init__(self, participant: Participant, wake: Callable[[], None]) -> None:
        self.loudness = 0.0
        self._publication = participant.publication("microphone")
        self._gate = NoiseGate()
        self._input = MixerInput(SAMPLE_RATE, 1, wake)
        self._publication._attach(self)

    @property
    def busy(self) -> bool:
        """Whether something waits, or is still to fade away."""
        return self._input.busy or self.loudness > SPEAKING / 10

    def take(self) -> NDArray[np.int16] | None:
        """The next 20 ms; `None` if it says nothing."""
        data = self._input.take()
        level = 0.0 if data is None else level_of(AudioFrame(SAMPLE_RATE, data))
        self.loudness += _SMOOTH * (level - self.loudness)
        return data

    def close(self) -> None:
        """Listen no more."""
        self._publication._detach(self)

    # The side of the track

    def _push(self, frame: AudioFrame) -> None:
        for heard in self._gate.push(frame):
            self._input._push(heard)

    def _end(self) -> None:
        self._input._end()


class _Listener(NamedTuple):
    """Where one member hears, and the limiter of what it alone hears."""

    sink: Callable[[Mix], None]
    limiter: Limiter
