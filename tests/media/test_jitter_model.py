"""The jitter buffer against a model of it: slow, and so simple that one can see what it does."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastrtc_core.media.jitter import HISTORY, MAX_DEPTH, MIN_DEPTH, SHIFT, WINDOW

from ..examples import tries
from .arrivals import Packet, receive


@dataclass
class Model:
    """Counts in frames from the first packet on, and remembers everything.

    A frame is released when it has come and all before it are released, or given up for. It is
    given up for when it would have come over the fastest path of late, plus a depth: 20 ms and
    what 95 % of the last hundred packets were slower than that path, 60 ms at most.
    """

    arrivals: list[Packet] = field(default_factory=list)
    excesses: list[float] = field(default_factory=list)
    released: list[tuple[float, int]] = field(default_factory=list)
    late: int = 0
    late_since: float | None = None

    def run(self, packets: list[Packet], until: float) -> None:
        """Everything that happens, in order of time."""
        for packet in sorted(packets):
            self.give_up_until(packet.at)
            known = any(packet.number == other.number for other in self.arrivals)
            self.arrivals.append(packet)
            excess = packet.at - packet.number * 0.02 - self.fastest()
            self.excesses.append(excess)
            if not known and packet.number < self.due():
                self.late += 1
                self.late_since = packet.at if self.late_since is None else self.late_since
                # A path that has become slower for good is a story of its own.
                assume(packet.at - self.late_since < SHIFT)
            elif not known:
                self.late_since = None
            self.release(packet.at)
            self.give_up_until(packet.at)  # it may have shown that the path is faster
        self.give_up_until(until)

    def due(self) -> int:
        """The number of the frame that is due next."""
        return self.arrivals[0].number + len(self.released)

    def fastest(self) -> float:
        """The least delay in this stretch of at least two seconds and in the one before."""
        stretches: list[list[Packet]] = []
        for packet in self.arrivals:
            if not stretches or packet.at - stretches[-1][0].at >= WINDOW:
                stretches.append([])
            stretches[-1].append(packet)
        return min(at - number * 0.02 for part in stretches[-2:] for at, number in part)

    def deadline(self) -> float:
        """Until when the frame that is due is waited for."""
        recent = sorted(self.excesses[-HISTORY:])
        depth = min(MAX_DEPTH, MIN_DEPTH + recent[int(0.95 * len(recent))])
        return self.fastest() + self.due() * 0.02 + depth

    def release(self, now: float) -> None:
        """Release what has come, as far as nothing is missing."""
        while any(packet.number == self.due() for packet in self.arrivals):
            self.released.append((now, self.due()))

    def give_up_until(self, end: float) -> None:
        """Give up for each frame whose deadline passes."""
        while self.arrivals and (deadline := self.deadline()) < end:
            now = max(deadline, max(self.arrivals).at)
            self.released.append((now, -1))
            self.release(now)


@given(
    fates=st.lists(
        st.tuples(
            st.sampled_from(["sent"] * 8 + ["lost", "twice"]),
            st.integers(0, 90),
            st.integers(0, 90),
        ),
        min_size=1,
        max_size=250,
    ),
    calm=st.integers(1, 90),
    sequence=st.sampled_from([0, 1000, 65_500]),
    timestamp=st.sampled_from([0, 5000, 2**32 - 50_000]),
)
@settings(deadline=None, max_examples=tries(300))
def test_it_does_what_the_model_does(
    fates: list[tuple[str, int, int]], calm: int, sequence: int, timestamp: int
) -> None:
    """Any losses, copies, and delays of up to 90 ms: the same frames at the same times."""
    packets = []
    for number, (fate, delay, again) in enumerate(fates):
        # No two times are the same, and no sum of some is another.
        sent = number * 0.02 + number * number % 97 * 1.7e-6
        if fate != "lost":
            packets.append(Packet(sent + delay % calm / 1000, number))
        if fate == "twice":
            packets.append(Packet(sent + again / 1000 + 0.7e-6, number))
    assume(packets)
    packets.sort()
    # The first packet is the first frame; one before it is late by definition.
    model = Model()
    # A frame may be due at the very time of the last arrival: look a moment later.
    until = max(len(fates) * 0.02 + 0.0013, packets[-1].at + 1e-6)
    model.run(packets, until)

    run = receive(packets, until, sequence, timestamp)
    assert run.payloads == [number for _, number in model.released]
    assert [at for at, _ in run.slots] == pytest.approx([at for at, _ in model.released])
    statistics = run.buffer.statistics
    numbers = {packet.number for packet in packets}
    assert statistics.received == len(numbers)
    assert statistics.duplicated == len(packets) - len(numbers)
    assert statistics.late == model.late
    assert statistics.concealed == sum(number < 0 for _, number in model.released)
    first = packets[0].number
    assert statistics.lost == max(numbers) - first + 1 - sum(number >= first for number in numbers)
