"""`Emitter`: callbacks for named events, and waits for the next of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, overload

from ..errors import ConfigurationError
from ..handler.functions import Function
from ..usercode import call_guarded

Call = Callable[[Callable[..., Any], tuple[Any, ...]], None]
"""Runs one callback with its arguments."""

C = TypeVar("C", bound=Callable[..., Any])


class _Listener(NamedTuple):
    function: Function
    once: bool


class _Waiter(NamedTuple):
    future: asyncio.Future[tuple[Any, ...]]
    matches: Callable[[tuple[Any, ...]], bool]


class Emitter:
    """Tells callbacks of events.

    A callback gets as many of the arguments of an event as it takes, the first ones. One that is
    registered twice for an event is called once. `on`, `once` and `off` may be called on any
    thread, everything else on the event loop of the owner.

    Args:
        events: The names of the events there are.
        call: Runs one callback. It must return at once and never raise: it starts the callback,
            an async one as a task and any other on a thread, and reports what it raises. So no
            callback holds up or breaks the others.
    """

    def __init__(self, events: Iterable[str], call: Call) -> None:
        self._events = frozenset(events)
        self._call = call
        self._listeners: dict[str, list[_Listener]] = {}
        self._waiters: dict[str, list[_Waiter]] = {}
        self._lock = threading.Lock()

    @overload
    def on(self, event: str, callback: C) -> C: ...

    @overload
    def on(self, event: str, callback: None = None) -> Callable[[C], C]: ...

    def on(self, event: str, callback: Any = None) -> Any:
        """Call a callback at each event of a name; without a callback, a decorator.

        Returns:
            The callback.

        Raises:
            ConfigurationError: If there is no such event, or it cannot be called.
        """
        return self._register(event, callback, once=False)

    @overload
    def once(self, event: str, callback: C) -> C: ...

    @overload
    def once(self, event: str, callback: None = None) -> Callable[[C], C]: ...

    def once(self, event: str, callback: Any = None) -> Any:
        """Call a callback at the next event of a name; without a callback, a decorator.

        A callback that `on` has registered stays registered.

        Returns:
            The callback.

        Raises:
            ConfigurationError: If there is no such event, or it cannot be called.
        """
        return self._register(event, callback, once=True)

    def off(self, event: str, callback: Callable[..., Any]) -> None:
        """Take a callback back; nothing happens if it is not registered.

        Raises:
            ConfigurationError: If there is no such event.
        """
        self._check(event)
        with self._lock:
            kept = [x for x in self._listeners.get(event, ()) if x.function.call != callback]
            self._listeners[event] = kept

    def emit(self, event: str, *args: Any) -> None:
        """Tell every callback and every wait of an event, in the order in which they came.

        What the callbacks themselves register or take back counts from the next event on.

        Raises:
            ConfigurationError: If there is no such event.
        """
        self._check(event)
        with self._lock:
            listeners = self._listeners.get(event, [])
            self._listeners[event] = [x for x in listeners if not x.once]
        for waiter in tuple(self._waiters.get(event, ())):
            _offer(waiter, args)
        for listener in listeners:
            self._call(listener.function.call, listener.function.pick(args))

    async def wait_for(
        self,
        event: str,
        predicate: Callable[..., Any] | None = None,
        timeout: float | None = None,
    ) -> tuple[Any, ...]:
        """Wait for the next event of a name.

        Args:
            event: Its name.
            predicate: Which of them: called with as many of the arguments as it takes. It runs on
                the event loop, so it must be quick. What it raises ends the wait.
            timeout: How long to wait, in s; by default for ever.

        Returns:
            The arguments of the event, all of them.

        Raises:
            TimeoutError: If none came in time.
            ConfigurationError: If there is no such event.
        """
        self._check(event)
        waiter = _Waiter(asyncio.get_running_loop().create_future(), _matcher(predicate))
        waiters = self._waiters.setdefault(event, [])
        waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout):
                return await waiter.future
        finally:
            waiters.remove(waiter)
            # An error that came together with a cancellation is nobody's: say that it was seen.
            if waiter.future.done() and not waiter.future.cancelled():
                waiter.future.exception()

    def end_waits(self, error: Exception) -> None:
        """Let every wait that is going on raise an error: what it waits for will not come."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.future.done():
                    waiter.future.set_exception(error)

    def _register(self, event: str, callback: Any, *, once: bool) -> Any:
        self._check(event)
        if callback is None:
            return lambda function: self._register(event, function, once=once)
        if not callable(callback):
            raise ConfigurationError(f"a callback must be callable, and {callback!r} is not")
        new = _Listener(Function(callback, leading=0), once)
        with self._lock:
            listeners = list(self._listeners.get(event, ()))
            for index, listener in enumerate(listeners):
                if listener.function.call == callback:
                    # It keeps its place; being called each time includes being called once.
                    listeners[index] = listener._replace(once=listener.once and once)
                    break
            else:
                listeners.append(new)
            self._listeners[event] = listeners
        return callback

    def _check(self, event: str) -> None:
        if event not in self._events:
            raise ConfigurationError(
                f"unknown event {event!r}; known are {', '.join(sorted(self._events))}"
            )


def _matcher(predicate: Callable[..., Any] | None) -> Callable[[tuple[Any, ...]], bool]:
    if predicate is None:
        return lambda args: True
    function = Function(predicate, leading=0)
    return lambda args: bool(call_guarded(function.call, *function.pick(args)))


def _offer(waiter: _Waiter, args: tuple[Any, ...]) -> None:
    """Wake a waiter if this is what it waits for."""
    if waiter.future.done():
        return
    try:
        if waiter.matches(args):
            waiter.future.set_result(args)
    except StopIteration:  # a future cannot hold it
        waiter.future.set_exception(RuntimeError("the predicate raised StopIteration"))
    except Exception as error:
        waiter.future.set_exception(error)
