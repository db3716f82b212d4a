"""The video loops as a handler and its client see them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import av
import numpy as np
import pytest

from fastrtc_core import AdditionalOutputs, AudioVideoStreamHandler, VideoStreamHandler
from fastrtc_core.media.pictures import PictureConverter
from fastrtc_core.testing import InProcessPeer, connect

from .handlers import Pictures

BOTH: Any = frozenset({"audio", "video"})
VIDEO: Any = frozenset({"video"})


def picture(value: int = 0, width: int = 64, height: int = 48) -> av.VideoFrame:
    """A grey picture."""
    array = np.full((height, width, 3), value, np.uint8)
    return av.VideoFrame.from_ndarray(array, format="bgr24")


def level(frame: av.VideoFrame) -> int:
    """The value of the first pixel."""
    return int(frame.to_ndarray(format="bgr24")[0, 0, 0])


async def show(peer: InProcessPeer, count: int, fps: float = 30) -> list[float]:
    """Push pictures at a rate; each carries its number, and its time is returned."""
    loop = asyncio.get_running_loop()
    times = []
    due = loop.time()
    for number in range(count):
        await asyncio.sleep(max(0.0, due - loop.time()))
        due += 1 / fps
        times.append(loop.time())
        peer.push_picture(picture(number % 256))
    await asyncio.sleep(1 / fps)
    return times


def pictures_of(peer: InProcessPeer) -> Pictures:
    handler = peer.session.handler
    assert isinstance(handler, Pictures)
    return handler


@pytest.mark.parametrize(
    ("video_format", "shape"), [("bgr24", (48, 64, 3)), ("rgb24", (48, 64, 3)), ("gray", (48, 64))]
)
async def test_pictures_come_in_the_format_of_the_handler(
    video_format: str, shape: tuple[int, ...]
) -> None:
    """uint8 arrays of the stated shape, and what is emitted is read the same way."""

    class Formatted(Pictures):
        async def video_receive(self, frame: Any) -> None:
            await super().video_receive(frame)
            self.to_show.put_nowait(frame)

    Formatted.video_format = video_format  # type: ignore[assignment]
    async with connect(Formatted(), receives=BOTH, sends=BOTH) as peer:
        await show(peer, 5)
        await asyncio.sleep(0.1)
        got = pictures_of(peer).pictures
        assert got
        assert {(p.shape, p.dtype) for p in got} == {(shape, np.dtype(np.uint8))}
        assert peer.seen
        assert (peer.seen[-1][1].width, peer.seen[-1][1].height) == (64, 48)


async def test_the_untouched_frame_is_handed_over_on_request() -> None:
    """With `video_format = "frame"` nothing is converted."""

    class Raw(Pictures):
        video_format = "frame"

    async with connect(Raw(), receives=BOTH, sends=BOTH) as peer:
        frame = picture(7)
        peer.push_picture(frame)
        await asyncio.sleep(0.05)
        (got,) = pictures_of(peer).pictures
        assert isinstance(got, av.VideoFrame)
        assert got is not frame  # somebody else may convert that one
        np.testing.assert_array_equal(got.to_ndarray(), frame.to_ndarray())


async def test_wrong_pictures_are_errors_for_the_client() -> None:
    """Each wrong shape or dtype is named; the next picture is shown."""
    wrong: list[Any] = [
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((48, 64, 3), np.float32),
        np.zeros((0, 64, 3), np.uint8),
        "picture",
    ]
    async with connect(Pictures(fps=100), receives=BOTH, sends=BOTH) as peer:
        for item in [*wrong, np.zeros((48, 64, 3), np.uint8)]:
            pictures_of(peer).to_show.put_nowait(item)
        for _ in range(100):
            await asyncio.sleep(0.01)
            if peer.seen:
                break
        errors = peer.of_type("error")
        assert len(errors) == len(wrong)
        assert "(48, 64, 4)" in errors[1]
        assert "float32" in errors[2]
        assert len(peer.seen) == 1


async def test_a_slow_video_handler_gets_the_latest_picture() -> None:
    """With 100 ms of work per picture, no picture is older than 300 ms, sync and async."""

    class SlowSync(AudioVideoStreamHandler):
        ages: list[float]
        times: list[float]

        def receive(self, frame: Any) -> None: ...
        def emit(self) -> None: ...
        def video_receive(self, frame: Any) -> None:
            time.sleep(0.1)
            self.ages.append(time.monotonic() - self.times[int(frame[0, 0, 0])])

        def video_emit(self) -> None: ...
        def copy(self) -> SlowSync:
            return SlowSync()

    class SlowAsync(Pictures):
        ages: list[float]
        times: list[float]

        async def video_receive(self, frame: Any) -> None:
            await asyncio.sleep(0.1)
            self.ages.append(time.monotonic() - self.times[int(frame[0, 0, 0])])

    for handler in (SlowSync(), SlowAsync()):
        async with connect(handler, receives=BOTH, sends=BOTH) as peer:
            copy: Any = peer.session.handler
            copy.ages, copy.times = [], []
            for number in range(45):
                copy.times.append(time.monotonic())
                peer.push_picture(picture(number))
                await asyncio.sleep(1 / 30)
            assert len(copy.ages) >= 8
            assert max(copy.ages) < 0.3
            stream = peer.session.media.video_stream
            assert stream is not None
            assert stream.dropped >= 20


async def test_a_picture_that_no_handler_takes_is_not_converted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has been decoded, as others refer to it, and costs nothing more."""
    converted, taken = 0, 0
    original = PictureConverter.array

    def array(self: PictureConverter, frame: av.VideoFrame, format: str) -> Any:
        nonlocal converted
        converted += 1
        return original(self, frame, format)

    def slow(frame: Any) -> None:
        nonlocal taken
        taken += 1
        time.sleep(0.1)

    monkeypatch.setattr(PictureConverter, "array", array)
    async with connect(VideoStreamHandler(slow, skip_frames=True), receives=VIDEO) as peer:
        await show(peer, 30)
    assert 5 <= taken <= 14
    assert converted == taken


async def test_a_sync_filter_runs_off_the_event_loop() -> None:
    """What a function returns is shown, with its additional outputs published."""
    threads = set()

    def invert(frame: Any) -> Any:
        threads.add(threading.current_thread())
        return 255 - frame, AdditionalOutputs(int(frame[0, 0, 0]))

    handler = VideoStreamHandler(invert)
    async with connect(handler, receives=VIDEO, sends=VIDEO) as peer:
        await show(peer, 10)
        await asyncio.sleep(0.2)
        assert len(peer.seen) >= 9
        assert {level(frame) for _, frame in peer.seen} <= set(range(245, 256))
        assert peer.session.outputs.latest is not None
        assert threading.main_thread() not in threads


async def test_a_filter_waits_for_the_inputs_it_cannot_do_without() -> None:
    """Required additional inputs come first; then every picture is processed with them."""

    async def add(frame: Any, amount: int) -> Any:
        return frame + np.uint8(amount)

    async with connect(VideoStreamHandler(add), receives=VIDEO, sends=VIDEO) as peer:
        await show(peer, 3)
        assert peer.seen == []
        assert peer.of_type("error") == []
        peer.send([100], type="send_input")
        await show(peer, 3)
        await asyncio.sleep(0.1)
        assert {level(frame) for _, frame in peer.seen} <= {100, 101, 102}
        assert peer.seen


async def test_fps_bounds_what_a_filter_processes() -> None:
    """A filter of 10 pictures per second gets about ten of thirty."""
    calls = []
    handler = VideoStreamHandler(lambda frame: calls.append(1), fps=10)
    async with connect(handler, receives=VIDEO, sends=VIDEO) as peer:
        await show(peer, 30)
        assert 8 <= len(calls) <= 13


async def test_skip_frames_keeps_the_latest_alone() -> None:
    """A filter that hiccups once loses no picture, unless it skips frames."""
    seen: dict[bool, int] = {}
    for skip in (False, True):
        calls = 0

        def hiccup(frame: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 3:
                time.sleep(0.09)
            return frame

        handler = VideoStreamHandler(hiccup, skip_frames=skip)
        async with connect(handler, receives=VIDEO, sends=VIDEO) as peer:
            await show(peer, 12)
            await asyncio.sleep(0.1)
        seen[skip] = calls
    assert seen[False] == 12
    assert seen[True] < 12


async def test_video_emit_is_called_at_most_fps_times_a_second() -> None:
    """A handler that always has a picture is asked thirty times a second."""

    class Endless(Pictures):
        async def video_emit(self) -> Any:
            return np.zeros((48, 64, 3), np.uint8)

    async with connect(Endless(fps=30), receives=BOTH, sends=BOTH) as peer:
        await asyncio.sleep(1)
        assert 20 <= len(peer.seen) <= 33
