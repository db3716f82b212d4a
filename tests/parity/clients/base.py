"""What a test knows of a transport, and of a client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, OfferError
from fastrtc_core.client.signaling import raise_refusal
from fastrtc_core.messages import Message

from ...webrtc.support import eventually
from ..meters import loudness

if TYPE_CHECKING:
    from ..agent import Agent
    from ..server import Server

PACKET = 0.021
"""Length in s of a packet, and a little more."""

NOTHING = np.zeros((1, 0), np.int16)


@dataclass(frozen=True)
class Wishes:
    """What a client asks for as it connects; a telephone can ask for nothing."""

    id: str | None = None
    args: list[Any] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    stereo: bool = False


class Transport(ABC):
    """One way to connect, and what it can do.

    Attributes:
        name: As the context of a session calls it.
        variant: Of its client, where there are several.
        on_network: Whether it needs a server.
        asks: Whether a client may ask for an id, and bring arguments and parameters.
        messages: Whether messages go both ways; a telephone has keys instead.
        stereo: Whether two channels stay apart.
        headers: Whether an HTTP request comes before the session.
        holds_back: Whether a client that reads nothing holds the server back.
        exact: Whether each sample goes its own way, where the handler speaks at the rate of the
            client: none is derived from others.
        snr: Least ratio in dB of a sine of 1 kHz to all else, once it has gone through.
        slack: How much longer in s a sound may become at its end: padding, and what is made up for.
    """

    name: str
    variant = ""
    on_network = True
    asks = True
    messages = True
    stereo = True
    headers = True
    holds_back = False
    exact = False
    snr = 0.0
    slack = PACKET

    def __str__(self) -> str:
        return self.variant or self.name

    @abstractmethod
    def open(self, server: Server, wishes: Wishes) -> AbstractAsyncContextManager[Client]:
        """Connect a client for as long as the context lasts.

        Raises:
            OfferError: If it is refused at once; otherwise its `refusal` says so later.
        """


class Client(ABC):
    """The outside of one session.

    Attributes:
        transport: How it is connected.
        agent: The handler that serves it.
        id: Of its session.
        speaks_at: The rate in Hz of what it says.
        hears_at: The rate in Hz of what it hears.
    """

    agent: Agent
    id: str

    def __init__(self, transport: Transport, speaks_at: int, hears_at: int) -> None:
        self.transport = transport
        self.speaks_at = speaks_at
        self.hears_at = hears_at

    @property
    def refusal(self) -> OfferError | None:
        """Why it has no session."""
        return None

    @property
    def disturbed(self) -> bool:
        """Whether this machine stood still so long that frames were made up for."""
        return False

    @property
    @abstractmethod
    def messages(self) -> list[Message]:
        """Everything that the server said so far beside audio."""

    def heard(self) -> AudioFrame:
        """Everything that was heard so far."""
        parts = self.sounds()
        return AudioFrame(self.hears_at, np.concatenate(parts, axis=1) if parts else NOTHING)

    @abstractmethod
    def sounds(self) -> list[NDArray[np.int16]]:
        """What was heard so far, piece by piece, `(channels, samples)` at `hears_at`."""

    @abstractmethod
    async def speak(self, audio: AudioFrame) -> None:
        """Say something at `speaks_at`, in real time."""

    async def send(self, data: Any) -> None:
        """Send a message."""
        raise NotImplementedError(f"{self.transport} takes no messages")

    async def press(self, digit: str) -> None:
        """Press a key."""
        raise NotImplementedError(f"{self.transport} has no keys")

    @abstractmethod
    async def close(self) -> None:
        """Say goodbye."""

    @abstractmethod
    async def kill(self) -> None:
        """Vanish without a word."""

    @abstractmethod
    def deafen(self) -> None:
        """Read nothing from now on."""

    @abstractmethod
    async def ended(self) -> None:
        """Wait until the server has ended the session, and all that it sent was read."""

    def of_type(self, type: str) -> list[Any]:
        """The data of every message of a type."""
        return [message.data for message in self.messages if message.type == type]

    async def is_told(self, type: str, *data: Any) -> None:
        """Wait until these are all messages of a type; who takes none was told nothing."""
        if not self.transport.messages:
            assert self.messages == []
            return
        with suppress(AssertionError):
            await eventually(lambda: len(self.of_type(type)) >= len(data))
        assert self.of_type(type) == list(data)

    async def hears(self, duration: float) -> None:
        """Wait until so many s of sound were heard."""
        await eventually(
            lambda: self.loudness() >= duration, f"{duration} s of sound", within=duration + 5
        )

    def has_heard(self, duration: float, sounds: int = 1) -> bool:
        """Whether so many s were heard in so many sounds: nothing less, and little more."""
        heard = self.loudness()
        print(f"{heard:.3f} s were heard of {duration:.3f} s")
        return -PACKET <= heard - duration <= sounds * self.transport.slack

    def loudness(self) -> float:
        """For how long in s there was sound."""
        return loudness(self.heard())


def refusal_of(body: dict[str, Any]) -> OfferError | None:
    """The error that the first message of a server carries, if it is a refusal."""
    try:
        raise_refusal(body)
    except OfferError as error:
        return error
    return None
