"""Sockets on one port of each address of this machine."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Sequence
from typing import Literal, TypeAlias

logger = logging.getLogger(__name__)

BACKLOG = 128
"""Connections that the kernel keeps until they are accepted."""

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What another port, or another address, does not cure: there is no room for another socket."""

_ATTEMPTS = 8

_OF_THE_PORT = (errno.EADDRINUSE, errno.EACCES, *EXHAUSTED)
"""What is wrong with a port, or with this process; anything else is wrong with one address."""


PortNumber: TypeAlias = int | range
"""A port, or those of which the first is taken that no other process has; 0 for any."""


def bind(
    what: Literal["UDP", "TCP"], number: PortNumber, addresses: Sequence[str]
) -> list[socket.socket]:
    """Sockets on one port of each address; addresses that cannot be used are left out.

    Args:
        what: Those of TCP listen.
        number: The port; 0 for any that is free on all of them; or a range of them.
        addresses: The IP addresses.

    Raises:
        OSError: If the port is taken, or there is no address; the text says what to change.
    """
    if isinstance(number, range):
        return _bind_first(what, number, addresses)
    for attempt in range(_ATTEMPTS):
        sockets: list[socket.socket] = []
        port = number
        try:
            for address in addresses:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                try:
                    sock = _bound(what, family, address, port)
                except OSError as error:
                    if error.errno in _OF_THE_PORT:
                        raise
                    logger.info("%s is left out: %s", address, error)
                    continue
                sockets.append(sock)
                port = sock.getsockname()[1]
        except OSError as error:
            for sock in sockets:
                sock.close()
            if number == 0 and error.errno == errno.EADDRINUSE and attempt < _ATTEMPTS - 1:
                continue  # the port that is free on one address is not on another
            if error.errno in EXHAUSTED:
                raise
            raise OSError(
                error.errno,
                f"{what} port {number} cannot be opened ({error.strerror}): choose another "
                f"{what.lower()}_port; each process, and each event loop in it, needs one of its "
                "own",
            ) from None
        if sockets:
            return sockets
        break
    raise OSError(errno.EADDRNOTAVAIL, "this machine has no address to listen on for media")


def _bound(
    what: Literal["UDP", "TCP"], family: socket.AddressFamily, address: str, port: int
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM if what == "TCP" else socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if what == "TCP" and os.name == "posix":
            # What has just ended does not keep a server from starting again. On Windows this would
            # have two processes listen on one port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        if what == "TCP":
            sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def watches_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether an event loop says when a socket can be read; that of Windows does not."""
    return type(loop).add_reader is not asyncio.AbstractEventLoop.add_reader


def _bind_first(
    what: Literal["UDP", "TCP"], numbers: range, addresses: Sequence[str]
) -> list[socket.socket]:
    """Sockets on the first port that is free on all addresses."""
    for number in numbers:
        try:
            return bind(what, number, addresses)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(
        errno.EADDRINUSE,
        f"{what} ports {numbers[0]} to {numbers[-1]} are all taken: {what.lower()}_port must have "
        "as many as there are processes, and event loops in them",
    )
