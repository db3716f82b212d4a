"""Noticing that the network of a client is gone, by the TCP connection below its WebSocket.

A host that vanishes says nothing. Pings would tell, but only the server that carries the socket can
send them, and uvicorn's take 40 s as it comes. TCP has means of its own (RFC 9293 section 3.8.4,
RFC 5482), which no client has to know of; they are set on the file descriptor of the connection.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Callable, Mapping
from typing import Any

NOTICED = 4
"""After how many s a client that does not answer is given up."""

_FILES = "/proc/self/fd"


def watch(scope: Mapping[str, Any], receive: Callable[..., Any] | None = None) -> bool:
    """Have the connection of a request end when the other host answers no more.

    Where a proxy stands between, that is the proxy, whose part it is to watch the client.

    Args:
        scope: The ASGI scope of the request.
        receive: The ASGI callable from which its messages come.

    Returns:
        Whether the connection was found.
    """
    number = _file_of_protocol(receive)
    if number is not None:
        with socket.socket(fileno=os.dup(number)) as found:
            _watch(found)
        return True
    return _watch_by_address(scope)


def _file_of_protocol(receive: Callable[..., Any] | None) -> int | None:
    """The descriptor of the connection, where `receive` is a method of a protocol of asyncio.

    ASGI tells no more than addresses. With uvicorn's protocols it is, unless a middleware of the
    application has put its own in front.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    ask = getattr(transport, "get_extra_info", None)  # uvloop's is no `asyncio.Transport`
    connection = ask("socket") if ask is not None else None
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    number: int = connection.fileno()
    return number if number >= 0 else None


def _watch_by_address(scope: Mapping[str, Any]) -> bool:
    """Look for the connection among the open files, which only Linux shows."""
    client, server = scope.get("client"), scope.get("server")
    if not client or not server or not os.path.isdir(_FILES):
        return False
    for name in os.listdir(_FILES):
        with contextlib.suppress(OSError):  # closed meanwhile, or not connected
            # Of what is no socket, none can be made, and its copy would stay open.
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                with socket.socket(fileno=os.dup(int(name))) as found:
                    if _connects(found, client[:2], server[:2]):
                        _watch(found)
                        return True
    return False


def _connects(found: socket.socket, client: Any, server: Any) -> bool:
    if found.family not in (socket.AF_INET, socket.AF_INET6) or found.type != socket.SOCK_STREAM:
        return False
    return (found.getpeername()[:2], found.getsockname()[:2]) == (tuple(client), tuple(server))


def _watch(connection: socket.socket) -> None:
    options = {
        "TCP_KEEPIDLE": 1,
        "TCP_KEEPINTVL": 1,
        "TCP_KEEPCNT": NOTICED - 1,
        "TCP_USER_TIMEOUT": 1000 * NOTICED,
    }
    for name, value in options.items():
        if hasattr(socket, name):  # macOS has no name for some of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
