"""A telephone service that calls us: says what Twilio, Telnyx and Plivo say, as they document it.

The real services cannot be reached from here. The shapes of the messages are those of Twilio's
"Media Streams - WebSocket Messages", Telnyx's "Media Streaming over WebSockets", and Plivo's "Audio
Streaming" references.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from fastrtc_core import AudioFrame
from fastrtc_core.media.g711 import decode_mulaw, encode_mulaw

Service = Literal["twilio", "telnyx", "plivo"]
STREAM = "MZ18ad3ab5a668481ce02b83e7395059f0"


class Phone:
    """The service's end of one call. It plays what it gets in real time, and reports marks then.

    Attributes:
        heard: What the caller hears, int16 at 8 kHz.
        received: Every event that came.
    """

    def __init__(self, service: Service, socket: ClientConnection) -> None:
        self.service = service
        self.heard: list[NDArray[np.int16]] = []
        self.received: list[dict[str, Any]] = []
        self._socket = socket
        self._sequence = 0
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def begin(self) -> None:
        """Say what comes before the audio."""
        if self.service == "twilio":
            await self._send(event="connected", protocol="Call", version="1.0.0")
            await self._send(
                event="start",
                start={
                    "streamSid": STREAM,
                    "accountSid": "AC1",
                    "callSid": "CA1",
                    "tracks": ["inbound"],
                    "customParameters": {"who": "ada"},
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                },
            )
        elif self.service == "telnyx":
            await self._send(event="connected", version="1.0.0")
            await self._send(
                event="start",
                start={
                    "call_control_id": "CA1",
                    "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
                    "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
                },
            )
        else:
            await self._send(
                event="start",
                start={
                    "callId": "CA1",
                    "streamId": STREAM,
                    "accountId": "1",
                    "tracks": ["inbound"],
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
                },
                extra_headers="{}",
            )

    async def speak(self, audio: AudioFrame) -> None:
        """What the caller says, in real time."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number, start in enumerate(range(0, audio.samples_per_channel, 160)):
            await asyncio.sleep(max(0.0, due - loop.time()))
            payload = base64.b64encode(encode_mulaw(audio.data[0, start : start + 160])).decode()
            media = {
                "track": "inbound",
                "chunk": str(number + 1),
                "timestamp": str(20 * number),
                "payload": payload,
            }
            await self._send(event="media", media=media)
            due += 0.02

    async def press(self, digit: str) -> None:
        """The caller presses a key."""
        await self._send(event="dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def hang_up(self) -> None:
        """The caller hangs up."""
        await self._send(event="stop", stop={"accountSid": "AC1", "callSid": "CA1"})

    async def listen(self) -> None:
        """Take what comes, and play it."""
        playing = asyncio.create_task(self._play())
        try:
            async for data in self._socket:
                message = json.loads(data)
                self.received.append(message)
                if message["event"] in ("clear", "clearAudio"):
                    while not self._waiting.empty():
                        await self._report(self._waiting.get_nowait())
                else:
                    self._waiting.put_nowait(message)
        except ConnectionClosed:
            pass
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    async def _play(self) -> None:
        while True:
            message = await self._waiting.get()
            if message["event"] in ("media", "playAudio"):
                sound = decode_mulaw(base64.b64decode(message["media"]["payload"]))
                await asyncio.sleep(len(sound) / 8000)
                self.heard.append(sound)
            else:
                await self._report(message)

    async def _report(self, message: dict[str, Any]) -> None:
        """A mark has been reached, or was cleared."""
        if message["event"] == "mark":
            await self._send(event="mark", mark=message["mark"])
        elif message["event"] == "checkpoint":
            await self._send(event="playedStream", name=message["name"])

    async def _send(self, **message: Any) -> None:
        self._sequence += 1
        if message["event"] != "connected":
            if self.service == "twilio":
                message |= {"sequenceNumber": str(self._sequence), "streamSid": STREAM}
            elif self.service == "telnyx":
                message |= {"sequence_number": str(self._sequence), "stream_id": STREAM}
            elif message["event"] != "start":
                message |= {"sequenceNumber": self._sequence, "streamId": STREAM}
        await self._socket.send(json.dumps(message))
