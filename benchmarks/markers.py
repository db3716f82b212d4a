"""What the load says, and how it knows it again in what comes back.

A run of 20 ms packets, encoded beforehand: quiet noise, and in every tenth packet a tone, the
marker. Its frequency says which one it is, so that a late marker is not taken for the next. Where
in a packet the tone begins is heard as well: a server that cuts frames anew, or an encoder that
looks ahead, delays the sound by less than a packet, and that counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fastrtc_core.media.libopus import OpusDecoder, OpusEncoder, OpusError

FRAME = 0.02
"""Length of a packet in s."""

MARKER_EVERY = 10
"""Packets from one marker to the next: 0.2 s."""

FREQUENCIES = tuple(500 + 125 * number for number in range(24))
"""Of the markers, in Hz; after 24 markers, or 4.8 s, they start again."""

PERIOD = FRAME * MARKER_EVERY * len(FREQUENCIES)
"""Longest latency in s that can be told from a shorter one."""

RATE = 48000
LISTENING_RATE = 8000
"""Rates in Hz at which markers are made, and heard."""

AMPLITUDE = 16000
THRESHOLD = 0.35 * AMPLITUDE
NOISE = 300
VOICE = 1000
"""Of the tone, of where it begins, of the noise and of the murmur (standard deviations)."""


@dataclass(frozen=True)
class Script:
    """The packets, to be sent over and over.

    Attributes:
        packets: Opus, 20 ms each; each of those at multiples of `MARKER_EVERY` holds a marker.
        onsets: For each marker, after how long in s its tone begins in the decoded packet; empty if
            there are no markers.
    """

    packets: list[bytes]
    onsets: list[float]

    def marker_in(self, packet: int) -> int | None:
        """Which marker a packet holds, if any."""
        number, rest = divmod(packet % len(self.packets), MARKER_EVERY)
        return None if rest or number >= len(self.onsets) else number


@dataclass(frozen=True)
class Heard:
    """A marker that came back.

    Attributes:
        marker: Which one.
        time: When its tone began, in s: the arrival of the packet, and the place in it.
    """

    marker: int
    time: float


class Listener:
    """Decodes the packets of one connection, and hears markers in them."""

    def __init__(self) -> None:
        self._decoder = OpusDecoder(LISTENING_RATE, 1)
        self._onset: float | None = None
        self._tone: list[NDArray[np.int16]] = []

    def hear(self, payload: bytes, arrival: float) -> Heard | None:
        """Take the payload of a packet; returns the marker that is complete with it."""
        try:
            sound = self._decoder.decode(payload)[0]
        except OpusError:
            return None
        if self._onset is None:
            loud = np.flatnonzero(np.abs(sound) > THRESHOLD)
            if len(loud):
                self._onset = arrival + int(loud[0]) / LISTENING_RATE
                self._tone = [sound[loud[0] :]]
            return None
        self._tone.append(sound)
        onset, self._onset = self._onset, None
        marker = _which(np.concatenate(self._tone))
        return None if marker is None else Heard(marker, onset)


def _which(sound: NDArray[np.int16]) -> int | None:
    """The marker whose tone the sound begins with; `None` if it is no clean tone."""
    tone = sound[: round(FRAME * LISTENING_RATE)] * np.hanning(round(FRAME * LISTENING_RATE))
    spectrum = np.abs(np.fft.rfft(tone, 1024)) ** 2
    peak = int(spectrum.argmax())
    around = spectrum[max(0, peak - 16) : peak + 17].sum()
    frequency = peak * LISTENING_RATE / 1024
    number = round((frequency - FREQUENCIES[0]) / (FREQUENCIES[1] - FREQUENCIES[0]))
    clean = bool(around > 0.8 * spectrum.sum())
    return number if clean and 0 <= number < len(FREQUENCIES) else None


@cache
def script() -> Script:
    """The script that every connection speaks, the same in every run."""
    random = np.random.default_rng(1)
    encoder = OpusEncoder(RATE, 1, bit_rate=48_000, application="audio", complexity=10)
    time = np.arange(round(FRAME * RATE)) / RATE
    packets: list[bytes] = []
    # Twice, so that the packets are those of an encoder that has been at it for a while.
    for _ in range(2):
        for frequency in FREQUENCIES:
            tone = AMPLITUDE * np.sin(2 * np.pi * frequency * time)
            for number in range(MARKER_EVERY):
                sound = random.normal(0, NOISE, len(time)) + (tone if number == 0 else 0)
                packets.append(encoder.encode(sound.astype(np.int16)[np.newaxis]))
    packets = packets[len(packets) // 2 :]
    return Script(packets, _onsets(packets))


@cache
def murmur() -> Script:
    """Noise as loud as a voice, without markers: what others say beside who speaks the script."""
    random = np.random.default_rng(2)
    encoder = OpusEncoder(RATE, 1, bit_rate=48_000, application="audio", complexity=10)
    sound = random.normal(0, VOICE, (200, 1, round(FRAME * RATE))).astype(np.int16)
    return Script([encoder.encode(frame) for frame in sound][100:], [])


SILENCE = Script([b"\xf8\xff\xfe"], [])
"""Digital silence: what a client may send, every 20 ms, while its microphone is muted."""

_CALM = "6807c979c8c957c0a21223fa599e539f0d9da79eecba38cab69fb8a0f360f340"
REST = Script([bytes.fromhex(_CALM), b"\x68", *[b""] * 19], [])
"""What Chromium sends while its microphone is muted, where the server has asked for pauses to be
left out (`usedtx`, RFC 7587 section 6.1): two packets each 420 ms. An empty one is not sent."""


def _onsets(packets: list[bytes]) -> list[float]:
    """Where each tone begins for a listener who gets the packets as they are."""
    listener = Listener()
    onsets: dict[int, float] = {}
    for number, payload in enumerate(packets + packets):
        # A packet arrives at 0, and the rest of its tone after it.
        arrival = 0.0 if number % MARKER_EVERY == 0 else number * FRAME
        heard = listener.hear(payload, arrival)
        if heard is not None:
            onsets[heard.marker] = heard.time
    return [onsets[marker] for marker in range(len(FREQUENCIES))]
