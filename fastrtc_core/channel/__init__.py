"""Channels: rooms in which browsers, code of this process, and handlers meet."""

from ..errors import TokenError
from ..messaging.chat import Chat, ChatMessage
from ..messaging.rpc import RpcErrorCode, RpcInvocation
from ..messaging.streams import (
    ByteStreamInfo,
    ByteStreamReader,
    ByteStreamWriter,
    DataStreams,
    DataStreamStatistics,
    TextStreamInfo,
    TextStreamReader,
    TextStreamWriter,
)
from ..messaging.transcripts import Transcript
from ..room.grants import ALL_PERMISSIONS, Grant, Permission
from ..room.snapshot import MemberSnapshot, RoomSnapshot
from .attachment import Attachment
from .channel import Channel
from .engine import RtcEngine
from .local_member import RemoteUser
from .options import RtcOptions
from .snapshot import EngineSnapshot
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
    "DataStreams",
    "EngineSnapshot",
    "Grant",
    "MemberSnapshot",
    "Permission",
    "RemoteUser",
    "RoomSnapshot",
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
