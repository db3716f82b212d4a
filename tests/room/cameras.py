"""Cameras of one colour each, and what a client sees of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np

from fastrtc_core.client import Client
from fastrtc_core.testing import tone

from ..webrtc.support import eventually

COLOURS = {1: (0, 0, 250), 2: (0, 250, 0), 3: (250, 0, 0), 9: (250, 250, 0)}
"""Of each user, in the order blue, green, red."""

FRAME_RATE = 25


def picture(
    uid: int, number: int = 0, size: tuple[int, int] = (320, 240), *, noise: bool = False
) -> av.VideoFrame:
    """A picture of the user's colour, with a square that moves, and noise that takes many bytes."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[:] = COLOURS[uid]
    if noise:
        image[:90] = np.random.default_rng(number).integers(0, 255, (90, width, 3), np.uint8)
    left = number * 8 % (width - 32)
    image[:32, left : left + 32] = 128
    return av.VideoFrame.from_ndarray(image, "bgr24")


def shown(frame: av.VideoFrame) -> int | None:
    """Whose colour a picture has below its square."""
    mean = frame.to_ndarray(format="bgr24")[100:].mean(axis=(0, 1))
    near = [uid for uid, colour in COLOURS.items() if np.abs(mean - colour).max() < 30]
    return near[0] if near else None


@dataclass
class Viewer:
    """A client that looks all the time.

    Attributes:
        client: The client.
        told: The data of messages of the server, in order.
        seen: Whose picture each was, in order.
        times: When each was to be shown, in s.
        widths: How wide each was, in pixels.
    """

    client: Client
    told: list[Any] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seen: list[int | None] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)

    def events(self, event: str) -> list[dict[str, Any]]:
        """What it was told under this name."""
        return [data for data in self.told if isinstance(data, dict) and data["event"] == event]

    @property
    def sources(self) -> list[int | None]:
        """Whom it was told to see, in order."""
        return [data["uid"] for data in self.events("video_source")]

    async def sees(self, uid: int, within: float = 5.0) -> None:
        """Wait until the latest picture is of this user, and the client was told so."""
        await eventually(
            lambda: self.seen and self.seen[-1] == uid and self.sources[-1:] == [uid],
            f"to see {uid}",
            within,
        )

    async def speak(self, seconds: float = 0.8) -> None:
        """Say something; returns while the end of it is still to be heard."""
        assert self.client.audio_source is not None
        await self.client.audio_source.capture_frame(tone(500, seconds, 48000, 0.3))

    async def note(self) -> None:
        """Note what it is told."""
        async for message in self.client.messages():
            if message.type == "error":
                self.errors.append(str(message.data))
            else:
                self.told.append(message.data)

    async def watch(self) -> None:
        """Note what it sees."""
        assert self.client.video_stream is not None
        async for event in self.client.video_stream:
            self.seen.append(shown(event.frame))
            self.times.append(float(event.frame.time))
            self.widths.append(event.frame.width)


@contextmanager
def filming(uid: int, capture: Callable[[av.VideoFrame], None], **options: Any) -> Iterator[None]:
    """Show pictures of this user."""

    async def film() -> None:
        for number in range(10_000):
            capture(picture(uid, number, **options))
            await asyncio.sleep(1 / FRAME_RATE)

    task = asyncio.create_task(film())
    try:
        yield
    finally:
        task.cancel()


async def join(
    stack: AsyncExitStack,
    offer: Any,
    uid: int,
    *,
    camera: bool = True,
    token: str = "",
    **options: Any,
) -> Viewer:
    """A client with a camera of its colour; the options are those of its pictures."""
    client = await stack.enter_async_context(
        Client(
            offer,
            modality="audio-video",
            params={"channel": "room", "uid": uid, "token": token},
        )
    )
    viewer = Viewer(client)
    for work in (viewer.note(), viewer.watch()):
        task = asyncio.create_task(work)
        stack.callback(task.cancel)
    if camera:
        assert client.video_source is not None
        stack.enter_context(filming(uid, client.video_source.capture_frame, **options))
    await eventually(lambda: viewer.events("joined"), "the welcome")
    return viewer
