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
from collections.abc import Mapping
from typing import Any

NOTICED = 4
"""After how many s a client that does not answer is given up."""

_FILES = "/proc/self/fd"


def watch(scope: Mapping[str, Any]) -> bool:
    """Have the connection of a request end when the other host answers no more.

    Where a proxy stands between, that is the proxy, whose part it is to watch the client.

    Args:
        scope: The ASGI scope of the request.

    Returns:
        Whether the connection was found; only Linux shows it.
    """
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
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
