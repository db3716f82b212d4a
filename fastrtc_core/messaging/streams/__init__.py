"""Streams of text or bytes between the members of a channel, in the words of LiveKit's SDKs."""

from .channel import StreamMethods
from .info import ByteStreamInfo, StreamInfo, TextStreamInfo
from .reader import ByteStreamReader, TextStreamReader
from .service import DataStreamStatistics
from .writer import ByteStreamWriter, TextStreamWriter

__all__ = [
    "ByteStreamInfo",
    "ByteStreamReader",
    "ByteStreamWriter",
    "DataStreamStatistics",
    "StreamInfo",
    "StreamMethods",
    "TextStreamInfo",
    "TextStreamReader",
    "TextStreamWriter",
]
