"""`Anywhere`: what an application asks of a session, in whichever process it lives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import MessageError, UnknownSessionError
from ..outputs import AdditionalOutputs
from ..speech import Speech

if TYPE_CHECKING:
    from .workers import Workers

OUTPUT_TIMEOUT = 10.0
"""How long in s an application waits for a session, and for its first outputs, by default."""

SPARE = 5.0
"""How much longer in s an answer may take than what it waits for."""


class Here(Protocol):
    """A stream, as far as its sessions in this process go; see `Stream`."""

    def set_input(self, webrtc_id: str, *args: Any) -> None: ...  # noqa: D102
    def say(  # noqa: D102
        self, webrtc_id: str, source: Any, *, priority: int = 0, interruptible: bool = True
    ) -> Speech: ...
    def interrupt(self, webrtc_id: str, *, force: bool = False) -> None: ...  # noqa: D102
    def close(self, webrtc_id: str) -> None: ...  # noqa: D102
    def output_stream(self, webrtc_id: str) -> AsyncGenerator[AdditionalOutputs, None]: ...  # noqa: D102
    async def fetch_latest_output(  # noqa: D102
        self, webrtc_id: str, timeout: float = OUTPUT_TIMEOUT
    ) -> AdditionalOutputs: ...
    async def wait_for_output_stream(  # noqa: D102
        self, webrtc_id: str, timeout: float = OUTPUT_TIMEOUT
    ) -> AsyncGenerator[AdditionalOutputs, None]: ...


class Anywhere:
    """Sessions of a stream in all processes that share its bus; `Stream.anywhere`.

    Without a bus these are the sessions of this process. What goes from process to process must be
    what JSON can carry, and is checked for that wherever the session lives; tuples arrive as lists.
    Besides what each method says, all of them raise `BusError` if the others cannot be reached, or
    the process with the session dies meanwhile, and `MessageError` if something is larger than the
    bus takes at once (its `max_queued_bytes`).
    """

    def __init__(self, here: Here, workers: Workers | None = None) -> None:
        self._here = here
        self._workers = workers
        if workers is not None:
            relay = workers.relay
            relay.answer("set_input", self._set_input_here)
            relay.answer("say", self._say_here)
            relay.answer("interrupt", self._interrupt_here)
            relay.answer("close", self._close_here)
            relay.answer("latest_output", self._latest_output_here)
            relay.stream("outputs", self._outputs_here)

    async def set_input(self, webrtc_id: str, *args: Any) -> None:
        """Give a session its additional inputs.

        Raises:
            UnknownSessionError: If no process has such a session.
            MessageError: If JSON cannot carry them.
        """
        await self._ask(webrtc_id, "set_input", self._checked(list(args)))

    async def say(
        self, webrtc_id: str, text: str, *, priority: int = 0, interruptible: bool = True
    ) -> None:
        """Say a text in a session; returns when it was queued. See `StreamHandlerBase.say`.

        Raises:
            UnknownSessionError: If no process has such a session.
            MessageError: If it is no text.
        """
        if not isinstance(text, str):
            raise MessageError(f"anywhere.say takes a text, not {type(text).__name__}")
        asked = {"text": text, "priority": priority, "interruptible": interruptible}
        await self._ask(webrtc_id, "say", asked)

    async def interrupt(self, webrtc_id: str, *, force: bool = False) -> None:
        """End what is being said in a session.

        Raises:
            UnknownSessionError: If no process has such a session.
        """
        await self._ask(webrtc_id, "interrupt", force)

    async def close(self, webrtc_id: str) -> None:
        """End a session.

        Raises:
            UnknownSessionError: If no process has such a session.
        """
        await self._ask(webrtc_id, "close", None)

    async def fetch_latest_output(
        self, webrtc_id: str, timeout: float = OUTPUT_TIMEOUT
    ) -> AdditionalOutputs:
        """The latest additional outputs of a session; waits for the first.

        Args:
            webrtc_id: The session.
            timeout: Longest wait in s.

        Raises:
            UnknownSessionError: If no process has such a session, or it ends before the first.
            TimeoutError: If there are none after `timeout` s.
            MessageError: If they are in another process, and JSON cannot carry them.
        """
        if self._workers is None or not self._workers.is_elsewhere(webrtc_id):
            return await self._here.fetch_latest_output(webrtc_id, timeout)
        relay = self._workers.relay
        args = await relay.call(webrtc_id, "latest_output", timeout, timeout + SPARE)
        return AdditionalOutputs(*args)

    async def output_stream(
        self, webrtc_id: str, timeout: float = OUTPUT_TIMEOUT
    ) -> AsyncGenerator[AdditionalOutputs, None]:
        """Yields every additional output of a session until it ends.

        It may be asked for before the offer with this id was taken.

        Args:
            webrtc_id: The session.
            timeout: Longest wait in s for its offer.

        Raises:
            UnknownSessionError: If no process has taken such an offer within `timeout` s.
            QueueFullError: If too many wait already.
            MessageError: If they are in another process, and JSON cannot carry them.
        """
        if self._workers is None or not self._workers.relay.here:
            found = await self._here.wait_for_output_stream(webrtc_id, timeout)
            async with aclosing(found):
                async for outputs in found:
                    yield outputs
            return
        relay = self._workers.relay
        deadline = asyncio.get_running_loop().time() + timeout
        with self._workers.awaiting(webrtc_id) as held:
            if self._workers.is_elsewhere(webrtc_id) and not await relay.is_held(webrtc_id):
                try:
                    async with asyncio.timeout_at(deadline):
                        await held
                except TimeoutError:
                    raise UnknownSessionError(f"nobody has offered the id {webrtc_id!r}") from None
        if not self._workers.is_elsewhere(webrtc_id):
            found = self._here.output_stream(webrtc_id)
            async with aclosing(found):
                async for outputs in found:
                    yield outputs
            return
        async with aclosing(relay.items(webrtc_id, "outputs", None)) as items:
            async for args in items:
                yield AdditionalOutputs(*args)

    async def _ask(self, id: str, kind: str, asked: Any) -> Any:
        if self._workers is not None and self._workers.is_elsewhere(id):
            return await self._workers.relay.call(id, kind, asked)
        return await _HERE[kind](self, id, asked)

    def _checked(self, args: list[Any]) -> list[Any]:
        if self._workers is not None:
            try:
                json.dumps(args, allow_nan=False)
            except (TypeError, ValueError, RecursionError) as error:
                raise MessageError(f"Between processes goes what JSON can carry: {error}") from None
        return args

    # In this process

    async def _set_input_here(self, id: str, args: Any) -> None:
        self._here.set_input(id, *args)

    async def _say_here(self, id: str, asked: Any) -> None:
        text, rest = asked["text"], (asked["priority"], asked["interruptible"])
        self._here.say(id, text, priority=rest[0], interruptible=rest[1])

    async def _interrupt_here(self, id: str, force: Any) -> None:
        self._here.interrupt(id, force=bool(force))

    async def _close_here(self, id: str, asked: Any) -> None:
        self._here.close(id)

    async def _latest_output_here(self, id: str, timeout: Any) -> list[Any]:
        return list((await self._here.fetch_latest_output(id, float(timeout))).args)

    async def _outputs_here(self, id: str, asked: Any) -> AsyncGenerator[list[Any], None]:
        async with aclosing(self._here.output_stream(id)) as stream:
            async for outputs in stream:
                yield list(outputs.args)


_HERE = {
    "set_input": Anywhere._set_input_here,
    "say": Anywhere._say_here,
    "interrupt": Anywhere._interrupt_here,
    "close": Anywhere._close_here,
}
