"""The file of a flight recorder: what crossed the boundary of a session, line by line.

A recording is gzip-compressed JSON, one object a line, so that what was written before a crash can
be read. The first line describes the session (`Header`), every other one is an `Event`.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import ConfigurationError
from ..frames import AudioFrame

FORMAT = 1
"""Version of the format."""

Kind = Literal["audio", "message", "key", "sent", "end"]


@dataclass(frozen=True)
class Header:
    """What is known of a session when it begins.

    Attributes:
        webrtc_id: Its id.
        transport: Its transport.
        params: What the client sent as `params`.
        args: The additional inputs, as far as they are JSON; `None` if there were none.
        receives: Whether audio comes in.
        sends: Whether audio goes out.
        time_limit: Longest session in s.
        version: Of fastrtc-core.
        format: Of the file.
    """

    webrtc_id: str
    transport: str
    params: dict[str, Any] = field(default_factory=dict)
    args: list[Any] | None = None
    receives: bool = True
    sends: bool = True
    time_limit: float | None = None
    version: str = ""
    format: int = FORMAT


@dataclass(frozen=True)
class Event:
    """One thing that crossed the boundary of a session.

    Attributes:
        at: When, in s since the session began to run.
        kind: `audio` (a frame of the client), `message` or `key` (from the client), `sent` (a
            message to the client), or `end`.
        data: An `AudioFrame`, the `str` or `bytes` of a message, the key, or the `CloseReason`.
    """

    at: float
    kind: Kind
    data: Any


def pack_header(header: Header) -> str:
    """The first line. Values that JSON cannot express become their `repr`."""
    return json.dumps(asdict(header), default=repr) + "\n"


def pack(event: Event) -> str:
    """The line of an event."""
    line: dict[str, Any] = {"at": round(event.at, 6), "kind": event.kind}
    if isinstance(event.data, AudioFrame):
        rate, samples = event.data
        line |= {"rate": rate, "channels": len(samples), "pcm": _text(samples.tobytes())}
    elif isinstance(event.data, bytes):
        line["bytes"] = _text(event.data)
    else:
        line["data"] = event.data
    return json.dumps(line) + "\n"


def read(path: str | Path) -> tuple[Header, list[Event]]:
    """Read a recording; of one that was cut off, what is whole.

    Raises:
        ConfigurationError: If the file is no recording, or of a later version.
        OSError: If it cannot be opened.
    """
    lines = _lines(path)
    try:
        first = json.loads(next(lines, ""))
        if first["format"] > FORMAT:
            raise ConfigurationError(f"{path} is of a later version: update fastrtc-core")
        header = Header(**first)
    except (ValueError, TypeError, KeyError):
        raise ConfigurationError(f"{path} is not a recording of a session") from None
    events = []
    for line in lines:
        try:
            events.append(_unpack(json.loads(line)))
        except (ValueError, KeyError):  # the last line, cut off
            break
    return header, events


def _lines(path: str | Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        try:
            yield from file
        except (EOFError, OSError, zlib.error):
            return


def _unpack(line: dict[str, Any]) -> Event:
    data: Any
    if "pcm" in line:
        samples = np.frombuffer(base64.b64decode(line["pcm"]), dtype=np.int16)
        data = AudioFrame(line["rate"], samples.reshape(line["channels"], -1))
    elif "bytes" in line:
        data = base64.b64decode(line["bytes"])
    else:
        data = line["data"]
    return Event(line["at"], line["kind"], data)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
