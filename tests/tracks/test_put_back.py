"""Speech that was sent and not heard is played once more, and nothing of it is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import AudioFrame, AudioSource
from fastrtc_core.testing import run_virtual

from ..examples import tries
from ..inside import pull

RATE = 8000
FRAME = RATE // 50


def numbered(start: int, count: int) -> AudioFrame:
    """Samples that tell where they belong; none of them is 0."""
    return AudioFrame(RATE, (np.arange(start, start + count) % 30_000 + 1).astype(np.int16)[None])


class Line:
    """A source, and what came of it at the other end."""

    def __init__(self) -> None:
        self.source = AudioSource(RATE, queue_size_ms=10_000)
        self.source.keep_speech()
        self.sent: list[tuple[float, list[int]]] = []
        self.heard: list[int] = []
        self.said = 0
        self.lost = 0

    async def say(self, count: int) -> None:
        """One speech of so many frames; others are sent with the value -1 in between."""
        self.source.begin_speech()
        await self.source.capture_frame(numbered(self.said, count * FRAME))
        self.said += count * FRAME

    async def send(self, count: int) -> None:
        for _ in range(count):
            data = pull(self.source, FRAME)[0]
            self.sent.append((asyncio.get_running_loop().time(), data[data > 0].tolist()))
            if not self.source.queued_duration:
                self.source.end_speech()
            await asyncio.sleep(0.02)

    async def arrive(self) -> None:
        """All that is on its way gets through."""
        for _, data in self.sent:
            self.heard += data
        self.sent.clear()

    async def lose(self, count: int) -> None:
        """The last frames do not, and that is known."""
        kept = self.sent[: max(0, len(self.sent) - count)]
        gone = self.sent[len(kept) :]
        self.sent = kept
        await self.arrive()
        if gone:
            back = self.source.put_back(gone[0][0] - 0.01)
            assert round(back * RATE) == sum(len(data) for _, data in gone)


STEP = st.tuples(st.sampled_from(["say", "send", "arrive", "lose"]), st.integers(1, 30))


@settings(deadline=None, max_examples=tries(150))
@given(st.lists(STEP, max_size=20))
def test_all_of_it_is_heard_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    """Whatever is lost, and however often."""

    async def talk() -> None:
        line = Line()
        for step, count in steps:
            if step == "arrive":
                await line.arrive()
            elif step != "say" or not line.source.queued_duration:  # one speech after the other
                await getattr(line, step)(count)
            ledger = line.source.statistics()
            assert ledger.pushed == ledger.played + ledger.queued + ledger.cleared
        while line.source.queued_duration:
            await line.send(1)
        await line.arrive()
        assert line.heard == numbered(0, line.said).data[0].tolist()

    run_virtual(talk())


def source_of(**options: Any) -> AudioSource:
    source = AudioSource(RATE, queue_size_ms=10_000)
    source.keep_speech()
    return source


async def test_what_was_emitted_is_not_played_again() -> None:
    """Before a speech, and after it: it belonged to its moment."""
    source = source_of()
    source.try_push(numbered(0, 2 * FRAME))
    source.begin_speech()
    await source.capture_frame(numbered(1000, 2 * FRAME))
    for _ in range(4):
        pull(source, FRAME)
    source.end_speech()
    source.try_push(numbered(2000, FRAME))
    pull(source, FRAME)
    assert source.put_back(-1.0) == 0.04
    assert pull(source, 2 * FRAME).tolist() == numbered(1000, 2 * FRAME).data.tolist()
    assert source.statistics().queued == 0


async def test_what_was_interrupted_is_not_played_again() -> None:
    """Neither what was cleared, nor what was heard of it before."""
    source = source_of()
    source.begin_speech()
    await source.capture_frame(numbered(0, 10 * FRAME))
    for _ in range(4):
        pull(source, FRAME)
    source.clear_queue()
    assert source.put_back(-1.0) == 0.0
    await source.capture_frame(numbered(500, FRAME))  # it goes on, as after `clear_queue`
    pull(source, FRAME)
    assert source.put_back(-1.0) == 0.02
    ledger = source.statistics()
    assert ledger.pushed == ledger.played + ledger.queued + ledger.cleared


async def test_only_the_last_seconds_are_kept() -> None:
    """Whoever is lost is missed sooner."""
    source = source_of()
    source.begin_speech()
    await source.capture_frame(numbered(0, 20 * RATE))
    for _ in range(600):
        pull(source, FRAME)
        await asyncio.sleep(0.02)
    assert 7.9 < source.put_back(-1.0) < 8.1


async def test_who_does_not_ask_for_it_keeps_nothing() -> None:
    """The source of a session whose client does not come back."""
    source = AudioSource(RATE)
    source.begin_speech()
    source.try_push(numbered(0, FRAME))
    pull(source, FRAME)
    assert source.put_back(-1.0) == 0.0
