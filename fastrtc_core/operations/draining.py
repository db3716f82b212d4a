"""Draining: sessions end with the app, after a time in which they may end by themselves.

uvicorn closes its WebSockets and then shuts the lifespan down. That is too late: such a client
would not be told why, let alone go on. So the drain begins with the signal, SIGTERM or SIGINT.
Until the last session has ended, the server answers requests: `/readyz` says `draining`, and offers
are refused. Then the server's own handler gets the signal.

Servers that stop in another way (Ray Serve, Hypercorn, Gunicorn, or uvicorn on a thread) drain in
the lifespan.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from ..registry import Registry

logger = logging.getLogger(__name__)

END_TIMEOUT = 10.0
"""How long in s a server that shuts down waits for sessions that were told to end."""

Handler = Callable[[int, Any], Any]

_exits: WeakKeyDictionary[asyncio.AbstractEventLoop, _Exit] = WeakKeyDictionary()


def drained(
    lifespan: Callable[[Any], Any], registry: Registry, patience: float = 0.0
) -> Callable[[Any], Any]:
    """Wrap the lifespan of an app so that the sessions of a stream end with the app.

    Args:
        lifespan: That of the app.
        registry: The sessions.
        patience: How long in s they may go on before they are told to end.
    """

    @asynccontextmanager
    async def draining(app: Any) -> AsyncIterator[Any]:
        registry.resume()
        async with lifespan(app) as state:
            waits = patience
            try:
                with _drained_at_signal(registry, patience) as hooked:
                    # By the time that a signal ends the app, its sessions had their time.
                    waits = 0.0 if hooked else patience
                    yield state
            finally:
                await _drain(registry, waits)

    return draining


async def _drain(registry: Registry, patience: float) -> None:
    try:
        await registry.drain(END_TIMEOUT, patience)
    except TimeoutError:
        logger.warning("%d sessions did not end in time", len(registry))


@contextmanager
def _drained_at_signal(registry: Registry, patience: float) -> Iterator[bool]:
    """Drain at a signal, if the server handles signals in Python; yields whether it does."""
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    loop = asyncio.get_running_loop()
    exit = _exits.get(loop)
    if exit is None:
        former = {int(n): signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
        if not _is_of_server(former[signal.SIGTERM]):
            yield False
            return
        exit = _exits[loop] = _Exit(loop, former)
    exit.streams.append((registry, patience))
    try:
        yield True
    finally:
        exit.streams.remove((registry, patience))
        if not exit.streams:
            exit.close()
            del _exits[loop]


def _is_of_server(handler: Any) -> bool:
    """Whether a handler is a function that ends the server, to be called later.

    Those of `add_signal_handler`, which Hypercorn and the workers of Gunicorn use, are stand-ins:
    the event loop learns of the signal in another way, whatever handler there is.
    """
    if isinstance(getattr(handler, "__self__", None), asyncio.AbstractEventLoop):  # older uvloops
        return False
    room = (getattr(handler, "__module__", None) or "").partition(".")[0]
    return callable(handler) and room not in ("asyncio", "uvloop")


class _Exit:
    """Takes signals in place of the server's own handlers, and calls those after the drain.

    Args:
        loop: The event loop of the server.
        former: The handlers by signal; one that Python did not install is left alone.

    Attributes:
        streams: What is drained, all at the same time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, former: Mapping[int, Any]) -> None:
        self.streams: list[tuple[Registry, float]] = []
        self._loop = loop
        self._former: dict[int, Handler] = {
            number: handler for number, handler in former.items() if callable(handler)
        }
        self._task: asyncio.Task[None] | None = None
        for number in self._former:
            signal.signal(number, self._take)

    def close(self) -> None:
        """Give the signals back to the server; idempotent."""
        for number, handler in self._former.items():
            if signal.getsignal(number) == self._take:
                signal.signal(number, handler)
        if self._task is not None:
            self._task.cancel()

    def _take(self, number: int, frame: Any) -> None:
        if self._task is not None:  # whoever asks twice does not want to wait
            self._former[number](number, frame)
        else:
            self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._end(number), name="fastrtc-drain")

    async def _end(self, number: int) -> None:
        # At Ctrl+C, somebody sits there and waits.
        patient = number == signal.SIGTERM
        drains = [_drain(registry, patience * patient) for registry, patience in self.streams]
        for error in await asyncio.gather(*drains, return_exceptions=True):
            if error is not None:
                logger.error("a drain failed", exc_info=error)
        self._former[number](number, None)
