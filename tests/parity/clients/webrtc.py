"""WebRTC: the Python client, which is a real aiortc peer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.client import Client as RtcClient
from fastrtc_core.media.jitter import JitterStatistics
from fastrtc_core.messages import Message

from ...webrtc.support import speak, vanish
from .base import Client, Transport, Wishes

if TYPE_CHECKING:
    from ..server import Server

RATE = 48000


class WebRtc(Transport):
    """Opus over UDP: nobody is held back, and a sine comes out as one, or nearly so.

    What would follow the last packet is made up for, for 100 ms: it might have been lost.
    """

    name = "webrtc"
    snr = 30.0
    slack = 0.14

    @asynccontextmanager
    async def open(self, server: Server, wishes: Wishes) -> AsyncIterator[Client]:
        """Offer, and take part until the context ends."""
        async with RtcClient(
            server.url,
            sample_rate=RATE,
            stereo=wishes.stereo,
            args=wishes.args,
            params=wishes.params,
            webrtc_id=wishes.id,
        ) as rtc:
            assert rtc.webrtc_id is not None
            client = WebRtcClient(self, rtc, server.stream.network_statistics(rtc.webrtc_id))
            tasks = [asyncio.create_task(client.listen()), asyncio.create_task(client.read())]
            try:
                yield client
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


class WebRtcClient(Client):
    """One peer."""

    def __init__(
        self, transport: Transport, rtc: RtcClient, network: JitterStatistics | None
    ) -> None:
        super().__init__(transport, RATE, RATE)
        self._rtc = rtc
        self._network = network
        self._heard: list[NDArray[np.int16]] = []
        self._messages: list[Message] = []
        self._all_read = asyncio.Event()
        self._hears = asyncio.Event()
        self._hears.set()

    async def listen(self) -> None:
        """Take the audio."""
        assert self._rtc.audio_stream is not None
        async for event in self._rtc.audio_stream:
            await self._hears.wait()
            self._heard.append(event.frame.data)

    async def read(self) -> None:
        """Take the messages, until there are no more."""
        async for message in self._rtc.messages():
            await self._hears.wait()
            self._messages.append(message)
        self._all_read.set()

    @property
    def disturbed(self) -> bool:
        """Whether packets came too late, within one process."""
        assert self._rtc.remote_audio is not None
        networks = self._network, self._rtc.remote_audio.network
        return any(network is not None and network.late for network in networks)

    @property
    def messages(self) -> list[Message]:
        """Those of the data channel."""
        return self._messages

    def sounds(self) -> list[NDArray[np.int16]]:
        """What was decoded."""
        return self._heard

    async def speak(self, audio: AudioFrame) -> None:
        """Hand it to the source, which sends it in real time, and wait until it has left."""
        await speak(self._rtc, audio)
        assert self._rtc.audio_source is not None
        await self._rtc.audio_source.wait_for_playout()

    async def send(self, data: Any) -> None:
        """Send a message over the data channel."""
        await self._rtc.send(data)

    async def close(self) -> None:
        """Close the peer connection."""
        await self._rtc.aclose()

    async def kill(self) -> None:
        """Close the sockets under the feet of the connection."""
        await vanish(self._rtc)

    def deafen(self) -> None:
        """The application reads nothing; the network stack goes on."""
        self._hears.clear()

    async def ended(self) -> None:
        """Wait for the end of the connection."""
        await self._rtc.wait_closed()
        await self._all_read.wait()
