"""A sender of pictures before a narrow line, on a clock that nobody waits for.

Packets go through one queue, as long as the line allows, at a rate that changes as a test wants;
what is too much is lost. The other side is our own recorder of arrivals, and its feedback takes the
way back.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from fastrtc_core.media.line_estimate import LineEstimate
from fastrtc_core.media.picture_pacing import PicturePacer
from fastrtc_core.media.sent_packets import SentPackets
from fastrtc_core.media.transport_feedback import ArrivalRecorder

FPS = 30
PACKET = 1260
AUDIO = 160
"""Bytes of a packet of sound: 64 kb/s, fifty of them a second."""

FEEDBACK = 0.1
"""Time in s between two feedback packets, as libwebrtc has it."""


@dataclass
class Line:
    """What lies between.

    Attributes:
        rate: In bit/s, by the time in s.
        delay: Each way, in s.
        queue: How long in s a packet may wait.
        jitter: Further delay of each packet by the time, in s; none overtakes another.
        loss: The share of packets that is lost at random.
        other: What another flow sends through the same queue, in bit/s by the time.
    """

    rate: Callable[[float], float]
    delay: float = 0.02
    queue: float = 0.5
    jitter: Callable[[random.Random], float] = lambda _: 0.0
    loss: float = 0.0
    other: Callable[[float], float] = lambda _: 0.0


@dataclass
class Seen:
    """What happened.

    Attributes:
        estimates: The estimate in bit/s, ten times a second.
        sent: Bytes of pictures by the time at which they were sent.
        pictures: When each picture was whole.
        sound: When each packet of sound was sent, and what it waited in the queue, in s; for ever
            if it was lost.
        lost: Packets of pictures that were lost.
    """

    estimates: list[tuple[float, float]] = field(default_factory=list)
    sent: list[tuple[float, int]] = field(default_factory=list)
    pictures: list[float] = field(default_factory=list)
    sound: list[tuple[float, float]] = field(default_factory=list)
    lost: int = 0

    def estimate(self, begin: float, end: float) -> float:
        """Its mean in bit/s."""
        values = [value for time, value in self.estimates if begin <= time < end]
        return sum(values) / len(values)

    def rate(self, begin: float, end: float) -> float:
        """What pictures had, in bit/s."""
        return 8 * sum(size for time, size in self.sent if begin <= time < end) / (end - begin)

    def waited(self, share: float, begin: float = 0, end: float = 1e9) -> float:
        """What so large a share of the packets of sound waited at most, in s."""
        waits = sorted(wait for time, wait in self.sound if begin <= time < end)
        return waits[min(int(share * len(waits)), len(waits) - 1)]

    def fps(self, begin: float, end: float) -> float:
        """Pictures a second that came whole."""
        return sum(begin <= time < end for time in self.pictures) / (end - begin)


def send(
    line: Line,
    seconds: float,
    *,
    start: float = 1e6,
    high: float = 3e6,
    seed: int = 1,
    probes: bool = True,
    content: Callable[[float], float] = lambda _: 1e9,
    layer: Callable[[float, float], tuple[float, float]] | None = None,
) -> Seen:
    """Send pictures over a line, as `internals.flow` does it.

    Args:
        line: The line.
        seconds: For how long.
        start: The estimate to begin with.
        high: Its upper bound.
        seed: Of all that is random.
        probes: Whether there may be probes.
        content: What the pictures need at most, in bit/s by the time.
        layer: For pictures that are made elsewhere: told of the estimate and the time, what they
            take, and what would be sent if the line carried it, in bit/s.
    """
    chance = random.Random(seed)
    estimate = LineEstimate(start, 150_000, high)
    packets, pacer, recorder = SentPackets(), PicturePacer(), ArrivalRecorder()
    seen = Seen()
    events: list[tuple[float, int, Callable[[], None]]] = []
    ticket = count()
    now = free = last = wanted = 0.0

    def at(time: float, act: Callable[[], None]) -> None:
        heapq.heappush(events, (time, next(ticket), act))

    def through(size: int) -> float | None:
        """When a packet that is sent now arrives; `None` if it is lost."""
        nonlocal free, last
        begin = max(free, now)
        if begin - now > line.queue or chance.random() < line.loss:
            return None
        free = begin + 8 * size / line.rate(now)
        last = max(last, free + line.delay + line.jitter(chance))
        return last

    def transmit(size: int, probe: int = 0) -> float | None:
        number = packets.note(size, now, probe)
        seen.sent.append((now, size))
        arrival = through(size)
        if arrival is None:
            seen.lost += 1
        else:
            at(arrival, lambda: recorder.record(number, now))
        return arrival

    def picture(due: float) -> None:
        nonlocal wanted
        estimate.check(packets.silence(now), now)
        packets.forget_before(now - 3)
        later = due + (1 + int(max(0.0, now - due) * FPS)) / FPS
        if (wait := estimate.hold(packets.in_flight, now)) > 0.001:
            at(now + min(wait, 0.05), lambda: picture(due))
            return
        if layer is None:
            bit_rate = min(0.95 * estimate.bit_rate, content(now))
        else:
            bit_rate, wanted = layer(estimate.bit_rate, now)
        bits = bit_rate / FPS * chance.uniform(0.7, 1.3)
        size = int(bits / 8) + 60
        sizes = [PACKET] * (size // PACKET) + [max(100, size % PACKET)]
        pacer.begin(sum(sizes), estimate.bit_rate, estimate.strained(now), now)
        packet(sizes, 0.0, later)

    def packet(sizes: list[int], whole: float, later: float) -> None:
        if (wait := pacer.wait(sizes[0], now)) > 0.001:
            at(now + wait, lambda: leave(sizes, whole, later))
        else:
            leave(sizes, whole, later)

    def leave(sizes: list[int], whole: float, later: float) -> None:
        arrival = transmit(sizes[0])
        whole = max(whole, float("inf") if arrival is None else arrival)
        if sizes[1:]:
            packet(sizes[1:], whole, later)
            return
        if whole < float("inf"):
            seen.pictures.append(whole)
        end = now
        if probes and (probe := estimate.next_probe(now, wanted)):
            size = probe.size + 60  # of those that there are to be sent again
            step = 8 * size / probe.bit_rate

            def again() -> None:
                transmit(size, probe.number)

            for place in range(probe.packets):
                at(now + place * step, again)
            end = now + probe.packets * step
        at(max(later, end), lambda: picture(max(later, end)))

    def sound() -> None:
        arrival = through(AUDIO)
        wait = float("inf") if arrival is None else arrival - now - line.delay
        seen.sound.append((now, wait))
        at(now + 0.02, sound)

    def another() -> None:
        rate = line.other(now)
        if rate:
            through(PACKET)
        at(now + (8 * PACKET / rate if rate else 0.1), another)

    def report() -> None:
        for one in recorder.report(1, 2):
            at(now + line.delay, lambda one=one: hear(one))  # type: ignore[misc]
        at(now + FEEDBACK, report)

    def hear(feedback: bytes) -> None:
        estimate.take(packets.take(feedback, now), now)

    def look() -> None:
        seen.estimates.append((now, estimate.bit_rate))
        at(now + 0.1, look)

    for begin, act in (
        (0.0, lambda: picture(0.0)),
        (0.003, sound),
        (0.01, another),
        (0.05, report),
    ):
        at(begin, act)
    at(0.0, look)
    while (now := events[0][0]) < seconds:
        heapq.heappop(events)[2]()
    return seen
