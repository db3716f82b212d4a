"""Channels: rooms in which browsers, code of this process, and handlers meet."""

from ..errors import TokenError
from .attachment import Attachment
from .channel import Channel, RemoteUser
from .chat import Chat, ChatMessage
from .engine import RtcEngine
from .options import RtcOptions
from .rpc import RpcErrorCode, RpcInvocation
from .tokens import ALL_PERMISSIONS, Grant, Permission, build_token, check_token

__all__ = [
    "ALL_PERMISSIONS",
    "Attachment",
    "Channel",
    "Chat",
    "ChatMessage",
    "Grant",
    "Permission",
    "RemoteUser",
    "RpcErrorCode",
    "RpcInvocation",
    "RtcEngine",
    "RtcOptions",
    "TokenError",
    "build_token",
    "check_token",
]
