"""The additional inputs of a client, as a handler sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..abandonment import wait_for_sync
from ..messages import build_message
from ..threads import on_loop, running_loop
from .link import SessionLink

ARGS_TIMEOUT = 1.0
"""How long in s `refresh_args` waits for an answer before the last known inputs serve."""

T = TypeVar("T")


class Arguments:
    """Takes the additional inputs, and asks for them."""

    latest_args: str | list[Any]
    args_set: asyncio.Event
    channel_set: asyncio.Event
    phone_mode: bool
    _link: SessionLink | None
    _unanswered: bool

    def _begin_arguments(self) -> None:
        self.latest_args = "not_set"
        self.args_set = asyncio.Event()
        self._unanswered = False  # whether the last question got no answer in time

    @property
    def args(self) -> tuple[Any, ...]:
        """The client's additional inputs; empty until they have arrived."""
        return tuple(self.latest_args[1:]) if isinstance(self.latest_args, list) else ()

    def set_args(self, args: list[Any] | tuple[Any, ...]) -> None:
        """Store the client's additional inputs; safe from any thread."""
        self.latest_args = ["__webrtc_value__", *args]
        self._unanswered = False
        if self._link is None:
            self.args_set.set()
        else:
            on_loop(self._link.loop, self.args_set.set)

    async def wait_for_args(self) -> None:
        """Wait until the client's additional inputs are there; asks the client for them.

        It returns at once where the client cannot be asked: on the telephone, and over the
        Realtime API.
        """
        if self.phone_mode or self.args_set.is_set():
            return
        await self.channel_set.wait()
        if not self.args_set.is_set() and self._can_ask:
            await self._ask()
            await self.args_set.wait()

    def wait_for_args_sync(self) -> None:
        """Like `wait_for_args`, for sync handlers; not on the thread of the event loop."""
        self._wait_for(self.wait_for_args)

    async def refresh_args(self, timeout: float = ARGS_TIMEOUT) -> tuple[Any, ...]:
        """Ask the client for its additional inputs anew, and wait for the answer.

        For inputs that change during a session, such as the history of a chat. If no answer comes
        in time, the last known inputs serve. A client that has not answered is asked again by the
        next call, but waited for only after it has sent inputs once more. Returns at once where
        the client cannot be asked.

        Args:
            timeout: Longest wait in s.

        Returns:
            The inputs, as in `args`.
        """
        if self._can_ask:
            known = self.args_set.is_set()
            try:
                async with asyncio.timeout(timeout):
                    await self._ask_anew()
            except TimeoutError:
                self._unanswered = True
            finally:
                if known:
                    self.args_set.set()
        return self.args

    def refresh_args_sync(self, timeout: float = ARGS_TIMEOUT) -> tuple[Any, ...]:
        """Like `refresh_args`, for sync handlers; not on the thread of the event loop."""
        return self._wait_for(self.refresh_args, timeout)

    def reset(self) -> None:
        """Forget that the additional inputs have arrived; the next ones set `args_set` again."""
        if self._link is None:
            self.args_set.clear()
        else:
            on_loop(self._link.loop, self.args_set.clear)

    # Asking

    @property
    def _can_ask(self) -> bool:
        return self._link is not None and self._link.can_ask and not self.phone_mode

    async def _ask(self) -> None:
        assert self._link is not None
        await self._link.send_message(build_message("send_input", []))

    async def _ask_anew(self) -> None:
        if not self._unanswered:
            await self.channel_set.wait()
            self.args_set.clear()
        await self._ask()
        if not self._unanswered:
            await self.args_set.wait()

    def _wait_for(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Wait for a coroutine on a thread; raises what `wait_for_sync` raises."""
        if running_loop() is not None:
            raise RuntimeError(f"await {function.__name__}() on the event loop")
        if self._link is None:
            raise RuntimeError("this handler is a prototype: no session runs it")
        return wait_for_sync(function(*args), self._link.loop)
