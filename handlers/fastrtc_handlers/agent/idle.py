"""What an agent says when nobody has said anything for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence


class IdlePrompts:
    """Says one prompt after the other, each after a time in which nothing was said.

    Called on the event loop. It has a timer while the agent listens, and nothing otherwise.

    Args:
        prompts: What is said, in order; each once, until the user says something.
        after: How long in s nothing is said before.
        say: Says one.
        is_busy: Whether the user is in the middle of something.
    """

    def __init__(
        self,
        prompts: Sequence[str],
        after: float,
        say: Callable[[str], object],
        is_busy: Callable[[], bool],
    ) -> None:
        self._prompts = prompts
        self._after = after
        self._say = say
        self._is_busy = is_busy
        self._said = 0
        self._timer: asyncio.TimerHandle | None = None

    def rest(self) -> None:
        """Nobody says anything."""
        self.stop()
        if self._said < len(self._prompts):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._after, self._prompt)

    def stop(self) -> None:
        """The agent has something to say."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def hear(self) -> None:
        """The user says something: the time and the prompts begin anew."""
        self._said = 0
        if self._timer is not None:
            self.rest()

    def _prompt(self) -> None:
        self._timer = None
        if self._is_busy():
            self.rest()
            return
        self._said += 1
        self._say(self._prompts[self._said - 1])
