"""Audio and video of one session stay together."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import av
import numpy as np
import pytest

from fastrtc_core import AudioFrame, AudioSource, EndOfStreamError, VideoSource
from fastrtc_core.media.session_clock import SessionClock
from fastrtc_core.tracks import LocalAudioTrack, LocalVideoTrack


@pytest.mark.virtual_clock
async def test_audio_and_video_stay_within_45_ms_over_ten_minutes() -> None:
    """What is pushed together carries timestamps that are less than 45 ms apart.

    Ten minutes in real time, with jitter of a few ms, clocks that are not ours, and pauses from
    20 ms to 5 s.
    """
    random = np.random.default_rng(7)
    loop = asyncio.get_running_loop()
    clock = SessionClock(0.0)
    sound, pictures = AudioSource(24000), VideoSource()
    audio_times: list[float] = []
    video_times: list[float] = []

    async def listen() -> None:
        track = LocalAudioTrack(sound, clock)
        with suppress(EndOfStreamError):
            while True:
                audio_times.append((await track.next_frame()).timestamp / 24000)

    async def watch() -> None:
        track = LocalVideoTrack(pictures, clock)
        with suppress(EndOfStreamError):
            while True:
                video_times.append((await track.next_frame()).time)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listen())
        tasks.create_task(watch())
        due = 0.0
        while due < 600:
            due += 0.02 * (1 + 2e-4)
            if random.random() < 0.01:
                due += float(random.uniform(0.02, 5.0))
            jitter = float(random.exponential(0.003))
            await asyncio.sleep(max(0.0, due + jitter - loop.time()))
            await sound.capture_frame(AudioFrame(24000, np.ones((1, 480), np.int16)))
            pictures.capture_frame(av.VideoFrame(16, 16, "yuv420p"))
        await asyncio.sleep(1)
        await sound.aclose()
        await pictures.aclose()
    assert len(audio_times) == len(video_times) > 10_000
    assert np.abs(np.subtract(audio_times, video_times)).max() < 0.045
