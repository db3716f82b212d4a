"""A telephone service that calls: says what Twilio, Telnyx and Plivo say, as they document it.

The shapes of the messages are those of Twilio's "Media Streams - WebSocket Messages", Telnyx's
"Media Streaming over WebSockets", and Plivo's "Audio Streaming" references. No telephone and no
account is needed; `phone_call` begins with the request that such a service makes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ..errors import ConnectionFailedError, QueueFullError
from ..frames import AudioFrame
from ..media.g711 import decode_mulaw, encode_mulaw

Service = Literal["twilio", "telnyx", "plivo"]

STREAM = "MZ18ad3ab5a668481ce02b83e7395059f0"
"""Id of a stream, where none is given."""

SAMPLE_RATE = 8000
"""Of a telephone, in Hz."""

CAPACITY = 3000
"""Messages (a minute of audio) that a service holds for the caller."""

LATE = 0.06
"""How much later in s than the end of the last piece one may come, and no gap is heard."""

LOUD = 100
"""Peak from which on the caller hears something."""

_SIZE = SAMPLE_RATE // 50
_SILENCE = np.zeros(_SIZE, np.int16)


class Phone:
    """The service's end of one call, and the caller's.

    What comes is played in real time; marks are reported when they have been played, or cleared.

    Args:
        service: Whose words are used.
        socket: Connected to `{path}/telephone/handler`.
        call_id: What the service calls the call.
        stream_id: What it calls the stream.
        parameters: The parameters that the server gave to the stream.
        silence: Whether silence is sent while the caller says nothing, as services do.

    Attributes:
        greeting: What the service says before the call is connected, if `phone_call` began it.
        heard: What the caller hears, int16 at 8 kHz, in pieces of 20 ms at most.
        times: When each piece began to sound, in s since the call began.
        received: Every event that came.
        on_event: Called with each of them.
        hears: Cleared while nothing is read.
        ended: Set when the socket was closed, and all that came before was taken.
        socket: As above.
    """

    def __init__(
        self,
        service: Service,
        socket: ClientConnection,
        *,
        call_id: str = "CA1",
        stream_id: str = STREAM,
        parameters: Mapping[str, str] | None = None,
        silence: bool = False,
    ) -> None:
        self.service = service
        self.socket = socket
        self.greeting = ""
        self.heard: list[NDArray[np.int16]] = []
        self.times: list[float] = []
        self.received: list[dict[str, Any]] = []
        self.on_event: Callable[[dict[str, Any]], None] = lambda _: None
        self.hears = asyncio.Event()
        self.hears.set()
        self.ended = asyncio.Event()
        self._call_id = call_id
        self._stream_id = stream_id
        self._parameters = dict(parameters or {})
        self._silence = silence
        self._began = asyncio.get_running_loop().time()
        self._sequence = 0
        self._chunk = 0
        self._due = 0.0
        self._mouth = asyncio.Lock()
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(CAPACITY)
        self._cleared = 0
        self._news = asyncio.Event()

    # What the service does

    async def begin(self) -> None:
        """Say what comes before the audio."""
        if self.service == "twilio":
            await self._send(event="connected", protocol="Call", version="1.0.0")
            start = {
                "streamSid": self._stream_id,
                "accountSid": "AC1",
                "callSid": self._call_id,
                "tracks": ["inbound"],
                "customParameters": self._parameters,
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            }
            await self._send(event="start", start=start)
        elif self.service == "telnyx":
            await self._send(event="connected", version="1.0.0")
            start = {
                "call_control_id": self._call_id,
                "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
                "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
                "custom_parameters": self._parameters,
            }
            await self._send(event="start", start=start)
        else:
            start = {
                "callId": self._call_id,
                "streamId": self._stream_id,
                "accountId": "1",
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
            }
            headers = ", ".join(f"X-PH-{key}: {value}" for key, value in self._parameters.items())
            await self._send(event="start", start=start, extra_headers=f"{{{headers}}}")

    async def listen(self) -> None:
        """Take what comes and play it, until the socket is closed.

        Raises:
            QueueFullError: If the server is further ahead of the caller than a service holds.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(self._play())]
                if self._silence:
                    running.append(tasks.create_task(self._keep_silence()))
                await self._take_all()
                for task in running:
                    task.cancel()
        finally:
            self.ended.set()
            self._news.set()

    # What the caller does

    async def speak(self, audio: AudioFrame) -> None:
        """Say something, in real time.

        Args:
            audio: At 8 kHz; of two channels the first is taken.

        Raises:
            ValueError: If it has another rate.
        """
        if audio.sample_rate != SAMPLE_RATE:
            raise ValueError(f"a telephone speaks at 8000 Hz, not at {audio.sample_rate} Hz")
        async with self._mouth:
            for start in range(0, audio.samples_per_channel, _SIZE):
                await self._send_audio(audio.data[0, start : start + _SIZE])

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self._send(event="dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def hang_up(self) -> None:
        """Hang up."""
        await self._send(event="stop", stop={"accountSid": "AC1", "callSid": self._call_id})

    async def hear(self, *, silence: float = 1.0, timeout: float = 15.0) -> AudioFrame:
        """Wait for what is said next, and to its end.

        Args:
            silence: Silence in s that is its end. The end of the call is one as well.
            timeout: How long in s to wait for its beginning.

        Returns:
            What was heard, from the first sound on.

        Raises:
            TimeoutError: If there is silence for so long.
            ConnectionFailedError: If the call ends before anything is said.
        """
        first = len(self.heard)
        self._news.clear()
        try:
            async with asyncio.timeout(timeout):
                await self._wait_for_news()
        except TimeoutError:
            raise TimeoutError(f"the caller heard nothing for {timeout:g} s") from None
        while first < len(self.heard) and not _is_loud(self.heard[first]):
            first += 1
        if first == len(self.heard):
            raise ConnectionFailedError("the call ended, and nothing was said")
        with contextlib.suppress(TimeoutError):
            while not self.ended.is_set():
                async with asyncio.timeout(silence):
                    await self._wait_for_news()
        return self._recorded(first, self.times[first])

    def recording(self) -> AudioFrame:
        """All that the caller heard, from the beginning of the call on, pauses included."""
        return self._recorded(0, 0.0)

    # How

    async def _take_all(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for data in self.socket:
                await self.hears.wait()
                message = json.loads(data)
                self.received.append(message)
                self.on_event(message)
                if "event" not in message:
                    continue  # a refusal, which a service does not understand
                if message["event"] in ("clear", "clearAudio"):
                    self._cleared += 1
                    while not self._waiting.empty():
                        await self._report(self._waiting.get_nowait())
                elif self._waiting.full():
                    raise QueueFullError("the server is a minute ahead of what the caller hears")
                else:
                    self._waiting.put_nowait(message)

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        due = -math.inf  # nothing was before the first piece, on a clock that starts at 0 either
        while True:
            message = await self._waiting.get()
            if message["event"] not in ("media", "playAudio"):
                await self._report(message)
                continue
            cleared = self._cleared
            sound = decode_mulaw(base64.b64decode(message["media"]["payload"]))
            for start in range(0, len(sound), _SIZE):
                piece = sound[start : start + _SIZE]
                begun = due if loop.time() < due + LATE else loop.time()
                due = begun + len(piece) / SAMPLE_RATE
                await asyncio.sleep(max(0.0, due - loop.time()))
                if cleared != self._cleared:
                    break
                self.heard.append(piece)
                self.times.append(begun - self._began)
                if _is_loud(piece):
                    self._news.set()

    async def _report(self, message: dict[str, Any]) -> None:
        """A mark has been reached, or was cleared."""
        with contextlib.suppress(ConnectionClosed):  # the server did not wait for it
            if message["event"] == "mark":
                await self._send(event="mark", mark=message["mark"])
            elif message["event"] == "checkpoint":
                await self._send(event="playedStream", name=message["name"])

    async def _keep_silence(self) -> None:
        """Send silence whenever the caller does not speak."""
        with contextlib.suppress(ConnectionClosed):  # the call is over
            while True:
                async with self._mouth:
                    await self._send_audio(_SILENCE)

    async def _send_audio(self, samples: NDArray[np.int16]) -> None:
        """Send 20 ms, as soon as the 20 ms before are over."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._due - now))
        self._due = max(self._due, now) + len(samples) / SAMPLE_RATE
        self._chunk += 1
        media = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str(20 * (self._chunk - 1)),
            "payload": base64.b64encode(encode_mulaw(samples)).decode(),
        }
        await self._send(event="media", media=media)

    async def _send(self, **message: Any) -> None:
        if message["event"] != "connected":
            self._sequence += 1
            if self.service == "twilio":
                message |= {"sequenceNumber": str(self._sequence), "streamSid": self._stream_id}
            elif self.service == "telnyx":
                message |= {"sequence_number": str(self._sequence), "stream_id": self._stream_id}
            elif message["event"] != "start":
                message |= {"sequenceNumber": self._sequence, "streamId": self._stream_id}
        await self.socket.send(json.dumps(message))

    async def _wait_for_news(self) -> None:
        """Wait for a sound, or the end."""
        if not self.ended.is_set():
            await self._news.wait()
            self._news.clear()

    def _recorded(self, first: int, since: float) -> AudioFrame:
        pieces = list(zip(self.times[first:], self.heard[first:], strict=True))
        starts = [round((time - since) * SAMPLE_RATE) for time, _ in pieces]
        data = np.zeros((1, starts[-1] + len(pieces[-1][1]) if pieces else 0), np.int16)
        for start, (_, piece) in zip(starts, pieces, strict=True):
            data[0, start : start + len(piece)] = piece
        return AudioFrame(SAMPLE_RATE, data)


@asynccontextmanager
async def calling(
    url: str,
    service: Service = "twilio",
    *,
    parameters: Mapping[str, str] | None = None,
    silence: bool = False,
    **options: Any,
) -> AsyncIterator[Phone]:
    """A call straight to the socket, without the request that tells of it.

    Args:
        url: Where the stream is mounted, such as `http://127.0.0.1:7860`.
        service: Whose words are used.
        parameters: See `Phone`.
        silence: See `Phone`.
        options: Of `websockets.connect`.
    """
    address = url.replace("http", "ws", 1) + "/telephone/handler"
    async with connect(address, **options) as socket:
        phone = Phone(service, socket, parameters=parameters, silence=silence)
        async with on_the_phone(phone):
            yield phone


@asynccontextmanager
async def on_the_phone(phone: Phone) -> AsyncIterator[None]:
    """Begin a call, and listen for as long as the context lasts."""
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        await phone.begin()
        listening = tasks.create_task(phone.listen())
        try:
            yield
        except Exception as error:
            # Raised again below: a failed assertion shall not arrive wrapped in a group.
            failure = error
        finally:
            listening.cancel()
    if failure is not None:
        raise failure


def _is_loud(piece: NDArray[np.int16]) -> bool:
    return bool(np.abs(piece.astype(np.int32)).max(initial=0) >= LOUD)
