"""Channels: rooms in which browsers, code of this process, and handlers meet."""

from ..errors import TokenError
from ..messaging.chat import Chat, ChatMessage
from ..messaging.rpc import RpcErrorCode, RpcInvocation
from ..messaging.streams import (
    ByteStreamInfo,
    ByteStreamReader,
    ByteStreamWriter,
    DataStreamStatistics,
    TextStreamInfo,
    TextStreamReader,
    TextStreamWriter,
)
from ..messaging.transcripts import Transcript
from ..room.grants import ALL_PERMISSIONS, Grant, Permission
from .attachment import Attachment
from .channel import Channel, RemoteUser
from .engine import RtcEngine
from .options import RtcOptions
from .tokens import build_token, check_token

__all__ = [
    "ALL_PERMISSIONS",
    "Attachment",
    "ByteStreamInfo",
    "ByteStreamReader",
    "ByteStreamWriter",
    "Channel",
    "Chat",
    "ChatMessage",
    "DataStreamStatistics",
    "Grant",
    "Permission",
    "RemoteUser",
    "RpcErrorCode",
    "RpcInvocation",
    "RtcEngine",
    "RtcOptions",
    "TextStreamInfo",
    "TextStreamReader",
    "TextStreamWriter",
    "TokenError",
    "Transcript",
    "build_token",
    "check_token",
]
