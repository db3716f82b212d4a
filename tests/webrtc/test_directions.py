"""Every modality and mode over real peers: media flow where they should, and nowhere else."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import av
import numpy as np
import pytest

from fastrtc_core import AsyncAudioVideoStreamHandler, AudioFrame, Modality, Mode, Stream
from fastrtc_core.client import Client

from ..inside import client_peer, publisher_of, send_text
from .support import eventually, gone


class Everything(AsyncAudioVideoStreamHandler):
    """Counts what comes in, and sends as long as it is asked."""

    heard = 0
    seen = 0

    async def receive(self, frame: AudioFrame) -> None:
        type(self).heard += 1

    async def emit(self) -> Any:
        return 24000, np.ones(480, np.int16)

    async def video_receive(self, frame: Any) -> None:
        type(self).seen += 1

    async def video_emit(self) -> Any:
        return np.zeros((48, 64, 3), np.uint8)

    def copy(self) -> Everything:
        return type(self)()


@pytest.mark.parametrize("mode", ["send-receive", "send", "receive"])
@pytest.mark.parametrize("modality", ["audio", "video", "audio-video"])
async def test_media_flow_where_they_should(modality: Modality, mode: Mode) -> None:
    """Nine combinations; the client's sources and streams exist exactly where they are used."""

    class Counting(Everything):
        pass

    stream = Stream(Counting(), modality=modality, mode=mode)
    async with Client(stream.offer, modality=modality, mode=mode) as client:
        sends, receives = mode != "receive", mode != "send"
        assert (client.audio_source is not None) == ("audio" in modality and sends)
        assert (client.video_source is not None) == ("video" in modality and sends)

        async def talk() -> None:
            while True:
                if client.audio_source is not None:
                    await client.audio_source.capture_frame(
                        AudioFrame(48000, np.ones((1, 960), np.int16))
                    )
                else:
                    await asyncio.sleep(0.02)
                if client.video_source is not None:
                    client.video_source.capture_frame(av.VideoFrame(64, 48, "yuv420p"))

        talking = asyncio.create_task(talk())
        try:
            if "audio" in modality:
                await eventually(lambda: (Counting.heard > 5) == sends)
                if client.audio_stream is not None:
                    assert (await client.audio_stream.read()).samples_per_channel == 960
            if "video" in modality:
                await eventually(lambda: (Counting.seen > 2) == sends)
                if client.video_stream is not None:
                    frame = await client.video_stream.read()
                    assert (frame.width, frame.height) == (64, 48)
            assert (client.audio_stream is not None) == ("audio" in modality and receives)
            assert (client.video_stream is not None) == ("video" in modality and receives)
        finally:
            talking.cancel()
            with suppress(asyncio.CancelledError):
                await talking
    await gone(stream)


@pytest.mark.parametrize("size", [(321, 241), (64, 48), (640, 360)])
async def test_pictures_of_any_size_come_back(size: tuple[int, int]) -> None:
    """A filter on a plain function; odd sizes come in the next smaller even one."""
    width, height = size
    stream = Stream(lambda picture: picture[::-1].copy(), modality="video")
    async with Client(stream.offer, modality="video") as client:
        assert client.video_source is not None
        assert client.video_stream is not None
        array = np.zeros((height, width, 3), np.uint8)
        array[: height // 2] = 255
        picture = av.VideoFrame.from_ndarray(array, format="bgr24")

        async def show() -> None:
            assert client.video_source is not None
            while True:
                client.video_source.capture_frame(picture)
                await asyncio.sleep(1 / 30)

        showing = asyncio.create_task(show())
        frame = await client.video_stream.read()
        showing.cancel()
        back = frame.to_ndarray(format="gray")
        assert back.shape == (height // 2 * 2, width // 2 * 2)
        assert back[: height // 3].mean() < 40 < 200 < back[-height // 3 :].mean()
    await gone(stream)


@pytest.mark.parametrize("stopped", ["audio", "video"])
async def test_a_section_that_is_stopped_ends_alone(stopped: str) -> None:
    """A later offer with port 0 (RFC 8829 section 5.3.1) ends it; the rest of the call goes on."""

    class Counting(Everything):
        pass

    stream = Stream(Counting(), modality="audio-video", mode="send")
    answers: list[Any] = []
    async with Client(stream.offer, modality="audio-video", mode="send") as client:
        assert client.audio_source is not None
        assert client.video_source is not None
        talk = client.audio_source.capture_frame(AudioFrame(48000, np.ones((1, 48000), np.int16)))
        await talk
        await eventually(lambda: Counting.heard > 5, "the microphone")
        publisher_of(client).take = lambda message: answers.append(message.data)  # type: ignore[method-assign]
        sdp, _, _ = await client_peer(client).negotiation.offer_again([], [])
        session, *sections = sdp.split("m=")
        for index, section in enumerate(sections):
            if section.startswith(stopped):
                mid = section.partition("a=mid:")[2].split()[0]
                sections[index] = (
                    f"{stopped} 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:{mid}\r\na=inactive\r\n"
                )
                group = next(line for line in session.splitlines() if "BUNDLE" in line)
                left = [one for one in group.split() if one != mid]
                session = session.replace(group, " ".join(left))
        await send_text(
            client, json.dumps({"type": "offer", "data": {"sdp": "m=".join([session, *sections])}})
        )
        (answer,) = await eventually(lambda: answers, "the answer")
        assert f"m={stopped} 0 " in answer["sdp"]
        heard, seen = Counting.heard, Counting.seen
        for _ in range(20):
            await client.audio_source.capture_frame(AudioFrame(48000, np.ones((1, 4800), np.int16)))
            client.video_source.capture_frame(av.VideoFrame(64, 48, "yuv420p"))
            await asyncio.sleep(0.05)
        if stopped == "audio":
            await eventually(lambda: Counting.seen > seen + 5, "the camera")
        else:
            await eventually(lambda: Counting.heard > heard + 20, "the microphone")
        assert stream.sessions == 1
    await gone(stream)
