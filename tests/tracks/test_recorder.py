"""Recordings: what was said, heard and seen, in a file that anybody can play."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, AudioSource, ConfigurationError, VideoSource
from fastrtc_core.media.timeline import TOLERANCE, Timeline
from fastrtc_core.testing import delay_of, fit_sine, longest_silence, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_core.tracks import LocalAudioTrack, LocalVideoTrack, Recorder, RemoteAudioTrack

from ..examples import tries

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


@pytest.mark.virtual_clock
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


@pytest.mark.virtual_clock
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


@pytest.mark.virtual_clock
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


def clicks(sound: NDArray[np.float64], level: float = 0.1) -> list[float]:
    """When in s something is louder than this, each group once."""
    loud = np.flatnonzero(np.abs(sound) > level * 32768)
    starts = loud[np.diff(loud, prepend=-RATE) > 0.02 * RATE]
    return [round(float(start) / RATE, 2) for start in starts]


def with_beeps(seconds: float, *times: float) -> AudioFrame:
    """Silence, and 50 ms of a tone at these times."""
    data = np.zeros((1, round(seconds * RATE)), np.int16)
    beep = tone(1000, 0.05, RATE, 0.4).data
    for time in times:
        start = round(time * RATE)
        data[:, start : start + beep.shape[1]] = beep
    return AudioFrame(RATE, data)


@pytest.mark.virtual_clock
async def test_tracks_of_one_side_are_mixed(tmp_path: Path) -> None:
    """On one time, each at its level."""
    path = tmp_path / "call.wav"
    async with Recorder(path) as recorder, asyncio.TaskGroup() as tasks:
        one, two = RemoteAudioTrack(), RemoteAudioTrack()
        for track in (one, two):
            recorder.add(track, "left")
        tasks.create_task(speak(one, with_beeps(3.0, 0.5, 2.0)))
        tasks.create_task(speak(two, with_beeps(3.0, 1.0, 2.0, 2.5)))
    left, right = sound_of(path)
    assert clicks(left) == pytest.approx([0.5, 1.0, 2.0, 2.5], abs=0.021)
    assert not right.any()
    assert np.abs(left).max() == pytest.approx(0.8 * 32768, rel=0.05)
    assert not recorder._timeline._lanes[0].queued


@pytest.mark.virtual_clock
@pytest.mark.parametrize("stall", [0.3, 1.0, 1.8])
async def test_a_stall_moves_no_side(stall: float, tmp_path: Path) -> None:
    """What comes late is where it was said, and so is all that follows."""
    path = tmp_path / "call.wav"
    beeps = [0.5, 1.3, 2.0, 3.0, 4.5]
    audio = with_beeps(5.0, *beeps)
    loop = asyncio.get_running_loop()
    async with Recorder(path) as recorder, asyncio.TaskGroup() as tasks:
        begun = loop.time()
        steady, moody = RemoteAudioTrack(), RemoteAudioTrack()
        recorder.add(steady, "left")
        recorder.add(moody, "right")
        tasks.create_task(speak(steady, audio))
        for number, frame in enumerate(frames_of(audio), 1):
            due = 0.02 * number
            if 1.2 < due < 1.2 + stall:
                due = 1.2 + stall
            await asyncio.sleep(max(0.0, begun + due - loop.time()))
            moody.push(frame)
    left, right = sound_of(path)
    assert clicks(left) == pytest.approx(beeps, abs=0.021)
    assert clicks(right) == pytest.approx(beeps, abs=0.021)


@given(
    stalls=st.lists(st.tuples(st.integers(0, 200), st.floats(0, 0.6)), max_size=3),
    sizes=st.lists(st.sampled_from([480, 960, 2777, 4800]), min_size=1, max_size=4),
    ppm=st.sampled_from([0, 0, -3000, 300, 3000]),
)
@settings(max_examples=30, deadline=None)
def test_sound_is_recorded_when_it_was_made(
    stalls: list[tuple[int, float]], sizes: list[int], ppm: int
) -> None:
    """Whatever the stalls, if all together are shorter than the recorder waits; all of it.

    A clock that differs moves it by no more than it differs, and by what counts as jitter.
    """
    rate = 8000
    timeline = Timeline(rate, 1)
    lane = timeline.add(0)
    made = (np.arange(8 * rate) % 30000 + 100).astype(np.int16)
    taken: list[NDArray[np.int16]] = []
    free = position = number = 0
    due = sorted((at * rate // 50, round(length * rate)) for at, length in stalls)
    while position < len(made):
        piece = made[position : position + sizes[number % len(sizes)] * rate // RATE + 1]
        number += 1
        position += len(piece)
        said = round(position / (1 + ppm / 1e6))
        while due and due[0][0] <= said:
            at, length = due.pop(0)
            # The path lets nothing through for so long; two stalls are no longer one.
            free = max(free, at + length)
        now = max(said, free)
        taken.append(timeline.take(now - 2 * rate)[0])
        lane.push(piece[None], now)
    taken.append(timeline.take(len(made) + rate)[0])
    heard = np.concatenate(taken)
    assert np.array_equal(heard[heard != 0], made)
    assert lane.dropped == 0
    off = np.abs(np.flatnonzero(heard) - np.arange(len(made)) / (1 + ppm / 1e6))
    assert off.max() <= (0 if ppm == 0 else (TOLERANCE + 3000e-6 * 8) * rate + 1)


def test_what_comes_ahead_of_time_is_bounded() -> None:
    """It is kept for a while, in order; its silence gives way, and the rest is counted."""
    rate = 8000
    timeline = Timeline(rate, 1)
    lane = timeline.add(0)
    loud, silent = np.full((1, 160), 999, np.int16), np.zeros((1, 160), np.int16)
    for _ in range(50 * 60):
        lane.push(loud, 160)
    assert lane.queued == pytest.approx(15 * rate, abs=320)
    assert lane.queued + lane.dropped == 60 * rate
    before = lane.queued
    lane.push(silent, 160)
    assert lane.queued == before
    lane.closed = True
    assert np.all(timeline.take(before) == 999)
    assert not timeline._lanes


Taken = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(1, 1500)),
        st.tuples(st.just("silence"), st.integers(1, 800)),
        st.tuples(st.just("wait"), st.integers(0, 3000)),
        st.tuples(st.just("take back"), st.integers(0, 2000)),
        st.tuples(st.just("write"), st.just(0)),
    ),
    max_size=40,
)


@given(Taken)
@example([("push", 1500), ("silence", 800), ("take back", 1000)])
@example([("push", 1500), ("silence", 800), ("push", 10), ("take back", 500), ("take back", 600)])
@settings(max_examples=tries(150), deadline=None)
def test_what_is_taken_back_is_not_written(steps: list[tuple[str, int]]) -> None:
    """Exactly that, whatever the lengths and pauses; what was written before stays."""
    made, rate = 100, 8000
    timeline = Timeline(rate, 1)
    lane = timeline.add(0)
    now = 0
    pushed: list[int] = []
    """What was not written yet."""
    written: list[NDArray[np.int16]] = []
    kept: list[int] = []
    for step, count in steps:
        if step == "wait":
            now += count
        elif step == "push":
            piece = np.arange(made, made + count).astype(np.int16)
            made += count
            lane.push(piece[None], now)
            pushed += piece.tolist()
        elif step == "silence":
            lane.push(np.zeros((1, count), np.int16), now)
            pushed += [0] * count
        elif step == "take back":
            gone = pushed[len(pushed) - min(count, len(pushed)) :]
            del pushed[len(pushed) - len(gone) :]
            lane.take_back(count)
        else:
            written.append(timeline.take(max(0, now - rate // 4))[0])
            kept = [sample for sample in np.concatenate(written).tolist() if sample]
            if kept and kept[-1] in pushed:
                del pushed[: pushed.index(kept[-1]) + 1]
    written.append(timeline.take(now + 20 * rate)[0])
    heard = np.concatenate(written)
    assert heard[heard != 0].tolist() == kept + [sample for sample in pushed if sample]
