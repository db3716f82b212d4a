"""Tracks as objects: who they are, who reads them, and what they tell."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import (
    AudioFrame,
    AudioSource,
    AudioStream,
    ConfigurationError,
    EndOfStreamError,
    SourceClosedError,
    VideoSource,
    VideoStream,
)
from fastrtc_core.testing import fit_sine, run_virtual, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_core.tracks import (
    LocalAudioTrack,
    LocalVideoTrack,
    Participant,
    RemoteAudioTrack,
    RemoteVideoTrack,
    TrackStats,
)

virtual = pytest.mark.virtual_clock
RATE = 48000


def numbered(number: int, samples: int = 960) -> AudioFrame:
    return AudioFrame(RATE, np.full((1, samples), number, np.int16))


def picture(number: int = 0) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((4, 4, 3), number, np.uint8), format="bgr24")


def values(*frames: av.VideoFrame) -> list[int]:
    """The brightness of each. Streams yield frame objects of their own, with the same pixels."""
    return [int(frame.to_ndarray()[0, 0, 0]) for frame in frames]


async def sound_of(stream: AudioStream) -> list[int]:
    return [int(n) for event in [e async for e in stream] for n in event.frame.data[0]]


def test_a_track_is_known_by_its_sid() -> None:
    """From its creation on, and by nothing else's."""
    source = AudioSource()
    tracks: list[Any] = [
        LocalAudioTrack.create_audio_track("mic", source),
        LocalVideoTrack.create_video_track("cam", VideoSource()),
        RemoteAudioTrack(name="mic"),
        RemoteVideoTrack("cam"),
    ]
    assert [track.kind for track in tracks] == ["audio", "video", "audio", "video"]
    assert [track.name for track in tracks] == ["mic", "cam", "mic", "cam"]
    sids = {track.sid for track in tracks}
    assert len(sids) == 4
    assert all(sid.startswith("TR_") for sid in sids)
    assert {track.sid for track in tracks} == sids
    assert all(track.sid in repr(track) for track in tracks)


@virtual
async def test_from_a_source_through_a_track_to_a_stream() -> None:
    """Without a transport, in real time, every sample; the last short frame padded."""
    source = AudioSource()
    track = LocalAudioTrack.create_audio_track("mic", source)
    stream = AudioStream(track, capacity=1000, sample_rate=16000)
    spoken = tone(500, 2.0)
    loop = asyncio.get_running_loop()
    hearing = asyncio.create_task(anext(stream))
    for frame in frames_of(spoken, 30):
        await source.capture_frame(frame)
    await hearing
    source.flush()
    await source.wait_for_playout()
    assert loop.time() == pytest.approx(2.0, abs=0.05)
    await source.aclose()
    rest = [event.frame.data[0] async for event in stream]
    assert track.ended
    assert sum(map(len, rest)) / 16000 == pytest.approx(1.98, abs=0.03)
    assert fit_sine(np.concatenate(rest)[:30000], 500, 16000).snr > 60


@virtual
async def test_a_track_nobody_reads_waits_and_one_that_was_read_drains() -> None:
    """The first stream starts it; when all have gone, its producer is not held up."""
    source = AudioSource(queue_size_ms=100)
    track = LocalAudioTrack(source)
    source.try_push(numbered(1, 4800))
    await asyncio.sleep(1)
    assert source.queued_duration == pytest.approx(0.1)
    stream = AudioStream(track)
    await asyncio.sleep(0.5)
    assert source.queued_duration == 0
    await stream.aclose()
    async with asyncio.timeout(5):
        for _ in range(100):
            await source.capture_frame(numbered(1))
    assert stream.statistics().received == 5


@virtual
async def test_the_clock_starts_at_the_first_pull() -> None:
    """However late that is: the first packet has the timestamp 0."""
    source = AudioSource()
    track = LocalAudioTrack.create_audio_track("mic", source)
    await asyncio.sleep(60)
    source.try_push(numbered(1))
    assert (await track.next_frame()).timestamp == 0
    await asyncio.sleep(10)
    source.try_push(numbered(1))
    timed = await track.next_frame()
    assert timed.timestamp == pytest.approx(10 * RATE, rel=0.01)
    assert timed.resumed


@virtual
async def test_a_transport_takes_over_and_streams_hear_on() -> None:
    """What leaves is heard beside it, once."""
    source = AudioSource()
    track = LocalAudioTrack.create_audio_track("mic", source)
    stream = AudioStream(track)
    for number in range(1, 31):
        source.try_push(numbered(number))
    await asyncio.sleep(0.05)
    sent = [(await track.next_frame()).data[0, 0] for _ in range(27)]
    await source.aclose()
    with pytest.raises(EndOfStreamError):
        await track.next_frame()
    heard = (await sound_of(stream))[::960]
    assert heard == list(range(1, 31))
    assert sent == list(range(4, 31))


@virtual
async def test_muted_is_silent_and_time_goes_on() -> None:
    """Nothing gets through on either kind of track; afterwards it goes on at once."""
    remote = RemoteAudioTrack()
    stream = AudioStream(remote)
    states = [remote.stream_state]
    remote.push(numbered(1))
    states.append(remote.stream_state)
    remote.mute()
    states.append(remote.stream_state)
    assert states == ["unknown", "active", "paused"]
    assert remote.muted
    remote.push(numbered(2))
    remote.unmute()
    remote.push(numbered(3))
    remote.end()
    assert (await sound_of(stream))[::960] == [1, 3]

    source = AudioSource()
    local = LocalAudioTrack.create_audio_track("mic", source)
    for number in range(1, 31):
        source.try_push(numbered(number))
    first = await local.next_frame()
    local.mute()
    asyncio.get_running_loop().call_later(0.09, local.unmute)
    later = await local.next_frame()
    assert first.data[0, 0] == 1
    assert later.data[0, 0] in (5, 6)
    assert later.resumed, "a receiver knows that the gap is meant"
    assert later.timestamp == 960 * (later.data[0, 0] - 1)


@virtual
async def test_statistics_of_a_track() -> None:
    """None without a transport; frames and level are known beside what the transport tells."""
    track = RemoteAudioTrack()
    assert await track.get_stats() == []

    async def transport() -> TrackStats:
        return TrackStats("inbound", packets=3)

    track._statistics = transport
    (stats,) = await track.get_stats()
    assert (stats.packets, stats.frames, stats.audio_level, stats.jitter) == (3, 0, None, None)
    track.push(tone(500, 0.02, level=0.5))
    (stats,) = await track.get_stats()
    assert stats.frames == 1
    assert stats.audio_level == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


@virtual
@pytest.mark.parametrize("milliseconds", [2.5, 5, 10, 30, 100, 1000])
async def test_frames_of_any_length_and_nothing_is_lost(milliseconds: float) -> None:
    """`frame_size_ms` is exact, and the remainder comes with the end."""
    track = RemoteAudioTrack()
    stream = AudioStream(track, capacity=1000, frame_size_ms=milliseconds)
    for number in range(1, 12):
        track.push(numbered(number, 441))
    track.end()
    frames = [event.frame async for event in stream]
    assert {frame.samples_per_channel for frame in frames} == {round(48 * milliseconds)}
    sound = np.concatenate([frame.data[0] for frame in frames])
    assert sound[: 11 * 441].tolist() == np.repeat(np.arange(1, 12), 441).tolist()
    assert not sound[11 * 441 :].any()


async def test_a_length_that_is_no_number_of_samples_is_refused() -> None:
    """The text names it."""
    with pytest.raises(ConfigurationError, match=r"2\.5 ms at 11025 Hz"):
        AudioStream(RemoteAudioTrack(), sample_rate=11025, frame_size_ms=2.5)
    AudioStream(RemoteAudioTrack(), sample_rate=11025, frame_size_ms=40)


@given(
    st.lists(st.sampled_from(["push", "read", "close"]), max_size=30),
    st.integers(1, 5),
)
def test_every_frame_of_a_stream_is_booked(actions: list[str], capacity: int) -> None:
    """Received = read + queued + dropped, whatever happens."""

    async def run() -> None:
        track = RemoteAudioTrack()
        stream = AudioStream(track, capacity=capacity)
        for action in actions:
            if action == "push":
                track.push(numbered(1))
            elif action == "close":
                await stream.aclose()
            elif stream.statistics().queued:
                await stream.read()
            statistics = stream.statistics()
            assert statistics.received == statistics.read + statistics.queued + statistics.dropped
            assert 0 <= statistics.queued <= capacity

    run_virtual(run())


async def test_a_reader_on_another_thread() -> None:
    """With its own event loop: in order, whole, and bounded where that loop stalls."""
    track = RemoteAudioTrack()
    stalled, go = threading.Event(), threading.Event()
    heard: list[int] = []
    streams: list[AudioStream] = []

    async def read() -> None:
        async for event in streams[0]:
            heard.append(int(event.frame.data[0, 0]))
            if len(heard) == 10:
                stalled.set()
                go.wait(5)  # blocks this loop

    loop = asyncio.new_event_loop()
    streams.append(AudioStream(track, loop=loop, capacity=20))
    thread = threading.Thread(target=loop.run_until_complete, args=(read(),))
    thread.start()
    for number in range(10):
        track.push(numbered(number))
    await asyncio.to_thread(stalled.wait, 5)
    for number in range(10, 1010):
        track.push(numbered(number))
    assert streams[0].dropped >= 900
    go.set()
    track.end()
    await asyncio.to_thread(thread.join, 5)
    loop.close()
    assert heard[:10] == list(range(10))
    assert heard == sorted(heard)
    statistics = streams[0].statistics()
    assert statistics.received == 1010 == statistics.read + statistics.dropped
    assert statistics.read == len(heard) <= 40


@virtual
async def test_pictures_through_a_local_track() -> None:
    """Each as soon as it is captured; a small queue loses none of a burst."""
    source = VideoSource()
    track = LocalVideoTrack.create_video_track("cam", source)
    stream = VideoStream(track, capacity=3)
    pictures = [picture(k) for k in range(3)]
    for frame in pictures:
        source.capture_frame(frame)
    await source.aclose()
    assert values(*[event.frame async for event in stream]) == [0, 1, 2]
    assert track.ended
    queue = VideoSource(capacity=2)
    local = LocalVideoTrack(queue)
    for frame in pictures:
        queue.capture_frame(frame)
    assert [(await local.next_frame()).frame for _ in range(2)] == pictures[1:]
    assert queue.replaced == 1
    with pytest.raises(ConfigurationError):
        VideoSource(capacity=0)


@virtual
async def test_a_stream_of_a_participant_survives_a_new_publication() -> None:
    """Whatever is published as its microphone, from one producer at a time, until it leaves."""
    alice = Participant("alice")
    stream = AudioStream.from_participant(participant=alice, track_source="microphone")
    first, second = RemoteAudioTrack(), RemoteAudioTrack()
    alice.publish("microphone", first)
    assert alice.tracks == {"microphone": first}
    first.push(numbered(1))
    alice.publish("microphone", second)
    first.push(numbered(2))  # not published any more
    second.push(numbered(3))
    alice.unpublish("microphone")
    second.push(numbered(4))
    alice.publish("microphone", first)
    first.push(numbered(5))
    first.end()  # the stream waits for the next
    assert alice.tracks == {}
    third = RemoteAudioTrack()
    alice.publish("microphone", third)
    third.push(numbered(6))
    assert sum(track.readers for track in (first, second, third)) == 1
    alice.leave()
    alice.leave()
    assert (await sound_of(stream))[::960] == [1, 3, 5, 6]
    assert not third.readers
    late = AudioStream.from_participant(participant=alice)
    with pytest.raises(EndOfStreamError):
        await late.read()
    with pytest.raises(ConfigurationError, match="has left"):
        alice.publish("microphone", first)


@virtual
async def test_what_is_published_must_fit() -> None:
    """A camera has no sound, and there is no source of another name."""
    bob = Participant("bob")
    with pytest.raises(ConfigurationError, match="track of video"):
        bob.publish("camera", RemoteAudioTrack())
    with pytest.raises(ConfigurationError, match="track_source is one of"):
        AudioStream.from_participant(participant=bob, track_source="radio")  # type: ignore[arg-type]
    async with VideoStream.from_participant(participant=bob, track_source="screen_share") as stream:
        screen = RemoteVideoTrack()
        bob.publish("screen_share", screen)
        screen.push(picture(7))
        assert values(await stream.read()) == [7]
    assert not screen.readers


@virtual
async def test_a_closed_source_takes_nothing() -> None:
    """And its track has ended, for streams that come late too."""
    source = AudioSource()
    track = LocalAudioTrack.create_audio_track("mic", source)
    stream = AudioStream(track)
    await source.aclose()
    with pytest.raises(SourceClosedError):
        source.try_push(numbered(1))
    with pytest.raises(EndOfStreamError):
        await stream.read()
    assert track.ended
    with pytest.raises(EndOfStreamError):
        await AudioStream(track).read()
