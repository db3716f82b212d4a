"""What a member may do."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Permission = Literal["publish_audio", "publish_video", "publish_messages", "subscribe"]

ALL_PERMISSIONS: frozenset[Permission] = frozenset(get_args(Permission))
"""What a token allows if nothing else was asked for."""

MAX_TOKEN_ID = 128
"""Longest id (`jti`) of a token, in characters."""


class Grant(NamedTuple):
    """What a token allows.

    Attributes:
        channel: The channel that it is for.
        uid: The user that it is for; 0 if it is for any.
        permissions: What that user may do.
        expires: When it ends, as Unix time in s.
        id: What tells it from every other token.
        name: What the user is called; empty if it may choose.
    """

    channel: str
    uid: int
    permissions: frozenset[Permission]
    expires: float
    id: str
    name: str = ""
