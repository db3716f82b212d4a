"""Many tracks in one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, AudioStream, ConfigurationError, Participant
from fastrtc_core.media.elastic import ElasticBuffer
from fastrtc_core.room.room_mixer import RoomMixer
from fastrtc_core.testing import (
    delay_of,
    fit_sine,
    longest_silence,
    noise,
    run_virtual,
    speech_like,
    tone,
)
from fastrtc_core.testing.signals import frames_of
from fastrtc_core.tracks import AudioMixer, RemoteAudioTrack
from fastrtc_core.tracks.audio_mixer import sum_of

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
    mixed = sum_of([np.array([part], np.int16) for part in parts])
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
        assert mixer.idle


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
        assert not removed.readers
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


Hear = Callable[[AudioFrame, list[float]], NDArray[np.int16]]
"""What is heard of a voice whose frames come at these times, from the first of them on."""


def in_a_mix(voice: AudioFrame, times: list[float]) -> NDArray[np.int16]:
    heard: list[tuple[float, NDArray[np.int16]]] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        async with AudioMixer() as mixer:
            track = RemoteAudioTrack()
            mixer.add(track)
            stream = AudioStream(mixer.track)

            async def listen() -> None:
                async for event in stream:
                    heard.append((loop.time() - begun, event.frame.data[0]))

            begun = loop.time()
            listening = asyncio.create_task(listen())
            await deliver(track, voice, times)
            await mixer.aclose()
            await listening

    run_virtual(scene())
    return at_their_times(heard)


def in_a_room(voice: AudioFrame, times: list[float]) -> NDArray[np.int16]:
    heard: list[tuple[float, NDArray[np.int16]]] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        mixer = RoomMixer(lambda uid: None)
        track, speaker = RemoteAudioTrack(), Participant("0")
        speaker.publish("microphone", track)
        mixer.add_speaker(0, speaker)
        mixer.add_listener(1, lambda mix: heard.append((loop.time() - begun, mix.data[0])))
        begun = loop.time()
        await deliver(track, voice, times)
        mixer.close()

    run_virtual(scene())
    return at_their_times(heard)


async def deliver(track: RemoteAudioTrack, voice: AudioFrame, times: list[float]) -> None:
    """Push each frame at its time, and wait until everything was heard."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for frame, time in zip(frames_of(voice), times, strict=True):
        await asyncio.sleep(max(0.0, begun + time - loop.time()))
        track.push(frame)
    await asyncio.sleep(0.5)


def at_their_times(heard: list[tuple[float, NDArray[np.int16]]]) -> NDArray[np.int16]:
    sound = np.zeros(round((heard[-1][0] + 0.1) * RATE), np.int16)
    for time, data in heard:
        sound[round(time * RATE) :][: len(data)] = data
    return sound


def times_of(voice: AudioFrame, ppm: float = 0.0) -> list[float]:
    """When the frames come from a sender whose clock is so much too fast."""
    return [0.02 * n / (1 + ppm / 1e6) for n in range(round(voice.duration / 0.02))]


def lateness(sound: NDArray[np.int16], voice: AudioFrame, time: float) -> float:
    """How late in s half a second of the voice is heard that was said at a time."""
    said = voice.data[0, round(time * RATE) : round((time + 0.5) * RATE)]
    delay, likeness = delay_of(sound[round(time * RATE) :][: 3 * RATE // 4], said, RATE)
    assert likeness > 0.9
    return delay


@pytest.mark.parametrize("hear", [in_a_mix, in_a_room])
@pytest.mark.parametrize("stall", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("pauses", [False, True])
def test_a_stall_costs_no_delay_for_good(hear: Hear, stall: float, pauses: bool) -> None:
    """Three seconds later, everything is as it was before, be there pauses or none."""
    voice = noisy_voice(6.0, pauses)
    times = [max(t, 1.0 + stall) if t > 1.0 else t for t in times_of(voice)]
    sound = hear(voice, times)
    before, after = lateness(sound, voice, 0.4), lateness(sound, voice, 1.0 + stall + 2.95)
    assert after == pytest.approx(before, abs=0.04)


@pytest.mark.parametrize(
    ("hear", "ppm"),
    [
        (in_a_mix, -3000),
        (in_a_room, 3000),
        pytest.param(in_a_mix, 3000, marks=pytest.mark.soak),
        pytest.param(in_a_room, -3000, marks=pytest.mark.soak),
    ],
)
def test_clocks_that_differ_make_no_holes(hear: Hear, ppm: float) -> None:
    """Nor clicks, nor a delay that grows."""
    voice = tone(500, 25.0, RATE, 0.3)
    times = times_of(voice, ppm)
    sound = hear(voice, times)[RATE // 2 : round((times[-1] - 0.5) * RATE)]
    assert longest_silence(sound, RATE, 50) < 0.002
    assert fit_sine(sound[-RATE // 2 :], 500, RATE).snr > 20
    assert np.abs(np.diff(sound.astype(int))).max() < 1.2 * 0.3 * 32768 * 2 * np.pi * 500 / RATE
    assert len(hear(voice, times)) / RATE == pytest.approx(times[-1], abs=0.3)


def noisy_voice(seconds: float, pauses: bool) -> AudioFrame:
    """A voice with a little noise, which is found again by correlation; silent at times."""
    voice = speech_like(seconds, RATE).data.astype(np.float64)
    voice += 0.3 * noise(seconds, RATE).data[:, : voice.shape[1]]
    if pauses:
        voice *= np.arange(voice.shape[1]) % round(0.7 * RATE) < 0.45 * RATE
    return AudioFrame(RATE, voice.astype(np.int16))


@given(
    st.lists(
        st.tuples(st.integers(0, 120), st.sampled_from([0.0, 0.03, 0.2, 0.5])),
        max_size=6,
    ),
    st.integers(-3000, 3000),
    st.sampled_from([160, 480, 960, 1111, 4800]),
)
@settings(max_examples=25, deadline=None)
def test_delay_returns_whatever_the_stalls(
    stalls: list[tuple[int, float]], ppm: int, size: int
) -> None:
    """Of any length, in pieces of any length, at any drift: in the end, it is whole and in time."""
    buffer = ElasticBuffer(RATE, 1, 960)
    voice = tone(210, 1.0, RATE, 0.3).data
    now, free = 0.0, 0.0  # when the sender has a piece, and when the path lets it through
    due = iter(sorted(stalls))
    stall = next(due, None)
    arrivals: list[float] = []
    for _ in range(9 * RATE // size):
        now += size / RATE / (1 + ppm / 1e6)
        while stall is not None and stall[0] * 0.02 <= now:
            free = max(free, now) + stall[1]
            stall = next(due, None)
        arrivals.append(max(now, free))
    fed = broken = 0
    left: list[int] = []
    waiting = deque(arrivals)
    for tick in range(int(arrivals[-1] / 0.02)):
        while waiting and waiting[0] <= 0.02 * tick:
            waiting.popleft()
            start = fed % (RATE - size)
            buffer.push(voice[:, start : start + size])
            fed += size
        if buffer.queued >= 960:
            buffer.take()
        else:
            buffer.rest()
            broken = tick
        left.append(buffer.queued)
    assert min(left[-100:]) <= 2.75 * 960
    assert broken < len(left) - 100


def pushed_at(
    seconds: float, size: int, ppm: int, stalls: list[tuple[int, float]]
) -> list[tuple[float, float]]:
    """When each piece of so many samples was made, and when it comes.

    Args:
        seconds: Of audio.
        size: Of a piece.
        ppm: By how much the clock of the sender is fast.
        stalls: When the path begins to let nothing through, in frames, and for how long in s.
    """
    due = sorted((0.02 * frame, length) for frame, length in stalls)
    free, times = 0.0, []
    for number in range(1, int(seconds * RATE / size)):
        made = number * size / RATE / (1 + ppm / 1e6)
        while due and due[0][0] <= made:
            begun, length = due.pop(0)
            free = max(free, begun + length)
        times.append((made, max(made, free)))
    return times


@given(
    st.lists(st.tuples(st.integers(25, 120), st.sampled_from([0.03, 0.2, 0.35, 1.0])), max_size=4),
    st.integers(-3000, 3000),
    st.sampled_from([160, 480, 960, 1111, 4000]),
)
@example([(25, 1.0)], 2785, 1111)  # full, and its clock is fast
@settings(max_examples=8, deadline=None)
def test_a_mix_loses_nothing_and_is_in_time_again(
    stalls: list[tuple[int, float]], ppm: int, size: int
) -> None:
    """Whatever the pieces, the stalls and the drift: it holds half a second, and a delay goes."""
    times = pushed_at(9.0, size, ppm, stalls)
    longest = max(come - made for made, come in times)
    voice = tone(210, 1.0, RATE, 0.3).data
    heard: list[NDArray[np.int16]] = []
    waits: list[int] = []

    async def scene() -> int:
        loop = asyncio.get_running_loop()
        async with AudioMixer() as mixer, asyncio.TaskGroup() as tasks:
            track = RemoteAudioTrack()
            mixer.add(track)
            tasks.create_task(listen(mixer, heard))
            begun = loop.time()
            for number, (_, come) in enumerate(times):
                await asyncio.sleep(max(0.0, begun + come - loop.time()))
                start = number * size % RATE
                data = np.take(voice, range(start, start + size), axis=1, mode="wrap")
                track.push(AudioFrame(RATE, data))
                waits.append(mixer._inputs[track].queued)
            dropped = mixer.dropped(track)
            await mixer.aclose()
        return dropped

    dropped = run_virtual(scene())
    if longest + size / RATE < 0.4:
        assert dropped == 0
    # In the last second: little waits, nothing is torn.
    last = waits[-RATE // size :]
    assert min(last) <= 2.75 * 960 + size
    sound = np.concatenate(heard)[-RATE:-2400]
    assert longest_silence(sound, RATE, 50) < 0.003
