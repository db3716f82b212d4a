"""Tracks that come and go while a session stands, over real peers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import av
import numpy as np
import pytest

from fastrtc_core import (
    AsyncStreamHandler,
    AudioFrame,
    AudioSource,
    AudioStream,
    ChannelClosedError,
    ConfigurationError,
    ConnectionFailedError,
    LocalAudioTrack,
    LocalVideoTrack,
    Stream,
    VideoSource,
    VideoStream,
)
from fastrtc_core.client import Client
from fastrtc_core.testing import connect, fit_sine, tone
from fastrtc_core.webrtc import publishing

from ..inside import client_peer, connection_of, peer_of, publisher_of, send_text
from .support import eventually, gone

RATE = 48000

ROUNDS = 12
"""More than a connection has sections."""


class Host(AsyncStreamHandler):
    """Notes what its client publishes; echoes nothing."""

    made: list[Host]

    def __init__(self, made: list[Host]) -> None:
        super().__init__(input_sample_rate=RATE, output_sample_rate=RATE)
        self.made = made
        self.tracks: list[tuple[str, Any]] = []
        self.heard = 0

    async def start_up(self) -> None:
        self.made.append(self)

    async def receive(self, frame: AudioFrame) -> None:
        self.heard += 1

    async def emit(self) -> Any:
        await asyncio.Event().wait()

    async def on_track(self, source: Any, track: Any) -> None:
        self.tracks.append((source, track))

    def copy(self) -> Host:
        return Host(self.made)


def picture(level: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="bgr24")


async def hear(stream: AudioStream, seconds: float) -> np.ndarray[Any, Any]:
    """So much of it, from the first sound on."""
    parts: list[Any] = []
    async with asyncio.timeout(10):
        async for event in stream:
            if parts or np.abs(event.frame.data).max() > 500:
                parts.append(event.frame.data[0])
            if len(parts) * 0.02 >= seconds:
                break
    return np.concatenate(parts)


async def play(source: AudioSource, frequency: float, seconds: float = 5.0) -> None:
    await source.capture_frame(tone(frequency, seconds, RATE))


async def test_a_second_voice_and_a_screen_from_the_server() -> None:
    """Beside its own voice, each heard and seen for itself; and taken back."""
    made: list[Host] = []
    stream = Stream(Host(made))
    async with Client(stream.offer) as client:
        await eventually(lambda: made, "the session")
        host = made[0]
        music = AudioSource(RATE)
        track = LocalAudioTrack.create_audio_track("music", music)
        await host.publish_track(track, "screen_share_audio")
        screen = VideoSource()
        shared = LocalVideoTrack.create_video_track("slides", screen)
        await host.publish_track(shared)
        await eventually(lambda: len(client.server.tracks) == 3, "the tracks")
        remote = client.server.tracks["screen_share_audio"]
        assert remote.name == "music"
        heard = AudioStream(remote, capacity=500, sample_rate=RATE)
        await play(music, 700)
        host.say(tone(500, 5.0, RATE))
        assert client.audio_stream is not None
        voice, background = await asyncio.gather(hear(client.audio_stream, 1.5), hear(heard, 1.5))
        assert fit_sine(voice[RATE // 2 : RATE], 500, RATE).snr > 25
        assert fit_sine(background[RATE // 2 : RATE], 700, RATE).snr > 25
        seen = VideoStream(client.server.tracks["screen_share"])

        async def show() -> None:
            while True:
                screen.capture_frame(picture(200))
                await asyncio.sleep(0.03)

        showing = asyncio.create_task(show())
        async with asyncio.timeout(10):
            frame = await seen.read()
        showing.cancel()
        assert frame.to_ndarray(format="gray").mean() == pytest.approx(200, abs=12)
        (sent,) = await track.get_stats()
        (received,) = await remote.get_stats()
        assert sent.packets is not None
        assert received.packets is not None
        assert 50 < received.packets <= sent.packets
        await host.unpublish_track(track)
        await host.unpublish_track(track)
        await eventually(lambda: remote.ended, "its end")
        assert "screen_share_audio" not in client.server.tracks
        for source in (music, screen):
            await source.aclose()
    await gone(stream)


async def test_the_answer_is_ahead_of_the_track() -> None:
    """Firefox would give packets that overtake it to another section, for good."""
    made: list[Host] = []
    stream = Stream(Host(made))
    async with Client(stream.offer) as client:
        await eventually(lambda: made, "the session")
        music = AudioSource(RATE)
        track = LocalAudioTrack.create_audio_track("music", music)
        filling = asyncio.create_task(play(music, 700))
        publishing_it = asyncio.create_task(made[0].publish_track(track, "screen_share_audio"))
        await eventually(lambda: len(client.server.tracks) == 2, "the answer")
        remote = client.server.tracks["screen_share_audio"]
        await asyncio.sleep(publishing.LEAD * 0.8)
        assert remote.frames == 0
        assert not publishing_it.done()
        await publishing_it
        await eventually(lambda: remote.frames, "the first packet")
        # Whoever takes it back meanwhile has taken it back.
        await made[0].unpublish_track(track)
        again = asyncio.create_task(made[0].publish_track(track, "screen_share_audio"))
        await eventually(lambda: track.published, "the answer")
        await made[0].unpublish_track(track)
        await again
        (sent,) = await track.get_stats()
        await asyncio.sleep(0.5)
        assert (await track.get_stats())[0].packets == sent.packets
        filling.cancel()
        await music.aclose()
    await gone(stream)


async def test_a_screen_from_the_client() -> None:
    """The handler is told, sees it, and learns when it is over; the microphone goes on."""
    made: list[Host] = []
    stream = Stream(Host(made))
    async with Client(stream.offer) as client:
        await eventually(lambda: made, "the session")
        host = made[0]
        screen = VideoSource()
        shared = LocalVideoTrack.create_video_track("desk", screen)
        await client.publish_track(shared)
        await eventually(lambda: host.tracks, "the track")
        ((source, track),) = host.tracks
        assert (source, track.name, track.kind) == ("screen_share", "desk", "video")
        assert host.participant.tracks["screen_share"] is track
        seen = VideoStream.from_participant(
            participant=host.participant, track_source="screen_share"
        )
        for _ in range(100):
            screen.capture_frame(picture(100))
            await asyncio.sleep(0.03)
            if track.frames:
                break
        assert (await seen.read()).width == 64
        with pytest.raises(ConfigurationError, match="already"):
            await client.publish_track(LocalVideoTrack(VideoSource()))
        await client.unpublish_track(shared)
        assert track.ended
        assert "screen_share" not in host.participant.tracks
        again = LocalVideoTrack.create_video_track("other", screen)
        await client.publish_track(again)
        await eventually(lambda: len(host.tracks) == 2, "the next track")
        before = host.heard
        assert client.audio_source is not None
        await client.audio_source.capture_frame(tone(500, 0.5, RATE))
        await eventually(lambda: host.heard >= before + 20, "the microphone")
        await screen.aclose()
    await gone(stream)
    assert host.tracks[1][1].ended


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "must be an object"),
        ({}, "an 'sdp' text"),
        ({"sdp": "nonsense"}, "no media and no data channel"),
        ({"sdp": "OFFER", "tracks": {"5": {"source": "radio"}}}, "a source is one of"),
        ({"sdp": "OFFER", "tracks": 5}, "must be objects"),
        (
            {"sdp": "OFFER", "tracks": {"5": {"source": "camera"}, "6": {"source": "camera"}}},
            "two tracks of the source",
        ),
        ({"sdp": "OFFER", "receives": {"5": 6}}, "by its sid"),
    ],
)
async def test_offers_that_cannot_be_read(data: Any, message: str) -> None:
    """They are answered with what is wrong, and the session goes on."""
    made: list[Host] = []
    stream = Stream(Host(made))
    answers: list[Any] = []
    async with Client(stream.offer) as client:
        await eventually(lambda: made, "the session")
        publisher_of(client).take = lambda message: answers.append(message.data)  # type: ignore[method-assign]
        if isinstance(data, dict) and data.get("sdp") == "OFFER":
            sdp, _, _ = await client_peer(client).negotiation.offer_again([], [])
            data = {**data, "sdp": sdp}
        await send_text(client, '{"type": "offer", "data": ' + json.dumps(data) + "}")
        (answer,) = await eventually(lambda: answers, "the answer")
        assert message in answer["error"]
        assert client.audio_source is not None
        await client.audio_source.capture_frame(tone(500, 0.5, RATE))
        await eventually(lambda: made[0].heard >= 20, "the microphone")
    await gone(stream)


async def test_a_client_that_makes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastRTC's clients know nothing of it: the caller learns that, in time."""
    monkeypatch.setattr(publishing, "PUBLISH_TIMEOUT", 0.3)
    made: list[Host] = []
    stream = Stream(Host(made))
    async with Client(stream.offer) as client:
        await eventually(lambda: made, "the session")
        client._publisher = None
        source = AudioSource()
        track = LocalAudioTrack(source)
        with pytest.raises(ConnectionFailedError, match="no room"):
            await made[0].publish_track(track, "screen_share_audio")
        assert not track.published
        await source.aclose()
    with pytest.raises((RuntimeError, ChannelClosedError)):
        await client.publish_track(track)
    await gone(stream)


@pytest.mark.virtual_clock
async def test_other_transports_carry_none() -> None:
    """They say so."""
    async with connect(Host([])) as peer:
        with pytest.raises(ConfigurationError, match="only WebRTC"):
            await peer.session.handler.publish_track(LocalAudioTrack(AudioSource()))
        peer.session.take_message('{"type": "offer", "data": {}}')
        await asyncio.sleep(0.1)
        assert "no further tracks" in peer.of_type("error")[0]


def sections_of(pc: Any) -> tuple[int, int]:
    """How many transceivers, and of them how many with a source of media of this side."""
    return len(pc.getTransceivers()), sum(sender.track is not None for sender in pc.getSenders())


async def test_many_tracks_need_no_more_than_one_section() -> None:
    """From the client and from the server: nothing grows, and the last one is seen and heard."""
    made: list[Host] = []
    stream = Stream(Host(made))
    async with Client(stream.offer) as client:
        await eventually(lambda: made, "the session")
        host = made[0]
        peer = client_peer(client)
        screen, music = VideoSource(), AudioSource(RATE)

        async def once(number: int) -> None:
            shared = LocalVideoTrack.create_video_track(str(number), screen)
            await client.publish_track(shared)
            assert host.participant.tracks["screen_share"].name == str(number)
            await client.unpublish_track(shared)
            assert "screen_share" not in host.participant.tracks
            assert not shared.published
            voice = LocalAudioTrack.create_audio_track(str(number), music)
            await host.publish_track(voice, "screen_share_audio")
            await eventually(lambda: client.server.tracks.get("screen_share_audio"), "the voice")
            assert client.server.tracks["screen_share_audio"].name == str(number)
            await host.unpublish_track(voice)
            await eventually(
                lambda: "screen_share_audio" not in client.server.tracks, "the end of the voice"
            )

        await once(0)
        sections, tasks = sections_of(connection_of(peer)), len(asyncio.all_tasks())
        for number in range(1, ROUNDS):
            await once(number)
        assert sections_of(connection_of(peer)) == sections
        assert len(asyncio.all_tasks()) <= tasks + 3
        assert len(peer._binding._incoming) == 1
        assert len(host.tracks) == ROUNDS

        shared = LocalVideoTrack.create_video_track("last", screen)
        await client.publish_track(shared)
        seen = VideoStream(host.participant.tracks["screen_share"])
        voice = LocalAudioTrack.create_audio_track("last", music)
        await host.publish_track(voice, "screen_share_audio")
        await eventually(lambda: client.server.tracks.get("screen_share_audio"), "the voice")
        heard = AudioStream(client.server.tracks["screen_share_audio"], sample_rate=RATE)
        await play(music, 700, 1.5)
        sound = await hear(heard, 1.0)
        assert fit_sine(sound[RATE // 4 : RATE * 3 // 4], 700, RATE).snr > 25
        for _ in range(100):
            screen.capture_frame(picture(150))
            await asyncio.sleep(0.02)
            if host.participant.tracks["screen_share"].frames:
                break
        frame = await seen.read()
        assert frame.to_ndarray(format="gray").mean() == pytest.approx(150, abs=12)
        for source in (screen, music):
            await source.aclose()
    await gone(stream)


async def test_a_refused_track_is_undone_and_can_be_tried_again() -> None:
    """On both sides, whether the server refuses what it reads or fails in the midst of it."""
    made: list[Host] = []
    stream = Stream(Host(made))
    async with Client(stream.offer) as client:
        await eventually(lambda: made, "the session")
        host = made[0]
        server = peer_of(stream)
        screen = VideoSource()
        shared = LocalVideoTrack.create_video_track("desk", screen)
        before = sections_of(connection_of(server))
        with pytest.raises(ConnectionFailedError, match="needs a section of audio"):
            await client.publish_track(shared, "microphone")
        assert not shared.published
        assert sections_of(connection_of(server)) == before

        def fail(*args: Any) -> None:
            raise RuntimeError("no memory")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server.sections, "take", fail)
            patch.setattr(server.negotiation, "_describe", fail)
            for _ in range(10):
                with pytest.raises(ConnectionFailedError, match="cannot be answered"):
                    await client.publish_track(shared)
                assert not shared.published
                assert sections_of(connection_of(server)) == before
                assert connection_of(server).signalingState == "stable"
        await client.publish_track(shared)
        assert host.participant.tracks["screen_share"].name == "desk"
        for _ in range(100):
            screen.capture_frame(picture(150))
            await asyncio.sleep(0.02)
            if host.participant.tracks["screen_share"].frames:
                break
        assert host.participant.tracks["screen_share"].frames
        assert client.audio_source is not None
        await client.audio_source.capture_frame(tone(500, 0.5, RATE))
        await eventually(lambda: host.heard >= 20, "the microphone")
        await screen.aclose()
    await gone(stream)
