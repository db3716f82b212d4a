"""The sessions that a UI has opened, and the outputs that their pages have yet to show."""

from __future__ import annotations

import asyncio
from collections import deque

from ..errors import UnknownSessionError
from ..outputs import AdditionalOutputs
from ..stream import Stream

CAPACITY = 64
"""Outputs that may wait for a slow page; then the oldest are dropped."""

CLOSE_POLL = 0.02
"""Time in s between two looks whether closed sessions are gone."""

LINGER = 10.0
"""How long in s the last outputs of an ended session can still be fetched."""


class UISessions:
    """Collects every additional output of the sessions of one UI until it is shown.

    `Stream.fetch_latest_output` alone would not do: a page that fetches ten times a second would
    miss what a handler puts out in between, and a transcript would have holes.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._waiting: dict[str, deque[AdditionalOutputs]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def follow(self, session: str) -> None:
        """Collect the outputs of a session from now on; called on its event loop."""
        self._loop = asyncio.get_running_loop()
        self._tasks[session] = asyncio.create_task(self._collect(session))

    def take(self, session: str) -> list[AdditionalOutputs]:
        """What the session has put out since the last call, oldest first."""
        waiting = self._waiting.get(session, deque())
        return [waiting.popleft() for _ in range(len(waiting))]

    def note_failure(self, session: str) -> bool:
        """Whether this is the first time that the outputs of a session could not be shown."""
        if session not in self._waiting or session in self._failed:
            return False
        self._failed.add(session)
        return True

    def close(self, timeout: float) -> None:
        """End the sessions and wait up to `timeout` s until they are gone.

        Not to be called on the event loop that they live on.
        """
        loop = self._loop
        if loop is not None and loop.is_running():
            asyncio.run_coroutine_threadsafe(self._close(timeout), loop).result()

    async def _close(self, timeout: float) -> None:
        sessions = list(self._tasks)
        for _ in range(int(timeout / CLOSE_POLL)):
            sessions = [session for session in sessions if self._stop(session)]
            if not sessions:
                return
            await asyncio.sleep(CLOSE_POLL)

    def _stop(self, session: str) -> bool:
        """Whether there still was something to stop."""
        try:
            self._stream.close(session)
        except UnknownSessionError:
            return False
        return True

    async def _collect(self, session: str) -> None:
        waiting = self._waiting[session] = deque(maxlen=CAPACITY)
        try:
            async for outputs in self._stream.output_stream(session):
                waiting.append(outputs)
        except UnknownSessionError:
            pass
        finally:
            del self._tasks[session]
            asyncio.get_running_loop().call_later(LINGER, self._forget, session)

    def _forget(self, session: str) -> None:
        self._waiting.pop(session, None)
        self._failed.discard(session)
