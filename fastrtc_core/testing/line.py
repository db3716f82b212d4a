"""A line between a client and its session that loses and delays packets: Opus in RTP, no sockets.

Encoder, jitter buffer and decoder are those of the WebRTC transport; what stands between them here
is chance instead of a network, and the same chance for the same seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ..errors import ConfigurationError
from ..frames import AudioFrame
from ..media.framer import Framer
from ..media.libopus import is_digital_silence
from ..media.rtp import RtpPacket
from ..tracks import RemoteAudioTrack, TimedAudioFrame
from ..webrtc.audio_encoder import AudioTrackEncoder
from ..webrtc.incoming import IncomingAudio
from ..webrtc.options import AudioOptions

PACKET = 0.02
"""Length in s of what a packet holds."""

PAYLOAD_TYPE = 111
"""As browsers number Opus; nobody looks at it here."""

COMPLEXITY = 0
"""Of the encoders: the default takes half as long again, and tests measure turns, not music."""


@dataclass(frozen=True)
class Line:
    """What becomes of the packets between a client and its session, in both directions alike.

    Attributes:
        loss: Share of the packets that is lost, from 0 to less than 1.
        burst: How many packets in a row are lost at a time, in the mean; more where more than half
            of all are lost.
        delay: How long in s each packet is under way at least.
        jitter: How much longer in s it may take; packets may overtake each other.
        seed: The same seed, the same losses and delays.

    Raises:
        ConfigurationError: If a value is out of range.
    """

    loss: float = 0.0
    burst: float = 1.0
    delay: float = 0.02
    jitter: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.loss < 1:
            raise ConfigurationError("the loss of a line must be at least 0 and less than 1")
        if self.burst < 1 or self.delay < 0 or self.jitter < 0:
            raise ConfigurationError("burst must be at least 1, delay and jitter at least 0")


class Way:
    """One direction of a line: frames in, and out again what arrives of them.

    Args:
        line: What becomes of the packets.
        number: Of the direction, so that each has chances of its own.
        track: Where the frames arrive.
    """

    def __init__(self, line: Line, number: int, track: RemoteAudioTrack) -> None:
        self._line = line
        self._number = number
        self._random = Random(line.seed * 2 + number)
        self._encoder: AudioTrackEncoder | None = None
        self._incoming = IncomingAudio(track)
        self._loop = asyncio.get_running_loop()
        self._sequence = 0
        self._losing = False
        self._silence: bytes | None = None
        """What the encoder makes of silence, while nothing else was sent."""

    def send(self, timed: TimedAudioFrame) -> None:
        """Send a frame of 20 ms; all have the rate of the first one."""
        payload, timestamp = self._encode(timed)
        packet = RtpPacket(
            PAYLOAD_TYPE, self._sequence & 0xFFFF, timestamp & 0xFFFFFFFF, self._number, payload
        )
        self._sequence += 1
        if self._is_lost():
            return
        delay = self._line.delay + self._line.jitter * self._random.random()
        self._loop.call_later(delay, self._incoming.take, packet)

    def close(self) -> None:
        """What is under way does not arrive."""
        self._incoming.close()

    def _encode(self, timed: TimedAudioFrame) -> tuple[bytes, int]:
        silent = not timed.data.any()
        if silent and self._silence is not None:
            # Silence after silence is the same packet, and encoding it takes as long as a voice.
            return self._silence, timed.timestamp * 48000 // timed.sample_rate
        if self._encoder is None:
            options = AudioOptions(complexity=COMPLEXITY)
            self._encoder = AudioTrackEncoder(timed.sample_rate, timed.data.shape[0], options)
        encoded = self._encoder.encode(timed)
        known = silent and is_digital_silence(encoded.payload)
        self._silence = encoded.payload if known else None
        return encoded.payload, encoded.timestamp

    def _is_lost(self) -> bool:
        loss = self._line.loss
        if not loss:
            return False
        # One packet gets through at least between two bursts: shorter ones would lose less.
        burst = max(self._line.burst, loss / (1 - loss))
        chance = 1 - 1 / burst if self._losing else loss / (burst * (1 - loss))
        self._losing = self._random.random() < chance
        return self._losing


class Uplink:
    """What a client sends over a line: frames of any length and rate, in packets of 20 ms.

    They leave in real time, as those of a client do, however much is pushed at once.

    Args:
        way: The way to the session.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        self._clock = PlayingClock()
        self._framer: Framer | None = None

    def push(self, frame: AudioFrame) -> None:
        """Send a frame; what fills no packet waits for the next one, or for `flush`."""
        rate = frame.sample_rate
        if self._framer is None:
            self._framer = Framer(rate, frame.num_channels, rate // 50)
        self._send(self._framer.push(frame))

    def flush(self) -> None:
        """Send what fills no packet, with silence behind it."""
        if self._framer is not None:
            self._send(self._framer.flush())

    def _send(self, frames: list[AudioFrame]) -> None:
        loop = asyncio.get_running_loop()
        for frame in frames:
            timed = self._clock.stamp(frame)
            ahead = timed.timestamp / timed.sample_rate - self._clock.now
            if ahead > PACKET:
                loop.call_later(ahead, self._way.send, timed)
            else:
                self._way.send(timed)


class Arriving(RemoteAudioTrack):
    """What arrives at a client, which plays it as it comes.

    Args:
        sample_rate: In Hz.
        num_channels: 1 or 2.
        hear: Called with each frame; its timestamp says where it is played.
    """

    def __init__(
        self, sample_rate: int, num_channels: int, hear: Callable[[TimedAudioFrame], None]
    ) -> None:
        super().__init__(sample_rate, num_channels)
        self._hear = hear
        self._clock = PlayingClock()

    def push(self, frame: AudioFrame) -> None:
        """Play a frame."""
        self._hear(self._clock.stamp(frame))


class PlayingClock:
    """Stamps frames that come in real time, in samples from now on.

    Each follows the one before, unless there is a hole between the two.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._end = 0

    @property
    def now(self) -> float:
        """Time in s since it began."""
        return self._loop.time() - self._began

    def stamp(self, frame: AudioFrame) -> TimedAudioFrame:
        """The frame with its place."""
        now = round(self.now * frame.sample_rate)
        # What comes a little late was not sent later.
        resumed = now > self._end + frame.sample_rate // 50
        start = now if resumed else self._end
        self._end = start + frame.samples_per_channel
        return TimedAudioFrame(frame.sample_rate, frame.data, start, resumed)
