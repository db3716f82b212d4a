"""A page that loses its connection, and comes back to its session on another one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from aiortc import RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

from fastrtc_core import Playback
from fastrtc_core.webrtc import internals

from .support import Offer, Silent, connected, eventually, make_offer, take_answer


class Returning(Silent):
    """Notes when its client is away and back, and what became of what it said."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"output_sample_rate": 48000, **options})
        self.interruptions: list[Playback] = []

    async def on_pause(self) -> None:
        self.calls.append("on_pause")

    def on_resume(self) -> None:
        self.calls.append("on_resume")

    @property
    def only(self) -> Returning:
        """The one copy that was made."""
        made = super().only
        assert isinstance(made, Returning)
        return made

    async def on_interrupted(self, playback: Playback) -> None:
        self.interruptions.append(playback)

    @property
    def times_away(self) -> int:
        """How often its client was away."""
        return self.calls.count("on_pause")


class Visitor:
    """One page, with one connection after the other.

    Attributes:
        answer: What the server has answered last.
        messages: What has come over any of its data channels.
        pitches: The pitch in Hz of each 20 ms that were heard, 0 for silence.
    """

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self.answer: dict[str, Any] = {}
        self.messages: list[Any] = []
        self.pitches: list[int] = []
        self.pc: RTCPeerConnection
        self.channel: Any = None
        self._made: list[RTCPeerConnection] = []
        self._listening: set[asyncio.Task[None]] = set()

    async def connect(self, **extra: Any) -> None:
        """Open a session, or come back to one with `resume` and its id."""
        body = await self.prepare(**extra)
        self.answer = await self._offer(body)
        await self.finish()

    async def come_back(self) -> None:
        """Make another connection to the session."""
        await self.connect(**self.claim())

    def claim(self) -> dict[str, Any]:
        """What tells the server which session is meant, and that it may be."""
        return {"webrtc_id": self.answer["webrtc_id"], "resume": self.answer["resume"]}

    async def prepare(self, **extra: Any) -> dict[str, Any]:
        """The body of an offer with audio both ways and a data channel."""
        self.pc = pc = RTCPeerConnection()
        self._made.append(pc)
        pc.on("track", self._listen)
        self.channel = pc.createDataChannel("text")
        self.channel.on("message", lambda text: self.messages.append(json.loads(text)))
        pc.addTransceiver(AudioStreamTrack(), direction="sendrecv")
        return await make_offer(pc, **extra)

    async def finish(self) -> None:
        """Take the answer, and wait until the connection stands."""
        await take_answer(self.pc, self.answer)
        await connected(self.pc)
        await eventually(lambda: self.channel.readyState == "open", "the data channel")

    async def reload(self) -> None:
        """Go without a word: all that the server hears is that DTLS ends."""
        await self.pc.close()

    def fall_silent(self) -> None:
        """Shut the sockets: nothing comes through any more."""
        (dtls,) = internals.dtls_transports(self.pc)
        for protocol in dtls.transport._connection._protocols:
            protocol.transport.close()

    def send(self, type: str, data: Any = None) -> None:
        self.channel.send(json.dumps({"type": type, "data": data}))

    def of_type(self, type: str) -> list[Any]:
        """The data of every message of a type."""
        return [message["data"] for message in self.messages if message["type"] == type]

    def heard(self, pitch: int) -> float:
        """How long in s this pitch was heard."""
        return 0.02 * sum(abs(one - pitch) <= 25 for one in self.pitches)

    def _listen(self, track: Any) -> None:
        self._listening.add(asyncio.create_task(self._hear(track)))

    async def _hear(self, track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
                if np.abs(samples).max() < 1000:
                    self.pitches.append(0)
                    continue
                spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
                self.pitches.append(round(np.argmax(spectrum) * frame.sample_rate / len(samples)))

    async def close(self) -> None:
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        for pc in self._made:
            await pc.close()


@asynccontextmanager
async def visitor(offer: Offer, **extra: Any) -> AsyncIterator[Visitor]:
    """One that is connected."""
    client = Visitor(offer)
    try:
        await client.connect(**{"resume": True, **extra})
        yield client
    finally:
        await client.close()
