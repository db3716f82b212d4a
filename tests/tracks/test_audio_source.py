"""The audio source: bounded, in order, and with a ledger that balances."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fastrtc_core import (
    AudioFrame,
    AudioSource,
    ConfigurationError,
    InvalidFrameError,
    QueueFullError,
    SourceClosedError,
)
from fastrtc_core.media.session_clock import SessionClock
from fastrtc_core.testing import VirtualClockLoop
from fastrtc_core.tracks import LocalAudioTrack

from ..examples import tries
from ..inside import pull

virtual = pytest.mark.virtual_clock

RATE = 1000
"""20 samples in a packet: small numbers are easy to follow."""


def frame(number: int, samples: int = 20) -> AudioFrame:
    return AudioFrame(RATE, np.full((1, samples), number, np.int16))


def full_source(capacity: int = 40) -> AudioSource:
    """A source that holds 40 samples and has no room left."""
    source = AudioSource(RATE, 1, queue_size_ms=capacity)
    source.try_push(frame(0, capacity))
    return source


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def balanced(source: AudioSource) -> bool:
    ledger = source.statistics()
    return ledger.pushed == ledger.played + ledger.queued + ledger.cleared


# Pushing


@virtual
async def test_a_frame_of_any_length_is_taken() -> None:
    """One frame may exceed the capacity; the next one waits."""
    source = AudioSource(RATE, 1, queue_size_ms=40)
    await source.capture_frame(frame(1, 5000))
    assert source.queued_duration == 5.0
    assert not source.has_room
    with pytest.raises(QueueFullError, match=r"5\.000 s"):
        source.try_push(frame(2))


@virtual
async def test_concurrent_producers_are_served_in_order() -> None:
    """Many calls may wait at once; they are admitted in the order in which they came."""
    source = full_source()
    done: list[int] = []

    async def produce(number: int) -> None:
        await source.capture_frame(frame(number))
        done.append(number)

    pulled: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        for number in range(1, 11):
            tasks.create_task(produce(number))
        await turns()
        assert done == []
        while len(done) < 10:
            pulled.append(int(pull(source, 20)[0, 0]))
            await turns()
            assert source._playout.queued <= 40
    assert done == list(range(1, 11))
    pulled += [int(pull(source, 20)[0, 0]) for _ in range(2)]
    assert pulled == [0, 0, *range(1, 11)]
    assert balanced(source)


@virtual
async def test_nobody_overtakes_a_producer_that_waits() -> None:
    """While one call waits, `try_push` is refused even where a sample would fit."""
    source = full_source()
    waiting = asyncio.create_task(source.capture_frame(frame(1, 40)))
    await turns()
    pull(source, 20)
    assert waiting.done() is False
    await turns()
    assert waiting.done()
    assert not source.has_room
    with pytest.raises(QueueFullError):
        source.try_push(frame(2))


@virtual
async def test_a_cancelled_call_queues_nothing() -> None:
    """A call that is cancelled while it waits leaves no trace, and those behind it move up."""
    source = full_source()
    calls = [asyncio.create_task(source.capture_frame(frame(number))) for number in (1, 2, 3)]
    await turns()
    calls[1].cancel()
    await turns()
    heard = []
    while source.statistics().queued:
        heard.append(int(pull(source, 20)[0, 0]))
        await turns()
    assert heard == [0, 0, 1, 3]
    assert calls[1].cancelled()
    assert source.statistics() == (80, 80, 0, 0, 0)


@virtual
async def test_room_comes_back_when_the_only_waiter_is_cancelled() -> None:
    """The cancelled call does not block those that come after it."""
    source = full_source()
    call = asyncio.create_task(source.capture_frame(frame(1)))
    await turns()
    call.cancel()
    pull(source, 20)
    await turns()
    assert source.has_room
    await source.capture_frame(frame(2))
    assert source.statistics().pushed == 60


@virtual
async def test_a_producer_may_reuse_its_array() -> None:
    """What was queued does not change when the array is filled again."""
    source = AudioSource(RATE, 1)
    scratch = np.full((1, 20), 5, np.int16)
    await source.capture_frame(AudioFrame(RATE, scratch))
    scratch[:] = 6
    assert pull(source, 20).tolist() == [[5] * 20]


@virtual
async def test_an_empty_frame_is_nothing() -> None:
    """No samples neither count nor put off the tail of those before."""
    source = AudioSource(RATE, 1)
    await source.capture_frame(frame(1, 5))
    source.flush()
    state = source._state()
    await asyncio.sleep(1)
    await source.capture_frame(frame(2, 0))
    assert source._state() == state


@virtual
@pytest.mark.parametrize(
    ("sample_rate", "shape"), [(48000, (1, 20)), (RATE, (2, 20)), (8000, (2, 20))]
)
async def test_a_frame_of_another_format_is_refused(
    sample_rate: int, shape: tuple[int, int]
) -> None:
    """Rate and channels must be the source's; the error names both."""
    source = AudioSource(RATE, 1)
    wrong = AudioFrame(sample_rate, np.zeros(shape, np.int16))
    named = f"{RATE} Hz and 1 .* {sample_rate} Hz and {shape[0]}"
    with pytest.raises(InvalidFrameError, match=named):
        await source.capture_frame(wrong)
    with pytest.raises(InvalidFrameError, match=named):
        source.try_push(wrong)
    assert source.statistics().pushed == 0


@pytest.mark.parametrize(
    "options",
    [
        {"sample_rate": 11025},
        {"sample_rate": 0},
        {"num_channels": 0},
        {"num_channels": 3},
        {"queue_size_ms": 0},
    ],
)
def test_a_source_that_cannot_work_is_refused(options: dict[str, int]) -> None:
    """Rates that 20 ms does not divide, other layouts and empty queues are refused."""
    with pytest.raises(ConfigurationError):
        AudioSource(**options)


@virtual
async def test_the_shortest_queue_takes_a_frame() -> None:
    """Even a queue that is shorter than a sample lets audio through."""
    source = AudioSource(50, 1, queue_size_ms=1)
    await asyncio.wait_for(source.capture_frame(AudioFrame(50, np.ones((1, 1), np.int16))), 1)
    assert pull(source, 1).tolist() == [[1]]


# Clearing, waiting, closing


@virtual
async def test_clear_discards_what_waits_to_be_queued_too() -> None:
    """After `clear_queue` nothing that was handed over before is heard; its producers go on."""
    source = full_source()
    calls = [asyncio.create_task(source.capture_frame(frame(number))) for number in (1, 2)]
    await turns()
    source.clear_queue()
    source.try_push(frame(9))
    await asyncio.gather(*calls)
    assert pull(source, 20).tolist() == [[9] * 20]
    assert source.statistics() == (100, 20, 0, 80, 0)


@virtual
async def test_clearing_twice_counts_once() -> None:
    """A producer whose frame was discarded is not discarded again before it has run."""
    source = full_source()
    call = asyncio.create_task(source.capture_frame(frame(1)))
    await turns()
    source.clear_queue()
    source.clear_queue()
    await source.aclose()
    await call
    assert source.statistics() == (60, 0, 0, 60, 0)


@virtual
async def test_waiting_for_room_ends_when_there_is_some() -> None:
    """It returns at once with room, else with the first pull, or when the queue is cleared."""
    source = AudioSource(RATE, 1, queue_size_ms=40)
    await asyncio.wait_for(source.wait_for_room(), 1)
    for make_room in (lambda: pull(source, 20), source.clear_queue):
        source.try_push(frame(1, 40))
        waiting = asyncio.create_task(source.wait_for_room())
        await turns()
        assert not waiting.done()
        make_room()
        await waiting
        source.clear_queue()


@virtual
async def test_waiting_for_the_playout_includes_frames_that_wait() -> None:
    """It ends when everything was pulled, what waited for room included."""
    source = full_source()
    call = asyncio.create_task(source.capture_frame(frame(1)))
    waiting = asyncio.create_task(source.wait_for_playout())
    for _ in range(3):
        await turns()
        assert not waiting.done()
        pull(source, 20)
    await waiting
    await call


@virtual
async def test_waiting_for_the_playout_of_nothing_returns() -> None:
    """With nothing queued, or after a clear, there is nothing to wait for."""
    source = full_source()
    waiting = asyncio.create_task(source.wait_for_playout())
    await turns()
    source.clear_queue()
    await waiting
    await asyncio.wait_for(source.wait_for_playout(), 1)


@virtual
async def test_closing_wakes_everyone() -> None:
    """Producers that wait get `SourceClosedError`, waiters return, and the ledger balances."""
    source = full_source()
    calls = [asyncio.create_task(source.capture_frame(frame(number))) for number in (1, 2)]
    waits = [
        asyncio.create_task(wait()) for wait in (source.wait_for_room, source.wait_for_playout)
    ]
    await turns()
    await source.aclose()
    await source.aclose()
    results = await asyncio.gather(*calls, *waits, return_exceptions=True)
    assert [type(result) for result in results] == [SourceClosedError] * 2 + [type(None)] * 2
    assert source.closed
    assert source.statistics() == (80, 0, 0, 80, 0)


@virtual
async def test_a_closed_source_takes_nothing() -> None:
    """Every push to a closed source raises."""
    source = AudioSource(RATE, 1)
    await source.aclose()
    with pytest.raises(SourceClosedError):
        await source.capture_frame(frame(1))
    with pytest.raises(SourceClosedError):
        source.try_push(frame(1))


# Everything at once, against a model


class SourceAgainstModel(RuleBasedStateMachine):
    """Producers come, wait, give up; the track pulls; user code clears. The model is two lists."""

    CAPACITY = 50

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualClockLoop)
        self.source = AudioSource(RATE, 1, queue_size_ms=self.CAPACITY)
        self.queued: list[int] = []
        self.waiting: list[tuple[asyncio.Task[None], list[int]]] = []
        self.next = 0
        self.pushed = self.played = self.cleared = self.padded = 0

    def teardown(self) -> None:
        self.runner.close()

    def numbered(self, count: int) -> tuple[AudioFrame, list[int]]:
        numbers = [(self.next + k) % 30_000 + 1 for k in range(count)]
        self.next += count
        return AudioFrame(RATE, np.array([numbers], np.int16)), numbers

    def run(self, function: Any = None) -> Any:
        """Call a function on the loop, and let everyone who can run do so."""

        async def call() -> Any:
            result = function() if function else None
            await turns(4)
            return result

        return self.runner.run(call())

    def admit(self) -> None:
        while self.waiting and len(self.queued) < self.CAPACITY:
            _, numbers = self.waiting.pop(0)
            self.queued += numbers
            self.pushed += len(numbers)

    @rule(counts=st.lists(st.integers(1, 70), min_size=1, max_size=4))
    def producers_come(self, counts: list[int]) -> None:
        entries = [self.numbered(count) for count in counts]

        def start() -> list[asyncio.Task[None]]:
            return [asyncio.create_task(self.source.capture_frame(frame)) for frame, _ in entries]

        tasks = self.run(start)
        self.waiting += [(task, numbers) for task, (_, numbers) in zip(tasks, entries, strict=True)]
        self.admit()

    @rule(count=st.integers(1, 70))
    def somebody_would_not_wait(self, count: int) -> None:
        pushed, numbers = self.numbered(count)
        if self.waiting or len(self.queued) >= self.CAPACITY:
            with pytest.raises(QueueFullError):
                self.run(lambda: self.source.try_push(pushed))
            return
        self.run(lambda: self.source.try_push(pushed))
        self.queued += numbers
        self.pushed += count

    @precondition(lambda self: self.queued)
    @rule(pulls=st.integers(1, 4), together=st.booleans())
    def the_track_pulls(self, pulls: int, together: bool) -> None:
        for _ in range(pulls):
            if not self.queued:
                return
            # Some packets leave in a row, before a producer that was admitted has run.
            pulled = self.source_pull() if together else self.run(self.source_pull)
            expected, self.queued = self.queued[:20], self.queued[20:]
            self.played += len(expected)
            self.padded += 20 - len(expected)
            assert pulled == expected + [0] * (20 - len(expected))
            self.admit()
        self.run()

    def source_pull(self) -> list[int]:
        async def pulling() -> list[int]:
            return [int(sample) for sample in pull(self.source, 20)[0]]

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self.runner.run(pulling())
        return [int(sample) for sample in pull(self.source, 20)[0]]

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def a_producer_gives_up(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.waiting) - 1))
        task, _ = self.waiting.pop(index)
        self.run(task.cancel)
        assert task.cancelled()

    @rule()
    def user_code_clears(self) -> None:
        self.run(self.source.clear_queue)
        discarded = sum(len(numbers) for _, numbers in self.waiting)
        self.pushed += discarded
        self.cleared += len(self.queued) + discarded
        assert all(task.done() for task, _ in self.waiting)
        self.queued, self.waiting = [], []

    @invariant()
    def the_ledger_is_the_models(self) -> None:
        ledger = self.source.statistics()
        assert ledger == (
            self.pushed,
            self.played,
            len(self.queued),
            self.cleared,
            self.padded,
        )
        assert balanced(self.source)

    @invariant()
    def who_waits_waits_for_a_reason(self) -> None:
        assert not any(task.done() for task, _ in self.waiting)
        assert not self.waiting or len(self.queued) >= self.CAPACITY
        assert self.source.has_room == (not self.waiting and len(self.queued) < self.CAPACITY)


TestSourceAgainstModel = SourceAgainstModel.TestCase
TestSourceAgainstModel.settings = settings(
    max_examples=tries(60), stateful_step_count=25, deadline=None
)


@virtual
@pytest.mark.parametrize("seed", range(5))
async def test_the_ledger_balances_over_a_busy_minute(seed: int) -> None:
    """Real producers, a real track, clears and cancellations at random: every sample is booked."""
    random = np.random.default_rng(seed)
    source = AudioSource(RATE, 1, queue_size_ms=200)
    track = LocalAudioTrack(source, SessionClock(0.0))
    heard: list[int] = []

    async def listen() -> None:
        while True:
            heard.append((await track.next_frame()).data.shape[1])

    async def produce() -> None:
        while True:
            await asyncio.sleep(random.exponential(0.1))
            try:
                async with asyncio.timeout(random.exponential(0.5)):
                    await source.capture_frame(frame(1, int(random.integers(1, 300))))
            except TimeoutError:
                continue

    async def interrupt() -> None:
        while True:
            await asyncio.sleep(random.exponential(1.0))
            source.clear_queue()
            assert balanced(source)

    tasks = [asyncio.create_task(job()) for job in (listen, produce, produce, produce, interrupt)]
    await asyncio.sleep(60)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    ledger = source.statistics()
    assert balanced(source)
    assert sum(heard) == ledger.played + ledger.padded
    assert ledger.played > 20_000
    assert ledger.cleared > 1_000
    await source.aclose()
    assert balanced(source)
    assert source.statistics().queued == 0
