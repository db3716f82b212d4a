"""Sync code whose session has ended: what ends on every Python, and what on CPython with the GIL.

The tests run both ways, as the one of these that this Python lacks is never seen on it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from fastrtc_core import (
    AudioFrame,
    CallAbandonedError,
    Speech,
    StreamHandler,
    abandonment,
    call_is_abandoned,
)
from fastrtc_core.handler.functions import AudioGeneratorHandler
from fastrtc_core.session.session_thread import SessionThread
from fastrtc_core.testing import InProcessPeer, connect, tone

from .handlers import SyncEcho

PATIENCE = 5.0
"""How long in s a thread may take to end; none of these waits ends by itself so soon."""


@pytest.fixture(params=["interrupts", "cooperates"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether this Python interrupts code on other threads, or is taken for one that cannot."""
    if request.param == "cooperates":
        monkeypatch.setattr(abandonment, "can_interrupt", lambda: False)
    elif not abandonment.can_interrupt():
        pytest.skip("this Python cannot interrupt code on another thread")
    return str(request.param)


@pytest.fixture
def cooperates(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Python that cannot interrupt code on other threads."""
    monkeypatch.setattr(abandonment, "can_interrupt", lambda: False)


async def all_gone(before: set[threading.Thread]) -> None:
    """Wait until no thread is left that was not there before."""
    end = time.monotonic() + PATIENCE
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < end, f"{left} go on"
        await asyncio.sleep(0.01)


async def seen(begun: threading.Event) -> None:
    """Wait until code on a thread is about to wait, and most probably waits."""
    async with asyncio.timeout(PATIENCE):
        while not begun.is_set():  # noqa: ASYNC110 - set on another thread
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)


class Waiting(StreamHandler):
    """Waits in `start_up`, in one way or another, and notes how that ends."""

    def __init__(self, wait: Callable[[Waiting], Any]) -> None:
        super().__init__()
        self.wait = wait
        self.begun = threading.Event()
        self.ended: BaseException | None = None
        self.frames: queue.Queue[AudioFrame | None] = queue.Queue()

    def start_up(self) -> None:
        self.begun.set()
        try:
            self.wait(self)
        except BaseException as error:
            self.ended = error
            raise

    def receive(self, frame: AudioFrame) -> None:
        self.frames.put(frame)

    def emit(self) -> None:
        return None

    def copy(self) -> Waiting:
        return Waiting(self.wait)


@contextlib.asynccontextmanager
async def meeting(wait: Callable[[Waiting], Any]) -> AsyncIterator[Waiting]:
    """A session whose handler waits; its threads must be gone soon after its end."""
    before = set(threading.enumerate())
    async with connect(Waiting(wait), open_channel=False) as peer:
        handler = peer.session.handler
        assert isinstance(handler, Waiting)
        await seen(handler.begun)
        yield handler
    await all_gone(before)


WAITS: dict[str, Callable[[Waiting], Any]] = {
    "wait_for_args_sync": lambda handler: handler.wait_for_args_sync(),
    "refresh_args_sync": lambda handler: handler.refresh_args_sync(timeout=1000),
    "Speech.wait": lambda handler: Speech("never said").wait(),
    "Speech.wait with a time-out": lambda handler: Speech("never said").wait(1000),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
async def test_waits_of_the_package_end_with_the_session(
    wait: Callable[[Waiting], Any], kind: str
) -> None:
    """With `CallAbandonedError`, also where nothing can interrupt them."""
    async with meeting(wait) as handler:
        pass
    assert isinstance(handler.ended, CallAbandonedError)


async def test_a_message_that_does_not_leave_is_waited_for_no_longer(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`send_message_sync` would wait for 10 s; the client takes nothing."""

    async def never(self: InProcessPeer) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(InProcessPeer, "drain", never)
    before = set(threading.enumerate())
    async with connect(Waiting(lambda handler: handler.send_message_sync("unheard"))) as peer:
        handler = peer.session.handler
        assert isinstance(handler, Waiting)
        await seen(handler.begun)
    await all_gone(before)
    assert isinstance(handler.ended, CallAbandonedError)


async def test_a_generator_that_waits_for_its_inputs_ends_with_the_session(kind: str) -> None:
    """They are asked for on the thread on which it is going to run."""

    def tones(frequency: float) -> Iterator[AudioFrame]:
        yield tone(frequency)

    before = set(threading.enumerate())
    async with connect(AudioGeneratorHandler(tones), receives=set(), open_channel=False):
        await asyncio.sleep(0.1)
        assert any(thread.name.startswith("emit") for thread in threading.enumerate())
    await all_gone(before)


async def test_a_second_wait_is_refused_but_not_in_the_clean_up(kind: str) -> None:
    """Code that swallows the error is told by its next wait; `except` and `finally` may wait."""
    came: list[str] = []

    def wait(handler: Waiting) -> None:
        with contextlib.suppress(CallAbandonedError):
            Speech("never said").wait()
        try:
            handler.wait_for_args_sync()
        except CallAbandonedError:
            with pytest.raises(TimeoutError):
                Speech("never said").wait(0.05)
            try:
                raise OSError("of the clean-up")
            except OSError:
                with pytest.raises(TimeoutError):
                    Speech("never said").wait(0.05)
            came.append("cleaned up")
            raise

    async with meeting(wait) as handler:
        pass
    assert came == ["cleaned up"]
    assert isinstance(handler.ended, CallAbandonedError)


async def test_an_error_never_leaves_a_future_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread in a wait of the package is not interrupted: it could hold up the event loop."""
    interrupted: list[threading.Thread] = []
    monkeypatch.setattr(abandonment, "can_interrupt", lambda: True)
    monkeypatch.setattr(abandonment, "_interrupt", interrupted.append)
    async with meeting(lambda handler: Speech("never said").wait()) as handler:
        pass
    assert isinstance(handler.ended, CallAbandonedError)
    assert not any(thread.name.startswith("start_up") for thread in interrupted)


async def test_code_that_works_can_ask(cooperates: None) -> None:
    """`call_is_abandoned` is true from the end of the session on, on its thread alone."""
    answers: list[bool] = []

    def work(handler: Waiting) -> None:
        answers.append(call_is_abandoned())
        while not call_is_abandoned():
            time.sleep(0.005)
        answers.append(True)

    async with meeting(work):
        assert not call_is_abandoned()
    assert answers == [False, True]
    assert not call_is_abandoned()


async def test_the_last_call_of_a_thread_waits_undisturbed(kind: str) -> None:
    """What `at_close` was given, as the `close` of a generator, is wanted after all."""
    thread, reached, got = SessionThread("last"), threading.Event(), []
    before = set(threading.enumerate())

    def work() -> None:
        reached.set()
        Speech("never said").wait()

    def finish() -> None:
        answer: concurrent.futures.Future[str] = concurrent.futures.Future()
        threading.Timer(0.05, answer.set_result, ["sent"]).start()
        got.append(abandonment.result_of(answer, PATIENCE))

    thread.at_close(finish)
    call = asyncio.create_task(thread.run(work))
    await seen(reached)
    call.cancel()
    thread.close()
    await all_gone(before)
    assert got == ["sent"]
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_session_ends_whose_code_cannot_be_told(cooperates: None) -> None:
    """The canonical echo keeps its thread until its queue is fed; its session waits for neither."""
    before = set(threading.enumerate())
    async with connect(SyncEcho()) as peer:
        await peer.speak(tone(duration=0.1))
        handler = peer.session.handler
        assert isinstance(handler, SyncEcho)
        begun = time.monotonic()
    assert time.monotonic() - begun < PATIENCE
    left = {thread.name.split("-")[0] for thread in set(threading.enumerate()) - before}
    assert "emit" in left
    handler.queue.put(tone(duration=0.02))
    await all_gone(before)


class WokenEcho(SyncEcho):
    """The echo as it is written for every Python."""

    def shutdown(self) -> None:
        self.queue.put(tone(duration=0.02))


async def test_a_handler_that_wakes_its_own_wait_leaves_no_thread(kind: str) -> None:
    """`shutdown` runs after the session has let go of `emit`: what it puts there is not played."""
    before = set(threading.enumerate())
    async with connect(WokenEcho()) as peer:
        await peer.speak(tone(duration=0.1))
    await all_gone(before)


def test_what_this_python_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked anew each time: an extension may switch the GIL on."""
    monkeypatch.setattr("sys._is_gil_enabled", lambda: False, raising=False)
    assert not abandonment.can_interrupt()
    monkeypatch.setattr("sys._is_gil_enabled", lambda: True, raising=False)
    assert abandonment.can_interrupt() == (sys.implementation.name == "cpython")
    monkeypatch.setattr("sys.implementation.name", "pypy")
    assert not abandonment.can_interrupt()
