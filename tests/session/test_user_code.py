"""Rule 15: what a handler raises ends its own session at most; Rules 2 and 3: `start_up`."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import av
import numpy as np
import pytest

from fastrtc_core import (
    AsyncStreamHandler,
    AudioFrame,
    AudioSource,
    CloseReason,
    HandlerError,
    InvalidFrameError,
    RemoteAudioTrack,
    StreamHandler,
    UserExitError,
)
from fastrtc_core.session import Hooks, reports
from fastrtc_core.session.reports import INTERVAL, MAX_KINDS
from fastrtc_core.session.session import CHANNEL_TIMEOUT, SLOW_START
from fastrtc_core.testing import InProcessPeer, connect, tone

from ..failures import Failure, every_failure, first
from .handlers import Pictures, Recording

pytestmark = pytest.mark.virtual_clock

RATE = 24000


async def await_what_was_cancelled() -> None:
    task = asyncio.create_task(asyncio.sleep(1))
    task.cancel()
    await task


async def leave() -> None:
    sys.exit(1)


async def press_ctrl_c_by_hand() -> None:
    raise KeyboardInterrupt


async def end_a_generator() -> None:
    raise GeneratorExit


EXITS = [leave, press_ctrl_c_by_hand, end_a_generator]


class Failing(Pictures):
    """Fails once in the method of that name, and is itself again after it."""

    def __init__(self, where: str = "", fail: Any = None) -> None:
        super().__init__(output_sample_rate=RATE)
        self.where = where
        self.fail = fail
        self.calls: list[str] = []

    def copy(self) -> Failing:
        return type(self)(self.where, self.fail)

    async def _note(self, where: str) -> None:
        self.calls.append(where)
        if where == self.where and self.calls.count(where) == 1:
            await self.fail()

    async def start_up(self) -> None:
        await self._note("start_up")

    async def shutdown(self) -> None:
        await self._note("shutdown")

    async def receive(self, frame: AudioFrame) -> None:
        await self._note("receive")

    async def emit(self) -> Any:
        await self._note("emit")
        await asyncio.sleep(0.02)
        return (RATE, np.zeros(480, np.int16))

    async def video_receive(self, frame: Any) -> None:
        await self._note("video_receive")

    async def video_emit(self) -> Any:
        await self._note("video_emit")

    async def on_message(self, message: Any) -> None:
        await self._note("on_message")

    async def on_dtmf(self, digit: str) -> None:
        await self._note("on_dtmf")

    async def on_interrupted(self, playback: Any) -> None:
        await self._note("on_interrupted")

    async def on_track(self, source: Any, track: Any) -> None:
        await self._note("on_track")


def failing(peer: InProcessPeer) -> Failing:
    handler = peer.session.handler
    assert isinstance(handler, Failing)
    return handler


async def use(peer: InProcessPeer) -> None:
    """Have everything of a handler called twice and more, where it still stands."""
    handler, session = failing(peer), peer.session
    for turn in range(2):
        peer.send("hello")
        session.take_key("5")
        peer.push_picture(av.VideoFrame(32, 32, "yuv420p"))
        await peer.speak(tone(duration=0.2))
        if session.close_reason is None:
            speech = handler.say(tone(500, 5.0, RATE))
            await asyncio.sleep(0.1)
            handler.interrupt()
            await speech
            session.add_track("screen_share_audio" if turn else "microphone", RemoteAudioTrack())
        await asyncio.sleep(0.1)
    for _ in range(500):  # pictures are converted on threads, for which virtual time hardly waits
        if session.close_reason or handler.calls.count("video_receive") >= 2:
            return
        peer.push_picture(av.VideoFrame(32, 32, "yuv420p"))
        await asyncio.sleep(0.05)


AGAIN = (
    "receive", "emit", "video_receive", "video_emit",
    "on_message", "on_dtmf", "on_interrupted", "on_track",
)  # fmt: skip
BOTH: Any = frozenset({"audio", "video"})


@pytest.mark.parametrize("where", [*AGAIN, "start_up", "shutdown"])
async def test_a_cancellation_of_somebody_else_is_an_error_like_any_other(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported once, and the next call comes; the session goes on to its own end."""
    handler = Failing(where, await_what_was_cancelled)
    async with connect(handler, receives=BOTH, sends=BOTH) as peer:
        await use(peer)
        assert peer.close_reason is None
    calls = failing(peer).calls
    assert all(calls.count(name) >= 2 for name in AGAIN), calls
    assert (calls.count("start_up"), calls.count("shutdown")) == (1, 1)
    records = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(records) == 1
    assert "raised CancelledError" in records[0].getMessage()
    assert len(peer.of_type("error")) == 1


@pytest.mark.parametrize("fail", EXITS, ids=lambda fail: fail.__name__)
@pytest.mark.parametrize("where", [*AGAIN, "start_up"])
async def test_an_exit_ends_its_own_session(
    where: str, fail: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is told, `shutdown` runs once, and a session beside it goes on."""
    async with connect(Recording(), id="other") as other:
        async with connect(Failing(where, fail), receives=BOTH, sends=BOTH) as peer:
            await use(peer)
            assert peer.close_reason is CloseReason.ERROR
        assert failing(peer).calls.count("shutdown") == 1
        assert len(peer.of_type("error")) == 1
        assert peer.of_type("closing") == ["error"]
        await other.speak(tone(duration=0.2))
        handler = other.session.handler
        assert isinstance(handler, Recording)
        assert len(handler.frames) >= 8
    records = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(records) == 1


@pytest.mark.parametrize("fail", EXITS, ids=lambda fail: fail.__name__)
async def test_an_exit_in_shutdown_or_a_hook_harms_nobody(
    fail: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported, and everything is closed as always."""

    async def hook() -> None:
        await fail()

    for handler, hooks in (
        (Failing("shutdown", fail), Hooks()),
        (Failing(), Hooks(on_disconnect=hook)),
    ):
        caplog.clear()
        async with connect(handler, hooks=hooks) as peer:
            await asyncio.sleep(0.1)
        assert peer.session.local_audio is not None
        assert peer.session.local_audio.source.closed
        assert len(caplog.records) == 1
    async with connect(Failing(), hooks=Hooks(on_connect=hook)) as peer:
        await asyncio.sleep(0.1)
        assert peer.close_reason is CloseReason.ERROR
    assert failing(peer).calls == ["shutdown"]


@pytest.mark.parametrize("name", ["on_connect", "on_disconnect"])
@every_failure
async def test_a_hook_may_raise_anything(
    name: str, failure: Failure, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; but for an exit, the session is served as if nothing had been."""
    hooks: Any = Hooks(**{name: first(failure)})
    async with connect(Recording(), hooks=hooks) as peer:
        await peer.speak(tone(duration=0.2))
        handler = peer.session.handler
        assert isinstance(handler, Recording)
        ends = name == "on_connect" and failure.error is UserExitError
        assert bool(handler.frames) != ends
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_an_exit_on_a_thread_ends_its_own_session(kind: type[BaseException]) -> None:
    """Of a sync handler too; its threads end."""

    class Leaving(StreamHandler):
        def receive(self, frame: AudioFrame) -> None:
            raise kind(1)

        def emit(self) -> None:
            return None

        def copy(self) -> Leaving:
            return Leaving()

    async with connect(Leaving()) as peer:
        await peer.speak(tone(duration=0.1))
        await asyncio.sleep(0.1)
        assert peer.close_reason is CloseReason.ERROR
        assert peer.of_type("error") == ["The server failed in receive."]


async def iterates() -> AsyncIterator[Any]:
    yield tone(500, 0.1, RATE)
    await FAILURE[0]()


def iterates_sync() -> Iterator[Any]:
    yield tone(500, 0.1, RATE)
    if FAILURE[0] is await_what_was_cancelled:
        raise asyncio.CancelledError
    sys.exit(1)


async def awaited() -> Any:
    await FAILURE[0]()


FAILURE: list[Any] = [None]


@pytest.mark.parametrize("source", [iterates, iterates_sync, awaited], ids=lambda s: s.__name__)
@pytest.mark.parametrize("fail", [await_what_was_cancelled, leave], ids=lambda f: f.__name__)
async def test_what_is_said_may_raise_anything(source: Callable[[], Any], fail: Any) -> None:
    """A cancellation loses the speech and nothing behind it; an exit ends the session."""
    FAILURE[0] = fail
    async with connect(Recording(output_sample_rate=RATE)) as peer:
        handler = peer.session.handler
        speech = handler.say(source)
        following = handler.say(tone(500, 0.2, RATE))
        assert (await speech).error is not None
        playback = await following
        assert playback.interrupted is (fail is leave)
        await asyncio.sleep(0.1)
        assert peer.close_reason is (CloseReason.ERROR if fail is leave else None)
        assert peer.of_type("error") == ["The server failed in say."]


@pytest.mark.parametrize("fail", [await_what_was_cancelled, leave], ids=lambda f: f.__name__)
async def test_a_task_or_a_voice_may_raise_anything(fail: Any) -> None:
    """As in `create_task` and `tts`; a task that the handler cancels itself is no error."""

    class Voice:
        async def stream_tts(self, text: str) -> AsyncIterator[Any]:
            await fail()
            yield tone(500, 0.1, RATE)

    async with connect(Recording(output_sample_rate=RATE)) as peer:
        handler = peer.session.handler
        await asyncio.sleep(0.1)
        task = handler.create_task(asyncio.sleep(9))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.sleep(0.1)
        assert peer.of_type("error") == []
        handler.tts = Voice()
        await handler.say("Hello.")
        await asyncio.sleep(0.1)
        assert len(peer.of_type("error")) == 1
        assert peer.close_reason is (CloseReason.ERROR if fail is leave else None)
    async with connect(Recording()) as peer:
        await asyncio.sleep(0.1)
        peer.session.handler.create_task(fail())
        await asyncio.sleep(0.1)
        assert peer.of_type("error") == ["The server failed in a task of the handler."]
        assert peer.close_reason is (CloseReason.ERROR if fail is leave else None)


async def test_a_closed_source_of_its_own_ends_no_loop() -> None:
    """It is an error of that call; only the end of the session's own playout ends `emit`."""

    class Pushing(Recording):
        async def receive(self, frame: AudioFrame) -> None:
            await super().receive(frame)
            source = AudioSource()
            await source.aclose()
            await source.capture_frame(AudioFrame(48000, np.zeros((1, 480), np.int16)))

    async with connect(Pushing()) as peer:
        await peer.speak(tone(duration=0.2))
        handler = peer.session.handler
        assert isinstance(handler, Recording)
        assert len(handler.frames) == 10
        assert peer.of_type("error") == ["The server failed in receive."]


# Refusing


@pytest.mark.parametrize("delay", [0.0, SLOW_START + 3])
async def test_start_up_refuses_with_a_handler_error(delay: float) -> None:
    """The client is told why, no frame is delivered after it, and `shutdown` runs once."""

    class Refusing(Recording):
        async def start_up(self) -> None:
            await super().start_up()
            await asyncio.sleep(delay)
            raise HandlerError("Tell us your name first.")

    reasons: list[CloseReason] = []
    async with connect(Refusing(), hooks=Hooks(on_disconnect=reasons.append)) as peer:
        await asyncio.sleep(delay + 0.1)
        await peer.speak(tone(duration=0.2))
        assert peer.close_reason is CloseReason.REFUSED
    assert peer.of_type("error") == ["Tell us your name first."]
    assert peer.of_type("closing") == ["refused"]
    handler = peer.session.handler
    assert isinstance(handler, Recording)
    assert handler.calls == ["start_up", "shutdown"]
    assert reasons == [CloseReason.REFUSED]


async def test_a_refusal_waits_for_the_channel_to_tell_it() -> None:
    """A data channel opens later than the session; one that never does is not waited for."""

    class Refusing(Recording):
        async def start_up(self) -> None:
            raise HandlerError("Not today.")

    async with connect(Refusing(), open_channel=False) as peer:
        await asyncio.sleep(0.5)
        peer.session.open_channel(peer)
        await asyncio.sleep(0.1)
        assert peer.of_type("error") == ["Not today."]
        assert peer.close_reason is CloseReason.REFUSED
    async with connect(Refusing(), open_channel=False) as peer:
        await asyncio.sleep(CHANNEL_TIMEOUT + 0.1)
        assert peer.close_reason is CloseReason.REFUSED


async def test_a_frame_that_start_up_cannot_play_refuses_nobody() -> None:
    """An `InvalidFrameError` is a fault, although its text is shown."""

    class Faulty(Recording):
        async def start_up(self) -> None:
            raise InvalidFrameError("no sound")

    async with connect(Faulty()) as peer:
        await peer.speak(tone(duration=0.2))
        assert peer.of_type("error") == ["no sound"]
        assert peer.close_reason is None


# A start_up that lasts


async def test_frames_are_delivered_beside_a_start_up_that_lasts() -> None:
    """From 2 s on; the client is told once, and what it raises later is reported."""

    class Endless(Recording):
        async def start_up(self) -> None:
            await super().start_up()
            try:
                await asyncio.sleep(5)
                raise ValueError("the model went away")
            except asyncio.CancelledError:
                self.calls.append("cancelled")
                raise

    async with connect(Endless(output_sample_rate=RATE)) as peer:
        handler = peer.session.handler
        assert isinstance(handler, Recording)
        await peer.speak(tone(duration=SLOW_START - 0.1))
        assert handler.calls == ["start_up"]
        handler.to_emit.put_nowait(tone(500, 0.2, RATE))
        await peer.speak(tone(duration=0.5))
        assert handler.calls.count("receive") > 20
        assert len(peer.heard) == 10
        assert len(peer.of_type("warning")) == 1
        await asyncio.sleep(4)
        assert peer.of_type("error") == ["The server failed in start_up."]
        assert len(peer.of_type("warning")) == 1
    async with connect(Endless()) as peer:
        await asyncio.sleep(SLOW_START + 1)
    handler = peer.session.handler
    assert isinstance(handler, Recording)
    assert handler.calls == ["start_up", "cancelled", "shutdown"]


async def test_a_sync_start_up_that_lasts_has_a_thread_of_its_own() -> None:
    """It blocks neither `receive` nor the end of its session."""
    ended = threading.Event()

    class Endless(StreamHandler):
        frames = 0

        def start_up(self) -> None:
            try:
                threading.Event().wait()
            finally:
                ended.set()

        def receive(self, frame: AudioFrame) -> None:
            self.frames += 1

        def emit(self) -> None:
            return None

        def copy(self) -> Endless:
            return Endless()

    async with connect(Endless()) as peer:
        await peer.speak(tone(duration=SLOW_START + 0.3))
        handler = peer.session.handler
        assert isinstance(handler, Endless)
        assert handler.frames > 10
    assert await asyncio.to_thread(ended.wait, 2)


# The same error again and again


@pytest.mark.parametrize("where", ["receive", "emit", "video_receive", "video_emit", "on_message"])
async def test_an_error_on_every_frame_is_counted(
    where: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One record and one message at once, then one of each per interval with a count."""
    monkeypatch.setattr(reports, "INTERVAL", 1.0)

    class Always(Failing):
        async def _note(self, where: str) -> None:
            self.calls.append(where)
            if where == self.where:
                raise ValueError(f"call {len(self.calls)}")

    async with connect(Always(where), receives=BOTH, sends=BOTH) as peer:
        for _ in range(25):
            peer.send("hello")
            peer.push_picture(av.VideoFrame(32, 32, "yuv420p"))
            await peer.speak(tone(duration=0.1))
        first, *counted = [message for message in peer.messages if message.type == "error"]
        assert first.data == f"The server failed in {where}."
        assert len(counted) == 2
        unit = "messages" if where == "on_message" else "frames"
        for message in counted:
            words = str(message.data).split(" ")
            assert message.data == (
                f"The handler failed on {words[4]} {unit}: The log of the server says why."
            )
            assert int(words[4]) >= 1
    records = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(records) == 4, "the first, two intervals, and the rest at the end"
    assert all(record.exc_info for record in records)
    counts = [int(record.getMessage().split(", ")[1].split(" ")[0]) for record in records[1:]]
    assert failing(peer).calls.count(where) == sum(counts)


async def test_different_errors_are_told_apart_up_to_a_bound() -> None:
    """Each text of a `HandlerError` reaches the client, but not one per frame."""

    class Answering(AsyncStreamHandler):
        async def receive(self, frame: AudioFrame) -> None: ...

        async def emit(self) -> None:
            await asyncio.Event().wait()

        async def on_message(self, message: Any) -> None:
            raise HandlerError(f"I do not know {message!r}.")

        def copy(self) -> Answering:
            return Answering()

    async with connect(Answering()) as peer:
        for word in ("one", "two", "two"):
            peer.send(word)
        await asyncio.sleep(0.1)
        assert peer.of_type("error") == ["I do not know 'one'.", "I do not know 'two'."]
        for number in range(100):
            peer.send(number)
        await asyncio.sleep(0.1)
        assert len(peer.of_type("error")) == MAX_KINDS + 1
        await asyncio.sleep(INTERVAL)
        assert "The handler failed on 94 messages: I do not know 99." in peer.of_type("error")
        assert "The handler failed on 2 messages: I do not know 'two'." in peer.of_type("error")
        told = len(peer.messages)
        await asyncio.sleep(5 * INTERVAL)
        assert len(peer.messages) == told
