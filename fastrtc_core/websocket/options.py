"""What a stream asks of its sessions over WebSockets."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..handler.functions import Mode
from ..session import Hooks


@dataclass(frozen=True)
class SocketOptions:
    """What holds for all of them; see `Stream`."""

    mode: Mode
    time_limit: float | None = None
    hooks: Hooks = field(default_factory=Hooks)
