"""Rule 3: `start_up` once before the first frame, `shutdown` once after the last, always."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import numpy as np
import pytest

from fastrtc_core import (
    AsyncStreamHandler,
    AudioFrame,
    CloseReason,
    CloseStream,
    ConfigurationError,
    Context,
    StreamHandler,
    get_current_context,
)
from fastrtc_core.session import Hooks, Session
from fastrtc_core.testing import InProcessPeer, connect, tone

from .handlers import Recording, SyncEcho, heard_samples


def handler_of(peer: InProcessPeer) -> Recording:
    handler = peer.session.handler
    assert isinstance(handler, Recording)
    return handler


@pytest.mark.virtual_clock
async def test_frames_that_come_during_start_up_wait_for_it() -> None:
    """No frame is delivered before `start_up` has returned, and the latest of them is kept."""

    class SlowStart(Recording):
        async def start_up(self) -> None:
            await asyncio.sleep(1)
            self.calls.append("start_up")

    async with connect(SlowStart()) as peer:
        await peer.speak(tone(duration=1.5))
        calls = handler_of(peer).calls
        assert calls[0] == "start_up"
        assert calls.count("start_up") == 1
        # 0.5 s after it, and the 160 ms that a handler may lag behind.
        assert calls.count("receive") == pytest.approx(25 + 8, abs=1)


@pytest.mark.virtual_clock
async def test_every_copy_starts_and_ends_once() -> None:
    """Two sessions have two handlers, and the prototype is never run."""
    prototype = Recording()
    async with connect(prototype, id="a") as a, connect(prototype, id="b") as b:
        await asyncio.gather(a.speak(tone(duration=0.2)), b.speak(tone(duration=0.2)))
    assert handler_of(a) is not handler_of(b)
    assert prototype.calls == []
    for peer in (a, b):
        calls = handler_of(peer).calls
        assert calls[0] == "start_up"
        assert calls[-1] == "shutdown"
        assert calls.count("start_up") == calls.count("shutdown") == 1


@pytest.mark.virtual_clock
@pytest.mark.parametrize("way", ["stop", "time_limit", "close_stream", "cancelled", "raises"])
async def test_shutdown_runs_once_on_every_way_out(way: str) -> None:
    """However a session ends, `shutdown` runs exactly once, after the last frame."""

    class Leaving(Recording):
        async def receive(self, frame: AudioFrame) -> None:
            await super().receive(frame)
            if way == "raises":
                raise ValueError("on every frame")

    limit = 0.5 if way == "time_limit" else None
    async with connect(Leaving(), time_limit=limit) as peer:
        speaking = asyncio.create_task(peer.speak(tone(duration=2)))
        await asyncio.sleep(0.3)
        if way == "stop":
            peer.session.stop(CloseReason.CLOSED)
            peer.session.stop(CloseReason.LOST)
        elif way == "close_stream":
            handler_of(peer).to_emit.put_nowait(CloseStream("bye"))
        await asyncio.sleep(1)
        if way in ("stop", "time_limit", "close_stream"):
            assert peer.close_reason is not None
        speaking.cancel()
    assert handler_of(peer).calls.count("shutdown") == 1
    assert handler_of(peer).calls[-1] == "shutdown"


@pytest.mark.virtual_clock
async def test_cancelling_run_still_shuts_down() -> None:
    """A server whose tasks are cancelled runs `shutdown` and the hook all the same."""

    class Slow(Recording):
        async def shutdown(self) -> None:
            await asyncio.sleep(0.1)
            await super().shutdown()

    reasons: list[CloseReason] = []
    handler = Slow()
    session = Session(handler, Context("x"), hooks=Hooks(on_disconnect=reasons.append))
    running = asyncio.create_task(session.run())
    await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert handler.calls == ["start_up", "shutdown"]
    assert reasons == [CloseReason.CLOSED]


@pytest.mark.virtual_clock
async def test_a_shutdown_that_raises_or_hangs_stops_no_clean_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The sources are closed, the hooks called and the session gone, whatever `shutdown` does."""

    class Raising(Recording):
        async def shutdown(self) -> None:
            raise ValueError("in shutdown")

    class Hanging(Recording):
        async def shutdown(self) -> None:
            await asyncio.Event().wait()

    for handler in (Raising(), Hanging()):
        reasons: list[CloseReason] = []
        async with connect(handler, hooks=Hooks(on_disconnect=reasons.append)) as peer:
            await asyncio.sleep(0.1)
        assert reasons == [CloseReason.CLIENT]
        assert peer.session.local_audio is not None
        assert peer.session.local_audio.source.closed
    assert "shutdown" in caplog.text


@pytest.mark.virtual_clock
async def test_a_start_up_that_raises_is_reported_and_the_session_goes_on() -> None:
    """The client gets one error, and frames are delivered."""

    class Failing(Recording):
        async def start_up(self) -> None:
            raise ValueError("no model")

    async with connect(Failing()) as peer:
        await peer.speak(tone(duration=0.2))
        assert peer.of_type("error") == ["The server failed in start_up."]
        assert len(handler_of(peer).frames) >= 8


@pytest.mark.virtual_clock
async def test_a_slow_start_up_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A `start_up` that never returns is explained after ten seconds, and ends with the session."""

    class Forever(Recording):
        async def start_up(self) -> None:
            await asyncio.Event().wait()

    async with connect(Forever()):
        await asyncio.sleep(11)
    assert "create_task" in caplog.text


@pytest.mark.virtual_clock
async def test_close_stream_lets_the_tail_play() -> None:
    """Everything emitted before `CloseStream` is played, then the client is told and it ends."""
    async with connect(Recording(output_sample_rate=48000)) as peer:
        queue = handler_of(peer).to_emit
        queue.put_nowait((48000, np.full(48624, 5, np.int16)))
        queue.put_nowait(CloseStream("bye"))
        await asyncio.sleep(0.9)
        assert peer.close_reason is None
        await asyncio.sleep(0.5)
        assert peer.close_reason is CloseReason.CLOSE_STREAM
        played = heard_samples(peer.heard)
        assert len(played) == 51 * 960
        assert np.count_nonzero(played) == 48624
        assert peer.of_type("end_stream") == ["bye"]


@pytest.mark.virtual_clock
async def test_the_time_limit_warns_first() -> None:
    """The client is warned ten seconds before the time limit."""
    async with connect(Recording(), time_limit=60) as peer:
        await asyncio.sleep(49)
        assert peer.of_type("warning") == []
        await asyncio.sleep(2)
        assert peer.of_type("warning") == ["The session ends in 10 s."]
        await asyncio.sleep(10)
        assert peer.close_reason is CloseReason.TIME_LIMIT
        assert peer.of_type("closing") == ["time_limit"]


@pytest.mark.virtual_clock
async def test_hooks_see_context_and_reason_and_may_be_async() -> None:
    """`on_connect` comes before `start_up`, `on_disconnect` after `shutdown`, once each."""
    calls: list[Any] = []

    class Noting(Recording):
        async def start_up(self) -> None:
            calls.append("start_up")

        async def shutdown(self) -> None:
            calls.append("shutdown")

    async def on_connect(context: Context) -> None:
        assert get_current_context() == context
        calls.append(("connect", context.webrtc_id, context.params["user"]))

    def on_disconnect(reason: CloseReason) -> None:
        calls.append(("disconnect", reason, get_current_context().webrtc_id))

    hooks = Hooks(on_connect, on_disconnect)
    async with connect(Noting(), hooks=hooks, params={"user": "eve"}, id="x"):
        await asyncio.sleep(0.1)
    assert calls == [
        ("connect", "x", "eve"),
        "start_up",
        "shutdown",
        ("disconnect", CloseReason.CLIENT, "x"),
    ]


@pytest.mark.virtual_clock
async def test_a_hook_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The session runs and ends; the log says what happened."""

    def fail(*_: object) -> None:
        raise ValueError("in a hook")

    async with connect(Recording(), hooks=Hooks(fail, fail)) as peer:
        await peer.speak(tone(duration=0.1))
    assert handler_of(peer).calls[-1] == "shutdown"
    assert caplog.text.count("in a hook") >= 2


async def test_the_context_is_there_in_every_method() -> None:
    """`get_current_context` works in async methods and on the threads of sync ones."""
    seen: dict[str, str] = {}

    class Sync(StreamHandler):
        def note(self, name: str) -> None:
            seen[name] = get_current_context().webrtc_id

        def start_up(self) -> None:
            self.note("start_up")

        def receive(self, frame: AudioFrame) -> None:
            self.note("receive")

        def emit(self) -> None:
            self.note("emit")

        def on_message(self, message: Any) -> None:
            self.note("on_message")

        def shutdown(self) -> None:
            self.note("shutdown")

        def copy(self) -> Sync:
            return Sync()

    async with connect(Sync(), id="me") as peer:
        peer.send("hello")
        async with asyncio.timeout(10):
            while len(seen) < 4:
                await peer.speak(tone(duration=0.02))
    assert seen == dict.fromkeys(["start_up", "receive", "emit", "on_message", "shutdown"], "me")
    with pytest.raises(RuntimeError, match="no session"):
        get_current_context()


@pytest.mark.virtual_clock
async def test_arguments_of_the_offer_are_there_in_start_up() -> None:
    """Additional inputs that came with the offer need no waiting."""
    seen: list[Any] = []

    class Asking(AsyncStreamHandler):
        async def start_up(self) -> None:
            await self.wait_for_args()
            seen.append((self.latest_args, self.args))

        async def receive(self, frame: AudioFrame) -> None: ...

        async def emit(self) -> None: ...

        def copy(self) -> Asking:
            return Asking()

    async with connect(Asking(), args=[1, "two"]) as peer:
        await asyncio.sleep(0.1)
        assert seen == [(["__webrtc_value__", 1, "two"], (1, "two"))]
        assert peer.of_type("send_input") == []

    async with connect(Asking()) as peer:
        await asyncio.sleep(0.1)
        assert len(seen) == 1
        assert peer.of_type("send_input") == [[]]
        peer.send([3], type="send_input")
        await asyncio.sleep(0.1)
        assert seen[1][1] == (3,)


async def test_copy_must_return_a_new_handler() -> None:
    """A `copy` that returns itself or no handler is a clear error."""

    class Selfish(Recording):
        def copy(self) -> Recording:
            return self

    class Forgetful(Recording):
        def copy(self) -> Recording:
            return None  # type: ignore[return-value]

    for handler in (Selfish(), Forgetful()):
        with pytest.raises(ConfigurationError, match=r"copy\(\) must return"):
            async with connect(handler):
                pass


async def test_copy_runs_off_the_event_loop() -> None:
    """A `copy` that loads a model holds up nobody."""
    threads: list[threading.Thread] = []

    class Heavy(Recording):
        def copy(self) -> Recording:
            threads.append(threading.current_thread())
            return Heavy()

    async with connect(Heavy()):
        assert threads[0] is not threading.main_thread()


async def test_threads_of_blocked_sync_handlers_end_with_their_session() -> None:
    """The canonical echo, blocked in `queue.get()` without a time-out, leaves no thread behind."""
    before = set(threading.enumerate())
    async with connect(SyncEcho()) as peer:
        await peer.speak(tone(duration=0.2))
        assert set(threading.enumerate()) - before
    deadline = asyncio.get_running_loop().time() + 2
    while left := set(threading.enumerate()) - before:
        assert asyncio.get_running_loop().time() < deadline, left
        await asyncio.sleep(0.01)


@pytest.mark.virtual_clock
async def test_a_handler_that_swallows_its_cancellation_still_ends() -> None:
    """A bare `except` around an await does not keep a session alive."""

    class Stubborn(Recording):
        async def emit(self) -> None:
            try:
                await asyncio.Event().wait()
            except BaseException:  # what is tested
                return

        async def receive(self, frame: AudioFrame) -> None:
            try:
                await asyncio.sleep(10)
            except BaseException:  # what is tested
                return

    async with asyncio.timeout(30):
        async with connect(Stubborn()) as peer:
            await peer.speak(tone(duration=0.1))
    assert handler_of(peer).calls[-1] == "shutdown"


@pytest.mark.virtual_clock
@pytest.mark.parametrize("where", ["start_up", "receive", "emit", "create_task", "shutdown"])
async def test_code_that_cannot_be_cancelled_is_left_behind(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The session ends without it, and its `shutdown` runs; the log says where it waits."""
    over = asyncio.Event()

    class Endless(Recording):
        async def _note(self, name: str) -> None:
            self.calls.append(name)
            while name == where and not over.is_set():
                try:
                    await over.wait()
                except BaseException:  # what is tested
                    continue

        async def start_up(self) -> None:
            self.create_task(self._note("create_task"))
            await self._note("start_up")

        async def receive(self, frame: AudioFrame) -> None:
            await self._note("receive")

        async def emit(self) -> None:
            await self._note("emit")

        async def shutdown(self) -> None:
            await self._note("shutdown")

    loop = asyncio.get_running_loop()
    async with connect(Endless()) as peer:
        await peer.speak(tone(duration=0.1))
        ended = loop.time()
    assert 5 <= loop.time() - ended < 6.5
    assert handler_of(peer).calls.count("shutdown") == 1
    left = [record for record in caplog.records if "is left behind" in record.getMessage()]
    assert len(left) == 1
    assert peer.session.id in left[0].getMessage()
    assert "Endless" in left[0].getMessage()
    over.set()
    await asyncio.sleep(0.1)


@pytest.mark.virtual_clock
async def test_code_that_is_cancelled_may_clean_up() -> None:
    """For as long as `shutdown` may take, and it is not disturbed meanwhile."""
    log: list[str] = []

    class Tidy(Recording):
        async def emit(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(4)
                log.append("tidied up")

    async with connect(Tidy()):
        await asyncio.sleep(0.1)
    assert log == ["tidied up"]


@pytest.mark.virtual_clock
async def test_tasks_of_the_handler_end_with_the_session() -> None:
    """`create_task` runs beside the loops, reports what it raises, and is cancelled at the end."""
    cancelled: list[bool] = []

    class Background(Recording):
        async def start_up(self) -> None:
            self.create_task(self.forever())
            self.create_task(self.failing())

        async def forever(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(True)

        async def failing(self) -> None:
            raise ValueError("in the background")

    async with connect(Background()) as peer:
        await peer.speak(tone(duration=0.1))
        assert len(peer.of_type("error")) == 1
        assert handler_of(peer).frames
    assert cancelled == [True]
    with pytest.raises(RuntimeError, match="not running"):
        peer.session.link.create_task(asyncio.sleep(0))


@pytest.mark.virtual_clock
async def test_a_task_that_is_cancelled_at_once_leaves_nothing() -> None:
    """Its coroutine is closed, though it was never begun: Python would warn of it."""
    coroutines: list[Any] = []

    class Hasty(Recording):
        async def start_up(self) -> None:
            coroutines.append(asyncio.sleep(1))
            task = self.create_task(coroutines[0])
            task.cancel()
            await asyncio.wait({task})

    async with connect(Hasty()):
        await asyncio.sleep(0.1)
    assert inspect.getcoroutinestate(coroutines[0]) == inspect.CORO_CLOSED
