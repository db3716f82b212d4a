"""The life of a source: start, stop, errors, ends, and races between them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.sources import Block, CallbackSource, Source, ToneSource
from fastrtc_core.sources import source as source_module

from .files import ramp


class Ticking(Source):
    """A block each ms, or whatever a test wants of `_run`."""

    def __init__(self, body: Callable[[Ticking], object] | None = None) -> None:
        super().__init__()
        self.body = body
        self.runs = 0

    def _run(self) -> None:
        self.runs += 1
        if self.body is not None:
            self.body(self)
            return
        while self._wait(0.001):
            self._emit([AudioFrame(8000, ramp(8)), AudioFrame(8000, ramp(8))])

    def emit(self) -> None:
        self._emit(AudioFrame(8000, ramp(8)))

    @property
    def going(self) -> bool:
        return self._continue

    def wait(self, seconds: float) -> bool:
        return self._wait(seconds)


class Taker:
    """A callback that keeps what it gets."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.came = threading.Event()

    def __call__(self, block: Block) -> None:
        self.blocks.append(block)
        self.came.set()

    def wait(self) -> None:
        self.came.clear()
        assert self.came.wait(5)


def test_blocks_come_until_it_is_stopped() -> None:
    """The sample clock starts at 0 and has no holes; after `stop` nothing comes."""
    source, taker = Ticking(), Taker()
    source.set_callback(taker)
    source.start()
    taker.wait()
    taker.wait()
    assert source.running
    source.stop()
    count = len(taker.blocks)
    time.sleep(0.02)
    assert len(taker.blocks) == count
    assert not source.running
    assert [block.pts for block in taker.blocks] == [8 * n for n in range(count)]
    assert not any(block.discontinuity for block in taker.blocks)


def test_it_starts_again() -> None:
    """From the beginning, with the same callback, as often as one likes."""
    source, taker = Ticking(), Taker()
    source.set_callback(taker)
    for _ in range(3):
        taker.blocks.clear()
        with source:
            taker.wait()
        assert taker.blocks[0].pts == 0
    assert source.runs == 3


def test_a_second_start_has_no_effect() -> None:
    """One thread is enough."""
    source, taker = Ticking(), Taker()
    source.set_callback(taker)
    with source:
        source.start()
        taker.wait()
    assert source.runs == 1


def test_stop_before_start_and_twice() -> None:
    """Nothing happens."""
    source = Ticking()
    source.stop()
    source.start()
    source.stop()
    source.stop()


def test_stop_from_the_callback() -> None:
    """The callback is the last, and the thread ends by itself."""
    source, taker = Ticking(), Taker()

    def stop(block: Block) -> None:
        taker(block)
        source.stop()

    source.set_callback(stop)
    source.start()
    assert taker.came.wait(5)
    time.sleep(0.02)
    assert len(taker.blocks) == 1
    source.stop()


def test_restart_from_the_callback() -> None:
    """A callback may stop the source and start it again."""
    source, taker = Ticking(), Taker()

    def again(block: Block) -> None:
        taker(block)
        if len(taker.blocks) < 3:
            source.stop()
            source.start()

    source.set_callback(again)
    with source:
        for _ in range(100):
            if len(taker.blocks) > 5:
                break
            time.sleep(0.01)
    assert [block.pts for block in taker.blocks[:5]] == [0, 0, 0, 8, 16]


def test_stop_from_many_threads_at_once() -> None:
    """All return, and the thread is gone."""
    source, taker = Ticking(), Taker()
    source.set_callback(taker)
    source.start()
    taker.wait()
    threads = [threading.Thread(target=source.stop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert not source.running


def test_start_and_stop_race() -> None:
    """Two threads that start and two that stop leave a source that still works."""
    source, taker = Ticking(), Taker()
    source.set_callback(taker)
    functions = [source.start, source.stop] * 2

    def hammer(function: Callable[[], None]) -> None:
        for _ in range(50):
            function()

    threads = [threading.Thread(target=hammer, args=(one,)) for one in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    source.stop()
    with source:
        taker.wait()


def test_a_wait_ends_with_stop() -> None:
    """`_wait` does not sleep through it."""
    source = Ticking(lambda self: self.wait(60))
    source.start()
    began = time.monotonic()
    source.stop()
    assert time.monotonic() - began < 1


def test_a_callback_that_hangs_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`stop` is bounded, says so, and what is left behind delivers nothing more."""
    monkeypatch.setattr(source_module, "STOP_TIMEOUT", 0.1)
    release, calls = threading.Event(), []

    def hang(block: Block) -> None:
        calls.append(block)
        release.wait(5)

    source = Ticking()
    source.set_callback(hang)
    source.start()
    while not calls:
        time.sleep(0.001)
    began = time.monotonic()
    source.stop()
    assert time.monotonic() - began < 1
    assert "has not returned" in caplog.text
    release.set()
    time.sleep(0.05)
    assert len(calls) == 1


def test_what_ends_it_is_told_and_raised() -> None:
    """To `on_error`, then to `on_end`, and at `stop`, once."""
    told: list[object] = []
    ended = threading.Event()

    def fail(self: Ticking) -> None:
        self.emit()
        raise OSError("the wire is cut")

    source = Ticking(fail)
    source.on_error = told.append

    def end() -> None:
        told.append("end")
        ended.set()

    source.on_end = end
    source.start()
    assert ended.wait(5)
    with pytest.raises(OSError, match="the wire is cut"):
        source.stop()
    source.stop()
    assert [str(one) for one in told] == ["the wire is cut", "end"]


def test_the_end_is_told_but_not_after_stop() -> None:
    """`on_end` is for a source that ends by itself."""
    ends: list[str] = []
    source = Ticking(lambda self: None)
    source.on_end = lambda: ends.append("end")
    source.start()
    while not ends:
        time.sleep(0.001)
    source.stop()
    other = Ticking()
    other.on_end = lambda: ends.append("stopped")
    with other:
        pass
    assert ends == ["end"]


def test_a_callback_that_raises_loses_one_block(caplog: pytest.LogCaptureFixture) -> None:
    """The next ones come; the first error is raised at `stop`."""
    taker = Taker()
    errors: list[Exception] = []

    def sometimes(block: Block) -> None:
        taker(block)
        if len(taker.blocks) in (1, 2):
            raise ValueError(f"number {len(taker.blocks)}")

    source = Ticking()
    source.set_callback(sometimes)
    source.on_error = errors.append
    source.start()
    while len(taker.blocks) < 4:
        taker.wait()
    with pytest.raises(ValueError, match="number 1"):
        source.stop()
    assert [str(error) for error in errors] == ["number 1", "number 2"]
    assert caplog.text.count("Traceback") == 2


def test_an_error_in_the_context_is_not_masked() -> None:
    """What the body raised counts more than what the source has to say."""
    source = Ticking(lambda self: 1 / 0)

    def use(error: Exception | None) -> None:
        with source:
            while source.running:
                time.sleep(0.001)
            if error is not None:
                raise error

    with pytest.raises(KeyError):
        use(KeyError("mine"))
    with pytest.raises(ZeroDivisionError):
        use(None)


def test_hooks_that_raise_are_survived(caplog: pytest.LogCaptureFixture) -> None:
    """An `on_end` that raises stands in the log, and that is all."""
    source = Ticking(lambda self: None)
    called = threading.Event()

    def fail() -> None:
        called.set()
        raise RuntimeError("in the hook")

    source.on_end = fail
    with source:
        assert called.wait(5)
    assert "in the hook" in caplog.text


def test_real_time_is_kept() -> None:
    """Blocks come when they are due, without drift."""
    source = ToneSource(block_duration=0.01)
    times: list[float] = []
    source.set_callback(lambda block: times.append(time.monotonic()))
    with source:
        time.sleep(0.5)
    took = times[-1] - times[0]
    assert len(times) - 1 == pytest.approx(took / 0.01, abs=10)
    # None is early: by the one that was least late.
    starts = [moment - 0.01 * index for index, moment in enumerate(times)]
    late = sorted(start - min(starts) for start in starts)
    assert late[len(late) // 2] < 0.02


def test_a_long_stall_is_not_made_up_for() -> None:
    """After half a second and more the clock is set back; no flood follows."""
    times: list[float] = []

    def slow_once(block: Block) -> None:
        times.append(time.monotonic())
        if len(times) == 3:
            time.sleep(0.8)

    source = ToneSource(block_duration=0.02)
    source.set_callback(slow_once)
    with source:
        time.sleep(1.2)
    after = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(after) > 5
    assert sum(after) / len(after) > 0.015


def test_a_function_is_a_source() -> None:
    """It is asked for blocks until it says `None`; floats are taken as well."""
    left = [ramp(480, 2), ramp(480, 2)[:, :100], None]
    blocks: list[Block] = []
    source = CallbackSource(lambda count: left.pop(0), num_channels=2, real_time=False)
    ended = threading.Event()
    source.on_end = ended.set
    source.set_callback(blocks.append)
    with source:
        assert ended.wait(5)
    assert [(block.pts, block.samples) for block in blocks] == [(0, 480), (480, 100)]


def test_a_function_that_returns_something_else() -> None:
    """The shape is named."""
    source = CallbackSource(lambda count: ramp(count, 3), num_channels=2, real_time=False)
    source.start()
    time.sleep(0.05)
    with pytest.raises(ValueError, match=r"\(3, 960\); it must be \(2, n\)"):
        source.stop()
