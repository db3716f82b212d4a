"""A warning where the server unpacks messages that clients have compressed.

A server such as uvicorn does so before anybody can count the bytes: a message of 16 KB becomes one
of 16 MB. Nothing in ASGI tells of it, and an application cannot turn it off; uvicorn's settings are
found by the task in which it runs the application.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)

_warned = False


def warn_of_compression(headers: Mapping[str, str]) -> None:
    """Warn, once, if a client offers compression and the server takes it.

    Args:
        headers: Of the request that opened the socket.
    """
    global _warned
    if _warned or "permessage-deflate" not in headers.get("sec-websocket-extensions", ""):
        return
    if getattr(_config(), "ws_per_message_deflate", False):
        _warned = True
        logger.warning(
            "A client sends compressed messages, which uvicorn unpacks before their size is known. "
            "Run uvicorn with ws_per_message_deflate=False and ws_max_size=22020096 "
            "(--ws-per-message-deflate false --ws-max-size 22020096)."
        )


def _config() -> Any:
    """The `uvicorn.Config` of the running task, or `None` if there is none to be found."""
    task = asyncio.current_task()
    coroutine: Any = task.get_coro() if task is not None else None
    frame = getattr(coroutine, "cr_frame", None)
    protocol = frame.f_locals.get("self") if frame is not None else None
    return getattr(protocol, "config", None)
