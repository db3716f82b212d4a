"""Many tracks in one."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, AudioStream, ConfigurationError
from fastrtc_core.media.mixing import mix
from fastrtc_core.testing import fit_sine, longest_silence, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_core.tracks import AudioMixer, RemoteAudioTrack

virtual = pytest.mark.virtual_clock
RATE = 48000


async def speak(track: RemoteAudioTrack, audio: AudioFrame, jitter: float = 0.0) -> None:
    """Push audio in real time, each frame up to so many s late."""
    loop = asyncio.get_running_loop()
    random = np.random.default_rng(0)
    due = loop.time()
    for frame in frames_of(audio):
        due += frame.duration
        await asyncio.sleep(max(0.0, due + random.uniform(0, jitter) - loop.time()))
        track.push(frame)


async def listen(mixer: AudioMixer, sound: list[NDArray[np.int16]]) -> None:
    async for event in AudioStream(mixer.track, capacity=10_000):
        sound.append(event.frame.data[0])


@given(st.lists(st.lists(st.integers(-32768, 32767), min_size=4, max_size=4), min_size=1))
def test_the_sum_clips_and_never_wraps(parts: list[list[int]]) -> None:
    """In every sample."""
    mixed = mix([np.array([part], np.int16) for part in parts])
    sums = [max(-32768, min(32767, sum(column))) for column in zip(*parts, strict=True)]
    assert mixed.dtype == np.int16
    assert mixed[0].tolist() == sums


@virtual
async def test_everybody_is_heard() -> None:
    """At their level, whatever their rate, without a gap although they are not in step."""
    heard: list[NDArray[np.int16]] = []
    async with AudioMixer() as mixer, asyncio.TaskGroup() as tasks:
        tasks.create_task(listen(mixer, heard))
        one, two = RemoteAudioTrack(), RemoteAudioTrack()
        mixer.add(one)
        mixer.add(one)
        mixer.add(two)
        await asyncio.sleep(0)
        async with asyncio.TaskGroup() as speakers:
            speakers.create_task(speak(one, tone(500, 2.0, RATE, 0.3), jitter=0.01))
            await asyncio.sleep(0.007)
            speakers.create_task(speak(two, tone(1100, 2.0, 16000, 0.3), jitter=0.01))
        await asyncio.sleep(0.2)
        await mixer.aclose()
    sound = np.concatenate(heard)[RATE // 2 : 3 * RATE // 2]
    assert fit_sine(sound, 500, RATE).amplitude == pytest.approx(0.3 * 32768, rel=0.02)
    assert fit_sine(sound, 1100, RATE).amplitude == pytest.approx(0.3 * 32768, rel=0.02)
    assert longest_silence(sound, RATE) < 0.002


@virtual
async def test_an_input_that_stalls_delays_no_other() -> None:
    """It is silent meanwhile, and heard again when it comes back."""
    heard: list[NDArray[np.int16]] = []
    async with AudioMixer() as mixer, asyncio.TaskGroup() as tasks:
        tasks.create_task(listen(mixer, heard))
        steady, moody = RemoteAudioTrack(), RemoteAudioTrack()
        for track in (steady, moody):
            mixer.add(track)
        await asyncio.sleep(0)

        async def stall() -> None:
            await speak(moody, tone(1100, 0.5, RATE, 0.3))
            await asyncio.sleep(1.0)
            await speak(moody, tone(1100, 0.5, RATE, 0.3))

        async with asyncio.TaskGroup() as speakers:
            speakers.create_task(speak(steady, tone(500, 2.0, RATE, 0.3)))
            speakers.create_task(stall())
        await asyncio.sleep(0.2)
        await mixer.aclose()
    sound = np.concatenate(heard)
    assert len(sound) / RATE == pytest.approx(2.0, abs=0.1)
    assert fit_sine(sound[int(0.7 * RATE) : int(1.4 * RATE)], 500, RATE).snr > 30
    last = sound[int(1.7 * RATE) : int(1.9 * RATE)]
    assert fit_sine(last, 1100, RATE).amplitude == pytest.approx(0.3 * 32768, rel=0.05)


@virtual
async def test_silence_costs_nothing() -> None:
    """While nobody delivers anything there is no frame, and no timer."""
    async with AudioMixer() as mixer:
        track = RemoteAudioTrack()
        mixer.add(track)
        track.push(tone(500, 0.1))
        await asyncio.sleep(1)
        frames = mixer.track.frames
        await asyncio.sleep(600)
        assert 5 <= frames == mixer.track.frames
        assert mixer._timer is None


@virtual
async def test_inputs_come_and_go() -> None:
    """One that ends is played to its end; one that is removed is silent at once."""
    async with AudioMixer(16000, 2) as mixer:
        stream = AudioStream(mixer.track, sample_rate=16000, num_channels=2)
        short, removed = RemoteAudioTrack(), RemoteAudioTrack()
        mixer.add(short)
        mixer.add(removed)
        short.push(tone(500, 0.005, RATE, 0.3))
        short.end()
        await asyncio.sleep(0.1)
        assert short not in mixer._inputs
        assert stream.statistics().received == 1
        removed.push(tone(500, 0.2))
        mixer.remove(removed)
        mixer.remove(removed)
        await asyncio.sleep(0.1)
        assert stream.statistics().received == 1
        assert not removed._readers
    with pytest.raises(ConfigurationError, match="closed"):
        mixer.add(short)


@virtual
async def test_an_input_in_haste_loses_its_oldest() -> None:
    """Half a second may wait; the rest is counted."""
    async with AudioMixer() as mixer:
        track = RemoteAudioTrack()
        mixer.add(track)
        for frame in frames_of(tone(500, 2.0)):
            track.push(frame)
        assert mixer.dropped(track) == 1.5 * RATE


async def test_a_mix_that_makes_no_sense() -> None:
    """Is refused where it is made."""
    for arguments in ({"sample_rate": 11025}, {"num_channels": 3}):
        with pytest.raises(ConfigurationError):
            AudioMixer(**arguments)
