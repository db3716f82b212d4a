"""The WebSocket protocol, without I/O: FastRTC's JSON events, and what `start` may ask for beyond.

The client says `start` first, then `media`, and messages as on a data channel; `stop` ends it and
`ping` is answered with `pong`. Audio is µ-law in base64 at the rates of the handler, as FastRTC's
clients send it, unless `start` asks for `pcm16`, another rate, two channels, or binary frames.

Binary frames are audio, or messages if `start` asks for that. Where they are audio, bytes are
carried by the event `bytes`, in base64. JSON in a binary frame is read as JSON in any case.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from .. import strict_json
from ..errors import MalformedOfferError, MessageError
from ..frames import AudioFrame, channels_of
from ..handler import MIN_SAMPLE_RATE, StreamHandlerBase
from .codecs import CODECS, Codec, Encoding

MAX_SAMPLE_RATE = 192_000

MAX_MESSAGE = 1 << 20
"""Length of the largest message from a client: 8 s of 48 kHz in base64."""

BACKLOG = 10.0
"""Audio in s from a client that may wait where it comes faster than in real time."""


class Media(NamedTuple):
    """Audio from the client."""

    frame: AudioFrame


class Text(NamedTuple):
    """A message, as on a data channel: text, or bytes."""

    text: str | bytes


class Reply(NamedTuple):
    """Something that is to be answered with this text, and is of no further interest."""

    text: str


class Key(NamedTuple):
    """A key of a telephone was pressed."""

    digit: str


class Mark(NamedTuple):
    """All audio before a mark has been played."""

    name: str


class Stop(NamedTuple):
    """The client ends the session."""


class Interrupt(NamedTuple):
    """The client ends what is being said."""


class Discard(NamedTuple):
    """Audio that the handler has not got yet is not meant for it.

    Attributes:
        told: Called with how much in s that was.
    """

    told: Callable[[float], None]


class Later(NamedTuple):
    """Something that comes after all audio before it: when the handler has heard that."""

    event: Event


class Truncated(NamedTuple):
    """The client has not played the end of what it was sent.

    Attributes:
        length: Of that end, in s.
    """

    length: float


class Several(NamedTuple):
    """One after the other."""

    events: tuple[Event, ...]


Event = (
    Media
    | Text
    | Reply
    | Key
    | Mark
    | Stop
    | Interrupt
    | Discard
    | Later
    | Truncated
    | Several
    | None
)
"""What a client sent; `None` for what is of no interest."""


class Dialect(Protocol):
    """Reads and writes what goes over one socket, once the session has started.

    Attributes:
        input_sample_rate: Of the audio from the client, in Hz; it may change between two frames.
        output_sample_rate: Of the audio to it, in Hz.
        num_channels: In both directions.
        pause: Time in s without audio after which `paused` is called; never if `None`.
        asks: Whether clients can be asked for their additional inputs.
        backlog: Audio in s from the client that may wait for the handler.
        max_message: Length of the largest message from the client.
    """

    @property
    def input_sample_rate(self) -> int:
        """Of the audio from the client, in Hz."""
        ...

    output_sample_rate: int
    num_channels: int
    pause: float | None
    asks: bool
    backlog: float
    max_message: int

    def started(self, id: str) -> str | None:
        """Tell the client that its session has begun; `None` where it does not wait for that."""
        ...

    def parse(self, data: str | bytes) -> Event:
        """Read what the client sent.

        Raises:
            MessageError: If it cannot be understood.
        """
        ...

    def audio(self, frame: AudioFrame) -> Sequence[str | bytes]:
        """Write a frame of the output rate."""
        ...

    def clear(self) -> Sequence[str]:
        """Tell the client to discard what it has not played yet."""
        ...

    def paused(self) -> Sequence[str]:
        """Tell the client that there has been no audio for a while."""
        ...

    def mark(self, name: str) -> str | None:
        """Ask to be told when all so far has been played; `None` where clients cannot tell."""
        ...

    def message(self, text: str) -> Sequence[str]:
        """Write a message of the session; nothing where clients understand none."""
        ...

    def binary(self, data: bytes) -> Sequence[str | bytes]:
        """Write a binary message; nothing where clients understand no messages at all.

        Raises:
            MessageError: If clients take text alone.
        """
        ...


@dataclass(frozen=True)
class Start:
    """What a client asks for.

    Attributes:
        websocket_id: The id that it wants; without one it is issued one.
        encoding: `mulaw`, `alaw` or `pcm16`.
        sample_rate: In both directions, in Hz; the rates of the handler when left out.
        num_channels: In both directions.
        binary: Whether audio goes in binary frames; or `messages`, if binary messages do.
        args: Additional inputs.
        params: Whatever else the handler is to know.
        extended: Whether it knows more than FastRTC's clients do, and waits for `started`.
    """

    websocket_id: str | None = None
    encoding: Encoding = "mulaw"
    sample_rate: int | None = None
    num_channels: int | None = None
    binary: bool | Literal["messages"] = False
    args: list[Any] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    extended: bool = False


def parse_start(data: str | bytes) -> Start:
    """Read the first message of a client.

    Raises:
        MalformedOfferError: If it is no `start`, or asks for what there is not.
    """
    try:
        message = load(data)
    except MessageError as error:
        raise MalformedOfferError(str(error)) from None
    if message.get("event") != "start":
        raise MalformedOfferError("the first message must be {'event': 'start', …}")
    kinds: dict[str, tuple[type, ...]] = {
        "websocket_id": (str,),
        "encoding": (str,),
        "sample_rate": (int,),
        "channels": (int,),
        "binary": (bool, str),
        "args": (list,),
        "params": (dict,),
    }
    given = {key: message[key] for key in kinds if message.get(key) is not None}
    for key, value in given.items():
        if not isinstance(value, kinds[key]) or (kinds[key] == (int,) and isinstance(value, bool)):
            raise MalformedOfferError(f"{key} must be of type {kinds[key][0].__name__}")
    if isinstance(given.get("binary"), str) and given["binary"] != "messages":
        raise MalformedOfferError("binary must be true or false (audio), or 'messages'")
    encoding = given.get("encoding", "mulaw")
    if encoding not in CODECS:
        raise MalformedOfferError(f"encoding must be one of {', '.join(CODECS)}")
    rate = given.get("sample_rate")
    if rate is not None and (not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE or rate % 50):
        raise MalformedOfferError(
            f"sample_rate must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE}, a multiple of 50"
        )
    if given.get("channels", 1) not in (1, 2):
        raise MalformedOfferError("channels must be 1 or 2")
    return Start(
        given.get("websocket_id"),
        encoding,
        rate,
        given.get("channels"),
        given.get("binary", False),
        given.get("args"),
        given.get("params", {}),
        extended=bool(given.keys() & {"encoding", "sample_rate", "channels", "binary"}),
    )


class JsonDialect:
    """What FastRTC's clients speak, and ours.

    Args:
        start: What the client asked for.
        handler: Whose rates and layout it gets when it asked for none.
    """

    pause: float | None = None
    asks = True
    backlog = BACKLOG
    max_message = MAX_MESSAGE

    def __init__(self, start: Start, handler: StreamHandlerBase) -> None:
        self._start = start
        self.input_sample_rate = start.sample_rate or handler.input_sample_rate
        self.output_sample_rate = start.sample_rate or handler.output_sample_rate
        self.num_channels = start.num_channels or channels_of(handler.expected_layout)
        self._decoder: Codec = CODECS[start.encoding](self.num_channels)
        self._encoder: Codec = CODECS[start.encoding](self.num_channels)

    def started(self, id: str) -> str | None:
        """The answer to `start`, for a client that waits for one."""
        if not self._start.extended:
            return None
        return json.dumps(
            {
                "event": "started",
                "websocket_id": id,
                "encoding": self._start.encoding,
                "input_sample_rate": self.input_sample_rate,
                "output_sample_rate": self.output_sample_rate,
                "channels": self.num_channels,
                "binary": self._start.binary,
            }
        )

    def parse(self, data: str | bytes) -> Event:
        """Read what the client sent.

        Raises:
            MessageError: If it cannot be understood.
        """
        message = load(data) if isinstance(data, str) else _message_in(data)
        if message is None:
            assert isinstance(data, bytes)
            return Text(data) if self._start.binary == "messages" else self._media(data)
        event = message.get("event")
        if event is None:
            return Text(data)
        if event == "media":
            return self._media(payload_of(message.get("media"), "media"))
        if event == "bytes":
            return Text(payload_of(message, "bytes"))
        if event == "ping":
            return Reply('{"event": "pong"}')
        if event == "stop":
            return Stop()
        raise MessageError(f"unknown event {str(event)[:40]!r}")

    def audio(self, frame: AudioFrame) -> Sequence[str | bytes]:
        """Write a frame of the output rate and layout."""
        data = self._encoder.encode(frame.data)
        if self._start.binary is True:
            return (data,)
        payload = base64.b64encode(data).decode()
        return (f'{{"event": "media", "media": {{"payload": "{payload}"}}}}',)

    def clear(self) -> Sequence[str]:
        """Tell the client to discard what it has not played yet."""
        return ('{"event": "clear"}',)

    def paused(self) -> Sequence[str]:
        """Nothing."""
        return ()

    def mark(self, name: str) -> str | None:
        """Clients of this protocol do not tell what they have played."""
        return None

    def message(self, text: str) -> Sequence[str]:
        """A message of the session, as it is."""
        return (text,)

    def binary(self, data: bytes) -> Sequence[str | bytes]:
        """As it is, or in an event, as `start` has asked for it."""
        if self._start.binary == "messages":
            return (data,)
        return (json.dumps({"event": "bytes", "payload": base64.b64encode(data).decode()}),)

    def _media(self, data: bytes) -> Media:
        return Media(AudioFrame(self.input_sample_rate, self._decoder.decode(data)))


def load(data: str | bytes, limit: int = MAX_MESSAGE) -> dict[str, Any]:
    """Read a JSON object of at most so many characters; some clients send it as bytes.

    Raises:
        MessageError: If it is none.
    """
    if len(data) > limit:
        raise MessageError(f"the message is larger than {limit} characters")
    try:
        message = strict_json.load(data)
    except ValueError:
        kind = "message" if isinstance(data, str) else "binary message"
        raise MessageError(f"the {kind} is not JSON") from None
    if not isinstance(message, dict):
        raise MessageError("a message must be a JSON object")
    return message


def payload_of(carrier: Any, name: str) -> bytes:
    """The bytes that an event has as its `payload`, or a part of it with this name.

    Raises:
        MessageError: If there are none.
    """
    payload = carrier.get("payload") if isinstance(carrier, dict) else None
    if not isinstance(payload, str):
        raise MessageError(f"{name} must have a payload in base64")
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise MessageError(f"the payload of {name} is not base64") from None


def _message_in(data: bytes) -> dict[str, Any] | None:
    """An event or a message that comes in a binary frame; `None` for anything else.

    Audio may be a JSON object by chance, but hardly one of the protocol.
    """
    inner = data.strip()
    if not (inner.startswith(b"{") and inner.endswith(b"}")):
        return None
    try:
        message = load(data)
    except MessageError:
        return None
    return message if "event" in message or "type" in message else None
