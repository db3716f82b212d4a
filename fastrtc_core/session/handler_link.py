"""What a handler asks of its session: the other end of `handler.link`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..handler import StreamHandlerBase
from ..messages import as_message_text
from ..outputs import AdditionalOutputs
from ..speech import LiveTurn, Speech
from ..speech.turn_record import TurnEnding
from ..threads import on_loop
from .calls import call_once
from .life import Life
from .postbox import Postbox
from .reports import Reporter
from .session_media import SessionMedia
from .session_tracks import SessionTracks
from .speaker import Speaker
from .turns import Turns


class HandlerLink:
    """The session as its handler sees it.

    All that is not marked as safe from any thread is called on the event loop.
    """

    def __init__(
        self,
        handler: StreamHandlerBase,
        *,
        name: str,
        life: Life,
        tracks: SessionTracks,
        postbox: Postbox,
        publish: Callable[[AdditionalOutputs], None],
        reporter: Reporter,
        speaker: Speaker,
        turns: Turns,
        media: SessionMedia,
    ) -> None:
        self.loop = life.loop
        self.tracks = tracks
        self._handler = handler
        self._name = name
        self._life = life
        self._postbox = postbox
        self._publish = publish
        self._reporter = reporter
        self._speaker = speaker
        self._turns = turns
        self._media = media

    @property
    def channel(self) -> Any:
        """The transport's own message channel once it is open, else `None`."""
        channel = self._postbox.channel
        return None if channel is None else channel.raw

    @property
    def can_ask(self) -> bool:
        """Whether the client can be asked for its inputs; taken for granted until it is known."""
        channel = self._postbox.channel
        return channel is None or channel.asks

    def clear_queue(self) -> None:
        """Discard everything that was emitted and has not been played."""
        if self._media.audio_output is not None:
            self._speaker.note_clear()
            self._media.audio_output.clear()
        if self.tracks.local_video is not None:
            self.tracks.local_video.source.clear_queue()

    def publish(self, outputs: AdditionalOutputs) -> None:
        """Hand out additional outputs, and tell the client."""
        self._publish(outputs)

    @property
    def speech(self) -> Speech | None:
        """What is being said, if anything."""
        return self._speaker.current

    def say(self, speech: Speech) -> Speech:
        """Say something when it is its turn; safe from any thread.

        Raises:
            ConfigurationError: If it is a sound, and this session sends no audio.
            QueueFullError: If too much waits to be said.
        """
        self._speaker.admit(speech)
        if speech.turn is not None:
            speech.turn.bound = True
            speech.turn.wait()
            self._turns.follow(speech)
        on_loop(self.loop, lambda: self._speaker.say(speech))
        return speech

    def interrupt(self, *, force: bool = False) -> None:
        """End what is being said; see `StreamHandlerBase.interrupt`."""
        playback = self._speaker.interrupt(force=force)
        if playback is None:
            return
        heard = {"heard_ms": round(1000 * playback.heard), "text": playback.text}
        self._reporter.tell("interrupted", heard)
        if self._life.running:
            name = f"interrupted-{self._name}"
            self.create_task(call_once(self._handler.on_interrupted, name, playback))

    @property
    def turn(self) -> LiveTurn | None:
        """The turn that is being answered, if there is one."""
        latest = self._turns.latest
        return None if latest is None or latest.over else latest

    def open_turn(self, silence: float) -> LiveTurn:
        """Time a turn that may be over; safe from any thread."""
        return self._turns.open(silence)

    def take_turn(self, turn: LiveTurn, ending: TurnEnding, *, said: bool = False) -> None:
        """The turn is over; safe from any thread. `said`: the answer is going to be a speech."""
        self._turns.decide(turn, ending, queued=said)
        if not said:
            on_loop(self.loop, lambda: self._listen_for(turn))

    def _listen_for(self, turn: LiveTurn) -> None:
        output = self._media.audio_output
        if output is not None and not turn.bound:
            self._turns.listen(turn, output.source)

    def pause_speech(self) -> None:
        """Fall silent for now."""
        self._speaker.pause()

    def resume_speech(self) -> None:
        """Go on after `pause_speech`."""
        self._speaker.resume()

    def post_message(self, message: Any) -> None:
        """Queue a message for the client without waiting; see `StreamHandlerBase.send_message`."""
        self._postbox.post(as_message_text(message))

    async def send_message(self, message: Any) -> None:
        """Send a message to the client, waiting for room; see `StreamHandlerBase.send_message`."""
        await self._postbox.send(message)

    def create_task(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine of the handler in the task group of the session.

        Raises:
            RuntimeError: If the session is not running.
        """
        if not self._life.running:
            coro.close()
            raise RuntimeError(f"this session is {self._life.state.value}, not running")
        task = self._life.own(self._reporter.guard(coro, "a task of the handler"))
        # One that is cancelled before its first step never comes to it.
        task.add_done_callback(lambda _: coro.close())
        return task
