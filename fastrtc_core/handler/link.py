"""What a handler sees of the session that runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from ..outputs import AdditionalOutputs
from ..speech import Speech

if TYPE_CHECKING:
    from ..session.tracks import SessionTracks


class SessionLink(Protocol):
    """What a handler may ask of the session that runs it."""

    loop: asyncio.AbstractEventLoop

    @property
    def channel(self) -> Any:
        """The open message channel, or `None`."""

    @property
    def can_ask(self) -> bool:
        """Whether the client can be asked for its additional inputs."""

    @property
    def speech(self) -> Speech | None:
        """What is being said, if anything."""

    def clear_queue(self) -> None:
        """Discard what was emitted and has not been played."""

    def say(self, speech: Speech) -> Speech:
        """Say something when it is its turn."""

    def interrupt(self, *, force: bool = False) -> None:
        """End what is being said."""

    def pause_speech(self) -> None:
        """Fall silent for now."""

    def resume_speech(self) -> None:
        """Go on after `pause_speech`."""

    def publish(self, outputs: AdditionalOutputs) -> None:
        """Hand out additional outputs."""

    def post_message(self, message: Any) -> None:
        """Queue a message without waiting."""

    async def send_message(self, message: Any) -> None:
        """Send a message, waiting for room."""

    def create_task(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine in the task group of the session."""

    @property
    def tracks(self) -> SessionTracks:
        """The tracks, and what can be done with them."""
