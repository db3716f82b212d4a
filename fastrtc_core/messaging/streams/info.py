"""What is said of a stream before its content comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class StreamInfo:
    """What is known of a stream from its beginning.

    Attributes:
        stream_id: Its id, of this stream alone.
        topic: What it is about: it finds the handler.
        attributes: Whatever else the sender says of it.
        total_size: How many bytes it will have, texts in UTF-8; `None` if that is not known.
        mime_type: Of its content.
        timestamp: When it began, in ms since 1970, by the clock of the sender.
    """

    stream_id: str
    topic: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    total_size: int | None = None
    mime_type: str = ""
    timestamp: int = 0

    @property
    def size(self) -> int | None:
        """`total_size`, as LiveKit calls it."""
        return self.total_size


@dataclass(frozen=True, kw_only=True)
class TextStreamInfo(StreamInfo):
    """What is known of a stream of text."""

    mime_type: str = "text/plain"


@dataclass(frozen=True, kw_only=True)
class ByteStreamInfo(StreamInfo):
    """What is known of a stream of bytes.

    Attributes:
        name: What it is called, as a file is: a text of a stranger, so no path to write to.
    """

    mime_type: str = "application/octet-stream"
    name: str = ""
