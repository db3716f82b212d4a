"""Streams of text or bytes between the members of a channel, in the words of LiveKit's SDKs."""

from .data_streams import DataStreams
from .info import ByteStreamInfo, StreamInfo, TextStreamInfo
from .reader import ByteStreamReader, TextStreamReader
from .service import DataStreamStatistics
from .writer import ByteStreamWriter, TextStreamWriter

__all__ = [
    "ByteStreamInfo",
    "ByteStreamReader",
    "ByteStreamWriter",
    "DataStreamStatistics",
    "DataStreams",
    "StreamInfo",
    "TextStreamInfo",
    "TextStreamReader",
    "TextStreamWriter",
]
