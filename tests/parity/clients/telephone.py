"""The telephone: a service that speaks as Twilio documents it, and plays what it gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, OfferError
from fastrtc_core.messages import Message
from fastrtc_core.testing.phone import Phone, calling

from .base import Client, Transport, Wishes, refusal_of

if TYPE_CHECKING:
    from ..server import Server

RATE = 8000


class Telephone(Transport):
    """µ-law at 8 kHz, one channel, and keys instead of messages."""

    name = "telephone"
    asks = False
    messages = False
    stereo = False
    holds_back = True
    snr = 28.0

    @asynccontextmanager
    async def open(self, server: Server, wishes: Wishes) -> AsyncIterator[Client]:
        """Call, and hang up in the end."""
        async with calling(server.url, parameters={"who": "ada"}, max_queue=1) as phone:
            yield Caller(self, phone)


class Caller(Client):
    """One call."""

    def __init__(self, transport: Transport, phone: Phone) -> None:
        super().__init__(transport, RATE, RATE)
        self._phone = phone

    @property
    def refusal(self) -> OfferError | None:
        """What the server said instead of taking the call."""
        return next(filter(None, map(refusal_of, self._phone.received)), None)

    @property
    def messages(self) -> list[Message]:
        """What is no event of the service: there should be none."""
        return [
            Message(str(message.get("type")), message.get("data"))
            for message in self._phone.received
            if "event" not in message
        ]

    def sounds(self) -> list[NDArray[np.int16]]:
        """What the service has played."""
        return [data[np.newaxis] for data in self._phone.heard]

    async def speak(self, audio: AudioFrame) -> None:
        """Say it in real time."""
        await self._phone.speak(audio)

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self._phone.press(digit)

    async def close(self) -> None:
        """Hang up."""
        await self._phone.hang_up()

    async def kill(self) -> None:
        """The service drops the connection."""
        self._phone.socket.transport.abort()

    def deafen(self) -> None:
        """The service reads nothing."""
        self._phone.hears.clear()

    async def ended(self) -> None:
        """Wait until the server has hung up."""
        await self._phone.ended.wait()
