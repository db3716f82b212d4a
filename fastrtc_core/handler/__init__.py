"""The handler classes that applications subclass.

A handler is a prototype: `copy()` makes one per session. Its methods may be sync or async as the
class says; sync methods run on threads that belong to the session, never on the event loop.
"""

from .base import MIN_SAMPLE_RATE, StreamHandlerBase, VideoFormat, VideoInput
from .kinds import (
    AsyncAudioVideoStreamHandler,
    AsyncStreamHandler,
    AudioVideoStreamHandler,
    StreamHandler,
    implements,
)
from .link import SessionLink

__all__ = [
    "MIN_SAMPLE_RATE",
    "AsyncAudioVideoStreamHandler",
    "AsyncStreamHandler",
    "AudioVideoStreamHandler",
    "SessionLink",
    "StreamHandler",
    "StreamHandlerBase",
    "VideoFormat",
    "VideoInput",
    "implements",
]
