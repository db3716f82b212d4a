"""Everything at once over two real peers, as the browser test does it in Chromium."""

from __future__ import annotations

import asyncio
from typing import Any

import av
import numpy as np

from fastrtc_core import AdditionalOutputs, Stream
from fastrtc_core.client import Client
from fastrtc_core.testing import delay_of, speech_like
from fastrtc_handlers import AudioVideoEcho

from .support import gone, hear, message_of_type, speak


class Companion(AudioVideoEcho):
    """Echoes, answers messages, and counts pictures for the application."""

    count = 0

    async def on_message(self, message: Any) -> None:
        await self.send_message(message[::-1])

    async def video_emit(self) -> Any:
        self.count += 1
        return await super().video_emit(), AdditionalOutputs(self.count)


async def test_speech_pictures_messages_and_outputs_at_once() -> None:
    """The same speech comes back, pictures move, messages and outputs arrive."""
    stream = Stream(Companion(), modality="audio-video")
    speech = speech_like(2.5)
    async with Client(stream.offer, modality="audio-video") as client:
        assert client.audio_stream is not None
        assert client.video_stream is not None
        assert client.video_source is not None
        assert client.webrtc_id is not None
        outputs = stream.output_stream(client.webrtc_id)

        async def film() -> None:
            number = 0
            while True:
                picture = np.zeros((120, 160, 3), np.uint8)
                picture[:, number % 120 : number % 120 + 40] = 255
                assert client.video_source is not None
                client.video_source.capture_frame(
                    av.VideoFrame.from_ndarray(picture, format="bgr24")
                )
                number += 4
                await asyncio.sleep(1 / 30)

        async with asyncio.TaskGroup() as tasks:
            filming = tasks.create_task(film())
            speaking = tasks.create_task(speak(client, speech))
            await client.send("hello")
            assert await message_of_type(client, "message") == "olleh"
            assert [(await anext(outputs)).args for _ in range(3)] == [(1,), (2,), (3,)]
            heard = await hear(client.audio_stream, 2.0)
            pictures = [
                (await client.video_stream.read()).to_ndarray(format="gray").mean(axis=0).argmax()
                for _ in range(10)
            ]
            speaking.cancel()
            filming.cancel()
    await gone(stream)
    assert len(set(pictures)) >= 5, "the bar moves"
    # Half a second somewhere in it: a machine that stumbles under all this shifts what follows.
    pieces = np.split(speech.data[0][: 3 * 24000], 3)
    assert max(delay_of(heard[0], piece, 48000)[1] for piece in pieces) > 0.9
