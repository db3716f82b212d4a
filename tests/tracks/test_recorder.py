"""Recordings: what was said, heard and seen, in a file that anybody can play."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, AudioSource, ConfigurationError, VideoSource
from fastrtc_core.testing import delay_of, fit_sine, longest_silence, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_core.tracks import LocalAudioTrack, LocalVideoTrack, Recorder, RemoteAudioTrack

RATE = 48000


def sound_of(path: Path) -> NDArray[np.float64]:
    """All sound in a file, `(channels, n)`, in units of int16."""
    with av.open(str(path)) as file:
        rate = file.streams.audio[0].rate
        assert rate == RATE
        resampler = av.AudioResampler(format="s16p", layout=file.streams.audio[0].layout)
        parts = [
            part.to_ndarray()
            for frame in file.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    return np.concatenate(parts, axis=1).astype(np.float64)


async def speak(track: RemoteAudioTrack, audio: AudioFrame) -> None:
    """Push audio in real time."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for frame in frames_of(audio):
        due += frame.duration
        await asyncio.sleep(max(0.0, due - loop.time()))
        track.push(frame)


@pytest.mark.parametrize("name", ["call.wav", "call.flac", "call.ogg", "call.m4a", "call.webm"])
async def test_who_speaks_is_left_and_who_answers_right(name: str, tmp_path: Path) -> None:
    """In every kind of file, each at its time, with silence between."""
    path = tmp_path / name
    user, source = RemoteAudioTrack(), AudioSource(24000)
    agent = LocalAudioTrack.create_audio_track("agent", source)
    async with Recorder(path) as recorder:
        recorder.add(user, "left")
        recorder.add(agent, "right")
        await speak(user, tone(500, 0.6))
        await asyncio.sleep(0.4)
        await source.capture_frame(tone(700, 0.6, 24000))
        source.flush()
        await source.wait_for_playout()
        await asyncio.sleep(0.1)
    left, right = sound_of(path)
    length = len(left) / RATE
    assert 1.65 < length < 2.2
    assert recorder.duration == pytest.approx(length, abs=0.1)
    assert abs(delay_of(left, tone(500, 0.6).data, RATE)[1]) > 0.9
    delay, correlation = delay_of(right, tone(700, 0.6).data, RATE)
    # Half a period away a tone is nearly as much like itself, and a codec may make it more so.
    assert abs(correlation) > 0.9
    assert 0.9 < delay < 1.2
    assert longest_silence(left, RATE, threshold=60) > 0.9
    assert longest_silence(right, RATE, threshold=60) > 0.85


async def test_what_was_cleared_is_not_in_it(tmp_path: Path) -> None:
    """Only what was really played: after the interruption there is silence."""
    path = tmp_path / "call.wav"
    source = AudioSource(24000)
    async with Recorder(path, mono=True) as recorder:
        recorder.add(LocalAudioTrack.create_audio_track("agent", source))
        source.try_push(tone(700, 5.0, 24000))
        await asyncio.sleep(0.5)
        source.clear_queue()
        await asyncio.sleep(0.3)
    (sound,) = sound_of(path)
    heard = np.flatnonzero(np.abs(sound) > 100)
    assert 0.4 < (heard[-1] - heard[0]) / RATE < 0.6
    assert fit_sine(sound[heard[0] + 500 : heard[-1] - 500], 700, RATE).snr > 40


async def test_a_film(tmp_path: Path) -> None:
    """Sound and pictures in one file, each picture at its time, scaled where it must be."""
    path = tmp_path / "film.mp4"
    source, pictures = AudioSource(48000), VideoSource()
    async with Recorder(path, video_size=(64, 48)) as recorder:
        recorder.add(LocalAudioTrack.create_audio_track("sound", source))
        recorder.add(LocalVideoTrack.create_video_track("picture", pictures))
        source.try_push(tone(500, 1.0))
        for number in range(20):
            data = np.full((96, 128, 3), 12 * number, np.uint8)
            pictures.capture_frame(av.VideoFrame.from_ndarray(data, format="bgr24"))
            await asyncio.sleep(0.05)
    with av.open(str(path)) as file:
        frames: list[Any] = list(file.decode(video=0))
    assert len(frames) == 20
    assert (frames[0].width, frames[0].height) == (64, 48)
    times = np.array([frame.time for frame in frames])
    assert np.diff(times).min() > 0.02
    assert times[-1] - times[0] == pytest.approx(0.95, abs=0.2)
    levels = [float(frame.to_ndarray(format="gray").mean()) for frame in frames]
    assert np.all(np.diff(levels) > 0)
    assert delay_of(sound_of(path)[0], tone(500, 1.0).data, RATE)[1] > 0.9


async def test_a_process_that_is_killed_leaves_what_was_written(tmp_path: Path) -> None:
    """The fragments of an MP4 can be played before the file is finished."""
    path = tmp_path / "call.mp4"
    user = RemoteAudioTrack()
    async with Recorder(path) as recorder:
        recorder.add(user)
        await speak(user, tone(500, 4.0))
        written = path.read_bytes()
    (copy := tmp_path / "copy.mp4").write_bytes(written)
    assert sound_of(copy).shape[1] > 0.5 * RATE


async def test_what_cannot_be_recorded(tmp_path: Path) -> None:
    """It is said before anything is written."""
    with pytest.raises(ConfigurationError, match="ends in one of"):
        Recorder(tmp_path / "call.xyz")
    with pytest.raises(ConfigurationError, match="video is recorded into"):
        Recorder(tmp_path / "call.wav", video_size=(64, 48))
    recorder = Recorder(tmp_path / "nowhere" / "call.wav")
    with pytest.raises(OSError, match="nowhere"):
        await recorder.start()
    await recorder.aclose()
    async with Recorder(tmp_path / "call.wav") as recorder:
        with pytest.raises(ConfigurationError, match="video_size"):
            recorder.add(LocalVideoTrack(VideoSource()))
        with pytest.raises(ConfigurationError, match="once"):
            await recorder.start()
    await recorder.aclose()
    with pytest.raises(ConfigurationError, match="running"):
        recorder.add(RemoteAudioTrack())
