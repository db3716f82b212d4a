"""A client that comes back: a new connection whenever the last one was lost."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

from ..errors import (
    ChannelClosedError,
    ConcurrencyLimitError,
    ConnectionFailedError,
    EndOfStreamError,
    UnavailableError,
)
from ..session import CloseReason
from .client import Client

logger = logging.getLogger(__name__)

T = TypeVar("T")

_PASSING = (ConnectionFailedError, ConcurrencyLimitError, UnavailableError)
"""Why it may go better in a moment: nobody there, no room, or a server that is shutting down."""

_LOST = frozenset({CloseReason.LOST, CloseReason.DRAIN, CloseReason.FAILED})
"""Ends that nobody meant: another session may go on."""

_ENDED = (ChannelClosedError, EndOfStreamError)
"""What `use` sees of a connection that has ended."""


async def keep_connected(
    make: Callable[[], Client],
    use: Callable[[Client], Awaitable[T]],
    *,
    first_pause: float = 0.5,
    longest_pause: float = 15.0,
    patience: float | None = None,
) -> T | None:
    """Use a client, and another one whenever the connection is lost or the server shuts down.

    Each connection is a session of its own: the handler begins anew, with the `params` that `make`
    gives its client. Between attempts there are pauses, each up to twice as long as the one before,
    of which a random part is left out, so that many clients do not all come back at once.

    Args:
        make: Makes a client, for each attempt another one.
        use: What is done with a connected one. It is cancelled when the connection ends.
        first_pause: Longest first pause in s.
        longest_pause: Longest pause in s.
        patience: How long in s to go on without a connection; `None` for ever.

    Returns:
        What `use` returned while the connection stood; `None` if the server ended the session for
        good, for example at its time limit.

    Raises:
        ConnectionFailedError: If the server could not be reached for as long as `patience`.
        ConcurrencyLimitError: If it was full for that long.
        UnavailableError: If it was shutting down for that long.
        OfferError: If it refuses for another reason, at once.
    """
    loop = asyncio.get_running_loop()
    pause, since = first_pause, loop.time()
    while True:
        async with AsyncExitStack() as stack:
            try:
                client = await stack.enter_async_context(make())
            except _PASSING as error:
                if patience is not None and loop.time() - since >= patience:
                    raise
                logger.info("No connection: %s", error)
            else:
                lost, result = await _use(client, use)
                if not lost:
                    return result
                pause, since = first_pause, loop.time()
        await asyncio.sleep(pause * random.uniform(0.5, 1))
        pause = min(2 * pause, longest_pause)


async def _use(client: Client, use: Callable[[Client], Awaitable[T]]) -> tuple[bool, T | None]:
    """Whether the connection was lost meanwhile, and what `use` returned."""
    using = asyncio.ensure_future(use(client))
    closing = asyncio.ensure_future(client.wait_closed())
    try:
        await asyncio.wait({using, closing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        using.cancel()
        closing.cancel()
        await asyncio.wait({using, closing})
    lost = not closing.cancelled() and closing.result() in _LOST
    if using.cancelled():
        return lost, None
    error = using.exception()
    if isinstance(error, _ENDED) and not closing.cancelled():
        return lost, None
    if error is not None:
        raise error
    return lost, using.result()
