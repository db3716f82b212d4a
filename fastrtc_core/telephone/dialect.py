"""How telephone services speak over a socket, without I/O.

Twilio (Media Streams), Telnyx and Plivo say the same things in different words: `start` with the
ids of the call, `media` with 8 kHz G.711 in base64, a mark that comes back when it has been played,
`dtmf` for a key that was pressed, `stop`, and a word to discard what has not been played.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import MalformedOfferError, MessageError
from ..frames import AudioFrame
from ..websocket.codecs import ALaw, Codec, MuLaw
from ..websocket.dialect import (
    BACKLOG,
    MAX_MESSAGE,
    Event,
    Key,
    Mark,
    Media,
    Several,
    Stop,
    load,
    payload_of,
)
from .chunks import Chunks
from .parameters import parameters_in

SAMPLE_RATE = 8000
"""Rate of a telephone call in Hz."""


class _Words(NamedTuple):
    """The words of one service.

    Attributes:
        stream_id: What it calls the id of a stream, in `start` and beside other events.
        call_id: What it calls the id of a call, in `start`.
        media: The event with audio for the caller.
        mark: The event that asks for a mark.
        played: The event with which a mark comes back.
        clear: The event that discards what was not played.
        timed: Whether time stamps are those of the audio, from the start of the stream.
    """

    stream_id: str
    call_id: str
    media: str = "media"
    mark: str = "mark"
    played: str = "mark"
    clear: str = "clear"
    timed: bool = True


_SERVICES = {
    "twilio": _Words("streamSid", "callSid"),
    "telnyx": _Words("stream_id", "call_control_id"),
    "plivo": _Words(
        "streamId",
        "callId",
        media="playAudio",
        mark="checkpoint",
        played="playedStream",
        clear="clearAudio",
        timed=False,
    ),
}


class Call(NamedTuple):
    """What a service tells of a call.

    Attributes:
        service: `twilio`, `telnyx` or `plivo`.
        stream_id: Its id of the stream.
        details: Everything that it said in `start`.
        encoding: Of the audio, in both directions.
        parameters: What it hands on from the answer to its request: the numbers `From` and `To`,
            and the application's own.
    """

    service: str
    stream_id: str
    details: dict[str, Any]
    encoding: Literal["mulaw", "alaw"] = "mulaw"
    parameters: Mapping[str, str] = MappingProxyType({})

    def params(self) -> dict[str, Any]:
        """For the context of the session."""
        call_id = self.details.get(_SERVICES[self.service].call_id)
        about = {"service": self.service, "call_id": call_id, "call": self.details}
        return {**self.parameters, **about}


def parse_call(data: str | bytes) -> Call | None:
    """Read what comes before the audio; `None` for `connected`, which says nothing.

    Raises:
        MalformedOfferError: If it is not the beginning of a call with 8 kHz µ-law or A-law.
    """
    try:
        message = load(data)
    except MessageError as error:
        raise MalformedOfferError(str(error)) from None
    if message.get("event") == "connected":
        return None
    details = message.get("start")
    if message.get("event") != "start" or not isinstance(details, dict):
        raise MalformedOfferError("a call begins with {'event': 'start', 'start': {…}}")
    for service, words in _SERVICES.items():
        stream_id = message.get(words.stream_id, details.get(words.stream_id))
        if isinstance(stream_id, str):
            parameters = parameters_in(message, details)
            return Call(service, stream_id, details, _encoding_of(details), parameters)
    known = ", ".join(words.stream_id for words in _SERVICES.values())
    raise MalformedOfferError(f"the start of a call has an id, one of {known}")


def _encoding_of(details: dict[str, Any]) -> Literal["mulaw", "alaw"]:
    described = details.get("mediaFormat", details.get("media_format"))
    if not isinstance(described, dict):
        return "mulaw"
    encoding = str(described.get("encoding", "PCMU")).lower()
    rate = described.get("sampleRate", described.get("sample_rate", SAMPLE_RATE))
    if rate in (SAMPLE_RATE, str(SAMPLE_RATE)):
        if encoding.endswith(("pcmu", "mulaw")):
            return "mulaw"
        if encoding.endswith(("pcma", "alaw")):
            return "alaw"
    raise MalformedOfferError(
        f"the service sends {encoding[:40]} at {str(rate)[:40]} Hz; "
        "set it to µ-law (PCMU) or A-law (PCMA) at 8000 Hz"
    )


class CallDialect:
    """One call.

    Args:
        call: What the service told of it.
    """

    input_sample_rate = SAMPLE_RATE
    output_sample_rate = SAMPLE_RATE
    num_channels = 1
    pause: float | None = None
    asks = False
    backlog = BACKLOG
    max_message = MAX_MESSAGE

    def __init__(self, call: Call) -> None:
        self._words = _SERVICES[call.service]
        self._plivo = call.service == "plivo"
        self._id = {self._words.stream_id: call.stream_id}
        self._chunks = Chunks(SAMPLE_RATE, timed=self._words.timed)
        self._codec: Codec = ALaw() if call.encoding == "alaw" else MuLaw()

    def started(self, id: str) -> str | None:
        """The service does not wait for an answer."""
        return None

    def parse(self, data: str | bytes) -> Event:
        """Read what the service sent.

        Raises:
            MessageError: If it cannot be understood.
        """
        message = load(data)
        event = message.get("event")
        if event == "media":
            media = _inner(message, "media")
            if str(media.get("track", "inbound")).startswith("out"):
                return None  # what we sent, once more
            samples = self._codec.decode(payload_of(media, "media"))
            return _media(self._chunks.push(samples, media.get("chunk"), media.get("timestamp")))
        if event == "stop":
            last = _media(self._chunks.flush())
            return Stop() if last is None else Several((last, Stop()))
        if event == "dtmf":
            digit = _inner(message, "dtmf").get("digit")
            if not isinstance(digit, str) or not digit:
                raise MessageError("dtmf must have a digit")
            return Key(digit)
        if event == self._words.played:
            name = message.get("name", _inner(message, "mark").get("name"))
            return Mark(str(name))
        return None  # services add events; none of them ends a call

    def audio(self, frame: AudioFrame) -> Sequence[str | bytes]:
        """Audio for the caller."""
        media = {"payload": base64.b64encode(self._codec.encode(frame.data)).decode()}
        if self._plivo:
            media = {"contentType": "audio/x-mulaw", "sampleRate": "8000", **media}
        return (json.dumps({"event": self._words.media, **self._id, "media": media}),)

    def clear(self) -> Sequence[str]:
        """Discard what was not played."""
        return (json.dumps({"event": self._words.clear, **self._id}),)

    def paused(self) -> Sequence[str]:
        """Nothing."""
        return ()

    def mark(self, name: str) -> str | None:
        """Ask to be told when all so far has been played."""
        body = {"name": name} if self._plivo else {"mark": {"name": name}}
        return json.dumps({"event": self._words.mark, **self._id, **body})

    def message(self, text: str) -> Sequence[str]:
        """A telephone shows no messages."""
        return ()

    def binary(self, data: bytes) -> Sequence[str | bytes]:
        """Of no kind."""
        return ()


def _media(samples: NDArray[np.int16] | None) -> Media | None:
    return None if samples is None else Media(AudioFrame(SAMPLE_RATE, samples))


def _inner(message: dict[str, Any], key: str) -> dict[str, Any]:
    inner = message.get(key)
    return inner if isinstance(inner, dict) else {}
