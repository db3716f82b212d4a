"""A client of the WebSocket route in Python: plays audio in real time, and hears the answer."""

import asyncio
import contextlib
import json
import statistics
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from fastrtc_core import AudioFrame
from fastrtc_core.testing import delay_of

RATE = 24000  # Hz
TAIL = 1.5  # s, for which it listens after its last sound


async def talk(url: str, audio: AudioFrame) -> AudioFrame:
    """Play audio to a server, tell what happens, and return what came back."""
    try:
        async with connect(url) as socket:
            client = Talk(socket)
            await client.run(audio)
    except (OSError, InvalidHandshake) as error:
        raise SystemExit(
            f"{url} cannot be reached: {error}\n"
            "Start the server first, in another terminal: python demo/websocket_client.py"
        ) from None
    print(f"closed: {socket.close_code} {socket.close_reason}")
    if not client.heard:
        raise SystemExit("Nothing came back.")
    client.report(audio)
    return client.sound()


def rising_tone(seconds: float = 3.0) -> AudioFrame:
    """From 300 to 3000 Hz: no part of it is like another, so its delay can be measured."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * (300 * time + 1350 * time**2 / seconds))
    fade = np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
    return AudioFrame(RATE, (8000 * tone * fade).astype(np.int16)[np.newaxis])


class Talk:
    """One connection. Audio goes both ways in binary: 16 bits a sample, the low byte first."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.loop = asyncio.get_running_loop()
        self.spoke_at = self.heard_at = self.pinged_at = 0.0
        self.heard: list[bytes] = []
        self.round_trips: list[float] = []

    async def run(self, audio: AudioFrame) -> None:
        """Until the server closes the socket."""
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(self.speak(audio))
            pinging = tasks.create_task(self.ping())
            await self.listen()
            speaking.cancel()
            pinging.cancel()

    async def speak(self, audio: AudioFrame) -> None:
        """Say what is to be agreed on, play the audio in real time, and say `stop`."""
        size = audio.sample_rate // 50
        with contextlib.suppress(ConnectionClosed):  # `listen` notices as well
            await self.send(
                event="start",
                encoding="pcm16",
                sample_rate=audio.sample_rate,
                channels=1,
                binary=True,
            )
            self.spoke_at = due = self.loop.time()
            for start in range(0, audio.samples_per_channel, size):
                piece = audio.data[0, start : start + size]
                await asyncio.sleep(max(0.0, due - self.loop.time()))
                await self.socket.send(piece.astype("<i2").tobytes())
                due += len(piece) / audio.sample_rate
            await asyncio.sleep(TAIL)
            await self.send(event="stop")

    async def listen(self) -> None:
        """Take what comes."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.take(await self.socket.recv())

    def take(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.heard_at = self.heard_at or self.loop.time()
            self.heard.append(data)
            return
        message = json.loads(data)
        if message.get("event") == "pong":
            self.round_trips.append(self.loop.time() - self.pinged_at)
        elif message.get("status") == "failed":
            print(f"refused: {message['meta'].get('message', message['meta'])}")
        else:
            print(f"server: {data}")

    async def ping(self) -> None:
        """Ask for a sign of life now and then."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(0.25)
                self.pinged_at = self.loop.time()
                await self.send(event="ping")

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    def sound(self) -> AudioFrame:
        """All that came, without the time before."""
        return AudioFrame(RATE, np.frombuffer(b"".join(self.heard), "<i2")[np.newaxis])

    def report(self, audio: AudioFrame) -> None:
        """Tell how long everything took."""
        if self.round_trips:
            middle, most = statistics.median(self.round_trips), max(self.round_trips)
            print(f"a message and its answer: {1000 * middle:.1f} ms, {1000 * most:.1f} ms at most")
        lag, likeness = delay_of(self.sound().data[0], audio.data[0], RATE)
        delay = self.heard_at - self.spoke_at + lag
        print(f"audio, to the server and back: {delay:.3f} s, alike by {likeness:.2f}")
