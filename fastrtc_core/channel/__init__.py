"""Channels: rooms in which browsers, code of this process, and handlers meet."""

from ..errors import TokenError
from .attachment import Attachment
from .channel import Channel, RemoteUser
from .chat import Chat, ChatMessage
from .engine import RtcEngine
from .grants import ALL_PERMISSIONS, Grant, Permission
from .options import RtcOptions
from .rpc import RpcErrorCode, RpcInvocation
from .streams import (
    ByteStreamInfo,
    ByteStreamReader,
    ByteStreamWriter,
    DataStreamStatistics,
    TextStreamInfo,
    TextStreamReader,
    TextStreamWriter,
)
from .tokens import build_token, check_token
from .transcripts import Transcript

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
