"""Pictures are converted safely, whoever else looks at them (Rule 14)."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.video.frame import PictureType

from fastrtc_core import VideoOptions, VideoStream
from fastrtc_core.media.pictures import PictureConverter
from fastrtc_core.tracks import RemoteVideoTrack
from fastrtc_core.tracks.recording.recording_file import RecordingFile
from fastrtc_core.webrtc.video_encoders import make_encoder

PICTURES = [pytest.param(400), pytest.param(20_000, marks=pytest.mark.soak)]


def picture(width: int = 64, height: int = 48, format: str = "yuv420p") -> av.VideoFrame:
    """Noise, which no two formats show alike."""
    pixels = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, "bgr24").reformat(format=format)
    frame.pts, frame.time_base = 7, Fraction(1, 30)
    return frame


# What comes out


def test_a_frame_of_ones_own_has_the_same_pixels() -> None:
    """They are the same picture at the same time; what is written into one stays out of the other.

    A frame has a scaler of its own, too, and that is the point of it.
    """
    converter = PictureConverter()
    frame = picture()
    own = converter.own(frame)
    assert own is not frame
    assert (own.pts, own.time_base) == (7, Fraction(1, 30))
    np.testing.assert_array_equal(own.to_ndarray(), frame.to_ndarray())
    own.pts, own.time_base, own.pict_type = 9, Fraction(1, 90), PictureType.I
    assert (frame.pts, frame.time_base) == (7, Fraction(1, 30))
    assert frame.pict_type == PictureType.NONE
    for other in (picture(66, 48), picture(66, 48, "bgr24"), av.VideoFrame(2, 2, "gray")):
        own = converter.own(other)
        assert (own.width, own.height, own.format.name, own.time_base) == (
            *(other.width, other.height, other.format.name),
            other.time_base,
        )
        np.testing.assert_array_equal(own.to_ndarray(), other.to_ndarray())


@pytest.mark.parametrize("format", ["yuv420p", "bgr24", "gray"])
def test_an_array_may_be_written_to(format: str) -> None:
    """A filter that draws into its array leaves the picture of the other readers as it is."""
    frame = picture(format=format)
    before = frame.to_ndarray().copy()
    pixels = PictureConverter().array(frame, "bgr24")
    np.testing.assert_array_equal(pixels, picture(format=format).to_ndarray(format="bgr24"))
    pixels[:] = 0
    np.testing.assert_array_equal(frame.to_ndarray(), before)


@pytest.mark.parametrize(
    ("size", "even"),
    [((64, 48), (64, 48)), ((65, 47), (64, 46)), ((1, 1), (2, 2)), ((641, 1), (640, 2))],
)
@pytest.mark.parametrize("format", ["yuv420p", "bgr24", "yuvj420p"])
def test_encoders_get_even_sizes(size: tuple[int, int], even: tuple[int, int], format: str) -> None:
    """The next lower even number, 2 at least, and another frame object in every case."""
    frame = picture(*size, format)
    frame.pict_type = PictureType.B
    ready = PictureConverter().for_encoder(frame)
    assert (ready.width, ready.height, ready.format.name) == (*even, "yuv420p")
    assert ready is not frame
    assert ready.pict_type == PictureType.NONE
    assert frame.pict_type == PictureType.B


@pytest.mark.skipif(
    int(av.__version__.split(".")[0]) < 17, reason="PyAV 16 starts none, or cannot be told"
)
def test_no_thread_is_started() -> None:
    """FFmpeg would start one for each core, for each converter."""
    before = len(os.listdir("/proc/self/task"))
    converter = PictureConverter()
    converter.array(picture(640, 480), "bgr24")
    converter.for_encoder(picture(640, 480, "bgr24"))
    converter.own(picture(640, 480))
    assert len(os.listdir("/proc/self/task")) <= before


# At the same time. What these tests guard against does not fail them: it ends or hangs the process.


def together(*work: Callable[[], None]) -> None:
    """Do all of it at once, each on a thread of its own."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(work))

    def run(one: Callable[[], None]) -> None:
        try:
            start.wait()
            one()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def encoding(codec: str, frames: Sequence[av.VideoFrame], count: int) -> Callable[[], None]:
    """Encode as a session does."""
    encoder = make_encoder(RTCRtpCodecParameters(codec, 90000, payloadType=96), VideoOptions())

    def work() -> None:
        for number in range(count):
            encoder.encode_picture(frames[number % len(frames)], number * 3000, number % 100 == 50)

    return work


@pytest.mark.parametrize("count", PICTURES)
def test_four_sessions_encode_the_same_frames(count: int) -> None:
    """One `av.VideoFrame` that four handlers emit, half of them to clients that speak H.264."""
    for format in ("bgr24", "yuv420p"):
        frames = [picture(32, 32, format) for _ in range(2)]
        codecs = ["video/VP8", "video/H264"] * 2
        together(*(encoding(codec, frames, count // 8) for codec in codecs))


@pytest.mark.parametrize("count", PICTURES)
def test_a_recorder_a_filter_and_an_encoder_share_their_frames(count: int, tmp_path: Path) -> None:
    """`record(video_size=…)` beside `video_receive`, of a track that is forwarded as well."""
    frames = [picture(32, 32) for _ in range(2)]
    filter = PictureConverter()

    def record() -> None:
        file = RecordingFile(tmp_path / "x.webm", 48000, 1, (16, 16))
        for number in range(count // 4):
            file.write_picture(frames[number % 2], number / 30)
        file.close()

    def convert() -> None:
        for number in range(count):
            filter.array(frames[number % 2], "bgr24")

    together(record, convert, encoding("video/VP8", frames, count // 4))


@pytest.mark.parametrize("count", PICTURES)
async def test_readers_of_one_track_convert_on_threads(count: int) -> None:
    """Each by the methods of PyAV's frames, which are not safe where two have the same object."""
    track = RemoteVideoTrack()
    streams = [VideoStream(track), VideoStream(track)]
    frames = [picture(format="yuv420p"), picture(format="bgr24")]
    loop = asyncio.get_running_loop()

    async def read(stream: VideoStream) -> int:
        async for event in stream:
            await loop.run_in_executor(None, convert, event.frame)
        return stream.statistics().read

    def convert(frame: av.VideoFrame) -> None:
        for format in ("bgr24", "gray"):
            frame.to_ndarray(format=format)
        frame.reformat(16, 16, "yuv420p")

    readers = [asyncio.create_task(read(stream)) for stream in streams]
    for number in range(count // 4):
        track.push(frames[number % 2])
        for stream in streams:
            await stream.wait_until_read()
    track.end()
    assert await asyncio.gather(*readers) == [count // 4] * 2
