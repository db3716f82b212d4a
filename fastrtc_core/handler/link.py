"""What a handler sees of the session that runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from os import PathLike
from typing import Any, Protocol

from ..outputs import AdditionalOutputs
from ..speech import LiveTurn, Speech
from ..speech.turn_record import TurnEnding
from ..tracks import (
    LocalAudioTrack,
    LocalVideoTrack,
    Participant,
    Recorder,
    TrackSource,
)


class TracksLink(Protocol):
    """The tracks of a session, and what a handler can do with them."""

    @property
    def local_audio(self) -> LocalAudioTrack | None:
        """What is sent to the client, if anything."""

    @property
    def participant(self) -> Participant:
        """The client, with the tracks that it publishes."""

    async def publish(self, track: LocalAudioTrack | LocalVideoTrack, source: TrackSource) -> None:
        """Send a further track."""

    async def unpublish(self, track: LocalAudioTrack | LocalVideoTrack) -> None:
        """Send it no longer."""

    async def record(self, path: str | PathLike[str], **options: Any) -> Recorder:
        """Record from now on."""


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

    @property
    def turn(self) -> LiveTurn | None:
        """The turn that is being answered, if there is one."""

    def open_turn(self, silence: float) -> LiveTurn:
        """Time a turn that may be over."""

    def take_turn(self, turn: LiveTurn, ending: TurnEnding, *, said: bool = False) -> None:
        """The turn is over, and is answered."""

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
    def tracks(self) -> TracksLink:
        """The tracks, and what can be done with them."""
