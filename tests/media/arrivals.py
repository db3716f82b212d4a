"""Packets as networks deliver them, and what a jitter buffer makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastrtc_core.media.jitter import DueFrame, JitterBuffer

FRAME = 960
RATE = 48000
SECOND = 50


class Packet(NamedTuple):
    """One packet and when it arrives; it was sent `number` frames after the first."""

    at: float
    number: int


class Run(NamedTuple):
    """What came out, each slot with the time at which it did."""

    buffer: JitterBuffer
    slots: list[tuple[float, DueFrame]]

    @property
    def payloads(self) -> list[int]:
        """The numbers of the packets that came out, -1 for each frame that was made up for."""
        return [
            -1 if slot.payload is None else int.from_bytes(slot.payload) for _, slot in self.slots
        ]


def receive(
    packets: list[Packet],
    until: float = 0.0,
    sequence: int = 1000,
    timestamp: int = 5000,
    sequences: dict[int, int] | None = None,
) -> Run:
    """Push every packet when it arrives, and pop whenever something is due.

    Args:
        packets: They need not be in order.
        until: When to stop, if that is after the last packet.
        sequence: Sequence number of packet 0.
        timestamp: Timestamp of packet 0.
        sequences: What is added to `sequence` for each packet; its number by default. A sender
            that leaves out frames does not leave out sequence numbers.
    """
    buffer = JitterBuffer(RATE)
    slots: list[tuple[float, DueFrame]] = []

    def pop_until(end: float) -> None:
        while (deadline := buffer.deadline) is not None and deadline < end:
            got = buffer.pop(deadline)
            slots.extend((deadline, slot) for slot in got)
            assert got or buffer.deadline is None or buffer.deadline > deadline, "it stands still"

    for at, number in sorted(packets):
        pop_until(at)
        step = number if sequences is None else sequences[number]
        buffer.push(
            7,
            (sequence + step) & 0xFFFF,
            (timestamp + number * FRAME) & 0xFFFFFFFF,
            FRAME,
            number.to_bytes(4),
            at,
        )
        slots.extend((at, slot) for slot in buffer.pop(at))
    pop_until(until)
    return Run(buffer, slots)


def on_time(count: int, delay: float = 0.0) -> list[Packet]:
    """So many packets over a network that delays all of them alike."""
    return [Packet(number * 0.02 + delay, number) for number in range(count)]


# Networks that were measured often enough to be imitated. Each is the same for the same seed.


def wifi(seconds: float, seed: int) -> list[Packet]:
    """A busy Wi-Fi: waits for the medium, packets kept while the radio sleeps, few losses.

    Every second on average the radio is away for 30 to 60 ms, and every ten seconds for 120 ms
    while it looks for other networks; what came meanwhile is delivered in one go.
    """
    random = np.random.default_rng(seed)
    away: list[tuple[float, float]] = []
    time = 0.5
    while time < seconds:
        away.append((time, time + random.uniform(0.03, 0.06)))
        time += random.exponential(1.0) + 0.1
    away += [(start, start + 0.12) for start in np.arange(7.0, seconds, 10.0)]
    packets = []
    for number in range(round(seconds * SECOND)):
        if number > 2 and random.random() < 0.005:
            continue
        at = number * 0.02 + 0.004 + random.exponential(0.003)
        for start, end in away:
            if start <= at < end:
                at = end + random.uniform(0, 0.002)
        packets.append(Packet(float(at), number))
    return packets


def mobile(seconds: float, seed: int) -> list[Packet]:
    """A mobile network: a delay that wanders, retransmissions that reorder, handovers.

    A tenth of the packets is repeated by the radio, 8 ms later each time; every eight seconds
    nothing comes for 150 ms, and half of what was sent in that time is lost.
    """
    random = np.random.default_rng(seed)
    delay = 0.04
    packets = []
    for number in range(round(seconds * SECOND)):
        delay = float(np.clip(delay + random.normal(0, 0.001), 0.03, 0.06))
        sent = number * 0.02
        at = sent + delay + 0.008 * (random.geometric(0.9) - 1)
        since = sent % 8.0 - 4.0
        if 0 <= since < 0.15:
            if random.random() < 0.5:
                continue
            at = max(at, sent - since + 0.15 + delay)
        packets.append(Packet(float(at), number))
    return packets


def bursty(seconds: float, seed: int) -> list[Packet]:
    """A congested line: losses in bursts of four on average, 8 % in all, and waves of delay."""
    random = np.random.default_rng(seed)
    lost = False
    packets = []
    for number in range(round(seconds * SECOND)):
        lost = random.random() < (0.75 if lost else 0.25 * 0.08 / 0.92)
        wave = 0.015 * (1 + np.sin(2 * np.pi * number * 0.02 / 3))
        if number < 3 or not lost:
            packets.append(Packet(float(number * 0.02 + wave + random.exponential(0.002)), number))
    return packets


def shares_per_second(run: Run, seconds: int) -> Iterator[int]:
    """How many frames came out in each second."""
    times = np.array([at for at, _ in run.slots])
    for second in range(seconds):
        yield int(((times >= second) & (times < second + 1)).sum())
