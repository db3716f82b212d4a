"""Pictures that are shown when their sound is played."""

from __future__ import annotations

import asyncio

import av
import numpy as np
import pytest

from fastrtc_core import AudioFrame, AudioSource, SourceClosedError, VideoSource
from fastrtc_core.tracks import AVSynchronizer, LocalAudioTrack, LocalVideoTrack

pytestmark = pytest.mark.virtual_clock
RATE = 48000


def picture() -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.zeros((4, 4, 3), np.uint8), format="bgr24")


def sound(seconds: float) -> AudioFrame:
    return AudioFrame(RATE, np.ones((1, round(seconds * RATE)), np.int16))


class Stage:
    """Two sources that are played, and when each picture was shown."""

    def __init__(self) -> None:
        self.audio, self.video = AudioSource(queue_size_ms=500), VideoSource()
        self.shown: list[float] = []
        self.begun = 0.0
        self._tracks = LocalAudioTrack(self.audio), LocalVideoTrack(self.video)
        self._tracks[1]._attach(self)
        self._tracks[0]._attach(_Ear(self))

    def _push(self, frame: av.VideoFrame) -> None:
        self.shown.append(asyncio.get_running_loop().time())

    def _end(self) -> None: ...


class _Ear:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def _push(self, frame: AudioFrame) -> None:
        self._stage.begun = self._stage.begun or asyncio.get_running_loop().time()

    def _end(self) -> None: ...


async def test_a_producer_faster_than_real_time() -> None:
    """Each picture is shown within a frame of its sound, although all were made at once."""
    stage = Stage()
    await asyncio.sleep(5)
    async with AVSynchronizer(stage.audio, stage.video) as synchronizer:
        for number in range(50):  # 2 s at 25 pictures a second
            await synchronizer.push(picture(), number * 0.04)
            await synchronizer.push(sound(0.04))
        await stage.audio.wait_for_playout()
        assert synchronizer.dropped == 0
    times = np.array(stage.shown) - stage.begun
    assert len(times) == 50
    assert np.abs(times - np.arange(50) * 0.04).max() <= 0.025
    await stage.audio.aclose()


async def test_pictures_follow_a_pause_and_a_clear() -> None:
    """They stand still with the sound, and those of cleared sound are dropped."""
    stage = Stage()
    async with AVSynchronizer(stage.audio, stage.video) as synchronizer:
        for _ in range(10):
            await synchronizer.push(picture())
            await synchronizer.push(sound(0.04))
        await asyncio.sleep(0.1)
        stage.audio.pause()
        await asyncio.sleep(0.02)
        count = len(stage.shown)
        await asyncio.sleep(1)
        assert len(stage.shown) == count < 10
        stage.audio.clear_queue()
        assert len(stage.shown) == count + 1, "the latest of what was cleared"
        assert synchronizer.dropped == 10 - count - 1
    await stage.audio.aclose()


async def test_a_producer_of_pictures_alone_is_held_back() -> None:
    """Until there is sound for them, or the end."""
    stage = Stage()
    synchronizer = AVSynchronizer(stage.audio, stage.video)

    async def produce() -> None:
        for number in range(100):
            await synchronizer.push(picture(), 1.0 + number)

    producing = asyncio.create_task(produce())
    await asyncio.sleep(1)
    assert not producing.done()
    synchronizer.close()
    synchronizer.close()
    with pytest.raises(SourceClosedError):
        await producing
    assert synchronizer.dropped == 60
    assert stage.shown == []
    with pytest.raises(SourceClosedError):
        await synchronizer.push(sound(0.02))
