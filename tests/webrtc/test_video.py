"""Video over two real peers: keyframes when they are due, bit rates within their bounds."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import get_args

import av
import numpy as np
import pytest
from aiortc import RTCRtpReceiver
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray

from fastrtc_core import ConfigurationError, Stream, VideoOptions
from fastrtc_core.webrtc.options import VideoPreset
from fastrtc_core.webrtc.video_encoders import VideoEncoder, make_encoder

from .impairment import impaired_video
from .support import connected, eventually, gone, make_offer, raw_peer, take_answer


def picture(seed: int) -> NDArray[np.uint8]:
    """Coarse noise of 320 × 240: every picture differs from the one before."""
    coarse = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)
    return coarse.repeat(10, axis=0).repeat(10, axis=1)


def camera() -> Iterator[NDArray[np.uint8]]:
    """Shows one picture after the other, without an end."""
    yield from map(picture, itertools.count())


@dataclass
class Watcher:
    """Someone who watches the camera.

    Attributes:
        keyframes: For each frame that came, whether it is a keyframe.
        pictures: How many pictures could be decoded.
        ssrc: The source of the video.
        receiver: What receives it.
        lose: Whether a packet that comes next is lost.
    """

    keyframes: list[bool] = field(default_factory=list)
    pictures: int = 0
    ssrc: int = 0
    receiver: RTCRtpReceiver | None = None
    lose: Callable[[], bool] = lambda: False

    def take(self, packet: RtpPacket) -> tuple[float, ...]:
        descriptor, rest = VpxPayloadDescriptor.parse(packet.payload)
        if descriptor.partition_start and descriptor.partition_id == 0:
            self.ssrc = packet.ssrc
            self.keyframes.append(not rest[0] & 1)  # RFC 6386 section 9.1
        return () if self.lose() else (0,)


@asynccontextmanager
async def watching() -> AsyncIterator[Watcher]:
    """Watch the camera, over a connection of bare aiortc."""
    watcher = Watcher()
    stream = Stream(camera, modality="video", mode="receive")
    async with impaired_video(watcher.take), raw_peer() as pc:
        watcher.receiver = pc.addTransceiver("video", "recvonly").receiver

        async def watch() -> None:
            assert watcher.receiver is not None
            try:
                while True:
                    await watcher.receiver.track.recv()
                    watcher.pictures += 1
            except MediaStreamError:
                return

        await take_answer(pc, await stream.offer(await make_offer(pc)))
        await connected(pc)
        task = asyncio.create_task(watch())
        await eventually(lambda: watcher.pictures >= 10, "ten pictures")
        try:
            yield watcher
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    await gone(stream)


async def test_who_joins_gets_a_keyframe_first() -> None:
    """Nothing can be decoded before one; after it, none is needed."""
    async with watching() as watcher:
        assert watcher.keyframes[0]
        assert not any(watcher.keyframes[1:])


async def test_who_asks_for_a_keyframe_gets_one() -> None:
    """A Picture Loss Indication (RFC 4585 section 6.3.1) is answered with the next picture."""
    async with watching() as watcher:
        assert watcher.receiver is not None
        seen = len(watcher.keyframes)
        await watcher.receiver._send_rtcp_pli(watcher.ssrc)
        await eventually(lambda: any(watcher.keyframes[seen:]), "a keyframe")
        assert watcher.keyframes[seen:].index(True) < 10


async def test_pictures_come_through_loss() -> None:
    """What is lost is asked for and sent again (RFC 4585 section 6.2.1), and the video goes on."""
    async with watching() as watcher:
        numbers = itertools.count(1)
        watcher.lose = lambda: next(numbers) % 20 == 0
        before = watcher.pictures
        await eventually(lambda: watcher.pictures >= before + 40, "forty more pictures")


def encoder_of(codec: str, options: VideoOptions) -> VideoEncoder:
    return make_encoder(RTCRtpCodecParameters(codec, 90000, payloadType=96), options)


@pytest.mark.parametrize("codec", ["video/VP8", "video/H264"])
def test_the_bit_rate_stays_within_its_bounds(codec: str) -> None:
    """Whatever the client reports that it can take, and the pictures are as large as that."""
    options = VideoOptions(
        bit_rate=400_000, min_bit_rate=200_000, max_bit_rate=800_000, content="screen"
    )
    encoder = encoder_of(codec, options)
    sizes = {}
    numbers = itertools.count()
    for asked, kept in ((1_000, 200_000), (500_000, 500_000), (10**8, 800_000)):
        encoder.target_bitrate = asked
        assert encoder.target_bitrate == kept
        size = 0
        for index in range(240):
            number = next(numbers)
            frame = av.VideoFrame.from_ndarray(picture(number), "bgr24")
            packets = encoder.encode_picture(frame, 3000 * number, False)
            size += 8 * sum(map(len, packets)) if index >= 150 else 0
        sizes[kept] = size
    assert sizes[200_000] < sizes[500_000] < sizes[800_000]
    if codec == "video/VP8":  # these pictures are too large in any quality, and some are left out
        for kept, size in sizes.items():
            assert size / 3 == pytest.approx(kept, rel=0.15)


def keyframes_in(encoder: VideoEncoder, targets: list[int], *, asked: int = -1) -> list[int]:
    """Which pictures are keyframes, 30 a second, while the target goes through these."""
    found = []
    for number, target in enumerate(targets):
        encoder.target_bitrate = target
        frame = av.VideoFrame.from_ndarray(picture(number % 3), "bgr24")
        for payload in encoder.encode_picture(frame, 3000 * number, number == asked)[:1]:
            _, data = VpxPayloadDescriptor.parse(payload)
            if not data[0] & 1:
                found.append(number)
    return found


def test_a_bit_rate_that_grows_costs_few_keyframes() -> None:
    """By 8 % a second, as estimators grow: aiortc has a keyframe for each 10 %, here 25."""
    encoder = encoder_of("video/VP8", VideoOptions(bit_rate=300_000, content="screen"))
    targets = [int(300_000 * 1.08 ** (number / 30)) for number in range(30 * 30)]
    assert 4 <= len(keyframes_in(encoder, targets)) <= 8
    assert encoder.encoders <= 8


def test_a_bit_rate_that_falls_is_kept_soon() -> None:
    """And one that wavers is not followed at all."""
    options = VideoOptions(bit_rate=1_000_000, content="screen")
    encoder = encoder_of("video/VP8", options)
    assert keyframes_in(encoder, [1_000_000] * 60 + [400_000] * 30) == [0, 60]
    encoder = encoder_of("video/VP8", options)
    assert keyframes_in(encoder, [900_000, 1_100_000] * 150) == [0]


def test_a_keyframe_that_is_asked_for_takes_the_new_bit_rate_with_it() -> None:
    encoder = encoder_of("video/VP8", VideoOptions(bit_rate=1_000_000))
    assert keyframes_in(encoder, [1_000_000] * 10 + [1_100_000] * 30, asked=20) == [0, 20]
    assert encoder.encoders == 2


def test_h264_follows_the_bit_rate_without_a_keyframe() -> None:
    """Up and down, with one encoder."""
    encoder = encoder_of("video/H264", VideoOptions(bit_rate=800_000))
    numbers = itertools.count()
    sizes = []
    for target in (800_000, 250_000, 1_500_000):
        encoder.target_bitrate = target
        size = 0
        for _ in range(90):
            number = next(numbers)
            frame = av.VideoFrame.from_ndarray(picture(number), "bgr24")
            packets = encoder.encode_picture(frame, 3000 * number, False)
            assert not number or not any(p[0] & 31 in (5, 7) for p in packets), "no keyframe"
            size = (size + 8 * sum(map(len, packets))) if number % 90 >= 60 else 0
        sizes.append(size)
    assert encoder.encoders == 1
    for size, target in zip(sizes, (800_000, 250_000, 1_500_000), strict=True):
        assert size == pytest.approx(target, rel=0.3)


def shapes(encoder: VideoEncoder, target: int, seconds: int) -> list[tuple[int, tuple[int, int]]]:
    """When, in pictures at 30 a second, keyframes of which size are sent (RFC 6386 section 9.1)."""
    found = []
    for number in range(30 * seconds):
        if not encoder.takes(3000 * number):
            continue
        encoder.target_bitrate = target
        frame = av.VideoFrame.from_ndarray(picture(number), "bgr24")
        for payload in encoder.encode_picture(frame, 3000 * number, False)[:1]:
            _, data = VpxPayloadDescriptor.parse(payload)
            if not data[0] & 1:
                width, height = (
                    int.from_bytes(data[6:8], "little"),
                    int.from_bytes(data[8:10], "little"),
                )
                found.append((number, (width & 0x3FFF, height & 0x3FFF)))
    return found


def test_pictures_become_smaller_where_the_bit_rate_does_not_do() -> None:
    """Soon, and no smaller than that takes; a screen keeps its size."""
    options = VideoOptions(bit_rate=30_000, min_bit_rate=20_000)
    (_, whole), (when, smaller), *more = shapes(encoder_of("video/VP8", options), 30_000, 4)
    assert whole == (320, 240)
    assert smaller == (240, 180)
    assert 30 <= when < 90
    assert all(size < smaller for _, size in more)
    screen = encoder_of(
        "video/VP8", VideoOptions(bit_rate=30_000, min_bit_rate=20_000, content="screen")
    )
    assert [size for _, size in shapes(screen, 30_000, 4)] == [(320, 240)]
    assert screen.ladder.step.rate < 1


def test_pictures_have_the_size_and_rate_of_the_options() -> None:
    options = VideoOptions(scale_down_by=2, frame_rate=10)
    encoder = encoder_of("video/VP8", options)
    assert shapes(encoder, 1_000_000, 1) == [(0, (160, 120))]
    assert sum(encoder.takes(3000 * number) for number in range(100, 400)) == pytest.approx(
        100, abs=3
    )


@pytest.mark.parametrize("codec", ["video/VP8", "video/H264"])
def test_each_preset_encodes(codec: str) -> None:
    """Any of them, and no other."""
    for preset in get_args(VideoPreset):
        encoder = encoder_of(codec, VideoOptions(preset=preset))
        frame = av.VideoFrame.from_ndarray(picture(1), "bgr24")
        assert encoder.encode_picture(frame, 0, False)
    with pytest.raises(ConfigurationError, match="'fast', 'balanced' or 'quality'"):
        VideoOptions(preset="slow")  # type: ignore[arg-type]


# Pictures that are hard to send


@asynccontextmanager
async def seeing(
    stream: Stream, codec: str, take: Callable[[av.VideoFrame], None]
) -> AsyncIterator[list[str]]:
    """Watch a stream in one codec, over bare aiortc; yields the messages that the server sends."""
    messages: list[str] = []
    async with raw_peer() as pc:
        transceiver = pc.addTransceiver("video", "recvonly")
        known = RTCRtpReceiver.getCapabilities("video")
        assert known is not None
        transceiver.setCodecPreferences([c for c in known.codecs if c.mimeType == codec])
        pc.createDataChannel("text").on("message", messages.append)

        async def watch() -> None:
            while True:
                frame = await transceiver.receiver.track.recv()
                assert isinstance(frame, av.VideoFrame)
                take(frame)

        await take_answer(pc, await stream.offer(await make_offer(pc)))
        await connected(pc)
        task = asyncio.create_task(watch())
        try:
            yield messages
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    await gone(stream)


def showing(*sizes: tuple[int, int]) -> Callable[[], Iterator[NDArray[np.uint8]]]:
    """A camera whose pictures have these widths and heights, in turn, two of each."""

    def show() -> Iterator[NDArray[np.uint8]]:
        for width, height in itertools.cycle(sizes):
            for _ in range(2):
                yield np.full((height, width, 3), 128, np.uint8)

    return show


@pytest.mark.parametrize("codec", ["video/VP8", "video/H264"])
async def test_pictures_of_any_size_arrive(codec: str) -> None:
    """Odd sizes, tiny ones, and others in mid-stream: each comes, in the even size below its own.

    libx264 refuses odd sizes, and aiortc's sender ends at the first error of an encoder.
    """
    seen: set[tuple[int, int]] = set()
    show = showing((161, 121), (1, 1), (64, 48), (97, 50))
    stream = Stream(show, modality="video", mode="receive")
    async with seeing(stream, codec, lambda frame: seen.add((frame.width, frame.height))):
        sizes = {(160, 120), (2, 2), (64, 48), (96, 50)}
        await eventually(lambda: seen >= sizes, "pictures of all sizes")
        assert seen == sizes


@pytest.mark.parametrize("codec", ["video/VP8", "video/H264"])
async def test_a_picture_that_cannot_be_encoded_is_left_out_and_reported(
    codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client hears of it once, not for each; the pictures after it come."""
    seen: list[int] = []
    show = showing((64, 48), (2, 20_000))
    stream = Stream(show, modality="video", mode="receive")
    async with seeing(stream, codec, lambda frame: seen.append(frame.width)) as messages:
        await eventually(lambda: len(seen) > 4, "pictures after one that was too high")
        assert set(seen) == {64}
        await eventually(lambda: messages, "a message")
    errors = [text for text in messages if '"error"' in text]
    assert len(errors) == 1
    assert "The server failed in sending video." in errors[0]
    records = [record for record in caplog.records if "sending video" in record.getMessage()]
    assert len(records) == 1
    assert records[0].exc_info is not None
