"""In-process: a session of the stream without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, CloseReason
from fastrtc_core.messages import Message
from fastrtc_core.session import Hooks
from fastrtc_core.testing import InProcessPeer, connect

from ...inside import registry_of
from .base import Client, Transport, Wishes

if TYPE_CHECKING:
    from ..server import Server


class InProcess(Transport):
    """The samples as they are, and no wire between that could fail."""

    name = "in-process"
    on_network = False
    headers = False
    exact = True
    snr = 70.0

    @asynccontextmanager
    async def open(self, server: Server, wishes: Wishes) -> AsyncIterator[Client]:
        """Take a slot of the stream, as the transports do, and hold it as long as they do."""
        connected: asyncio.Future[InProcessPeer] = asyncio.get_running_loop().create_future()
        session = asyncio.create_task(_serve(server, wishes, connected))
        try:
            peer = await connected
            try:
                yield InProcessClient(self, peer, session)
            finally:
                peer.session.stop(CloseReason.CLIENT)
        finally:
            await session


async def _serve(server: Server, wishes: Wishes, connected: asyncio.Future[InProcessPeer]) -> None:
    """The life of one session; a refusal reaches whoever waits for the connection."""
    try:
        async with registry_of(server.stream).slot(wishes.id) as slot:
            async with connect(
                server.agent,
                args=wishes.args,
                params=wishes.params,
                time_limit=server.stream.time_limit,
                hooks=Hooks(server.note_begin, server.note_end),
                id=slot.id,
            ) as peer:
                slot.attach(peer.session)
                connected.set_result(peer)
                await peer.session.stopped()
    except Exception as error:
        if connected.done():
            raise
        connected.set_exception(error)


class InProcessClient(Client):
    """One peer."""

    def __init__(
        self, transport: Transport, peer: InProcessPeer, session: asyncio.Task[None]
    ) -> None:
        handler = peer.session.handler
        super().__init__(transport, handler.input_sample_rate, handler.output_sample_rate)
        self._peer = peer
        self._session = session

    @property
    def messages(self) -> list[Message]:
        """Those of the session."""
        return self._peer.messages

    def sounds(self) -> list[NDArray[np.int16]]:
        """The frames that left."""
        return [timed.data for _, timed in self._peer.heard]

    async def speak(self, audio: AudioFrame) -> None:
        """Push it in real time."""
        await self._peer.speak(audio)

    async def send(self, data: Any) -> None:
        """Hand over a message."""
        self._peer.send(data)

    async def close(self) -> None:
        """End the session."""
        self._peer.session.stop(CloseReason.CLIENT)

    async def kill(self) -> None:
        """There is no wire to cut: what a transport says that has lost its client."""
        self._peer.session.stop(CloseReason.LOST)

    def deafen(self) -> None:
        """There is nothing to be read: frames are kept where they leave."""

    async def ended(self) -> None:
        """Wait until all of it is over."""
        await asyncio.wait({self._session})
