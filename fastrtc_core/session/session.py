"""`Session`: one handler copy and its loops, whatever the transport.

A transport makes a session, feeds its remote tracks, pulls its local tracks, gives it a message
channel, and calls `run` once it is connected. Everything that the session does happens in the task
group of that one call, and ends with it; see `tasks` for what does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence, Set
from dataclasses import replace
from typing import Any

from ..context import Context, current_context
from ..errors import HandlerError, InvalidFrameError, UserExitError
from ..handler import StreamHandlerBase, implements
from ..media.session_clock import SessionClock
from ..outputs import AdditionalOutputs, CloseStream
from ..tracks import (
    LocalAudioTrack,
    LocalVideoTrack,
    RemoteAudioTrack,
    RemoteVideoTrack,
    Track,
    TrackSource,
)
from .calls import UserCall, call_hook, call_once
from .handler_link import HandlerLink
from .inbox import Inbox
from .life import Life, SessionState
from .output_hub import OutputHub
from .postbox import Postbox
from .presence import Presence
from .reports import Reporter
from .session_media import SessionMedia
from .session_tracks import SessionTracks
from .snapshot import SessionSnapshot
from .speaker import Speaker
from .tasks import within
from .time_limit import enforce_time_limit
from .turns import Turns
from .types import CloseReason, Hooks, Medium, MessageChannel, Note

logger = logging.getLogger("fastrtc_core.session")

SHUTDOWN_TIMEOUT = 5.0
"""How long in s `shutdown` may take before the session goes on without it."""

SLOW_START = 2.0
"""How long in s frames wait for `start_up` to return; then it goes on beside them."""

CHANNEL_TIMEOUT = 2.0
"""How long in s a session that the server ends waits for a channel to say why."""

PLAYOUT_TIMEOUT = 120.0
"""How long in s a session that ends waits for its playout to be played."""

PLAYOUT_TAIL = 0.2
"""How long in s a client gets to play what was sent last before the session closes."""


_ANNOUNCED = (
    CloseReason.TIME_LIMIT,
    CloseReason.DRAIN,
    CloseReason.CLOSED,
    CloseReason.REFUSED,
    CloseReason.ERROR,
)
"""What the client is told of the end of its session."""


class Session:
    """One live connection.

    Args:
        handler: The handler of this session alone.
        context: What is known of the session; its `webrtc_id` is the id.
        receives: Media that come in.
        sends: Media that go out.
        time_limit: Longest duration in s, or `None`.
        hooks: What the application wants to be told.
        output_sample_rate, output_channels: Of the audio that goes out; those of the handler by
            default.
        resumable: Whether the client may come back on another connection; see `pause`.

    Attributes:
        outputs: The additional outputs of the handler.
        participant: The client, with the tracks that it publishes.
        tracks: All tracks, and what can be done with them.
        media: What flows through those of its own, and to and from the handler.
        link: The session as its handler sees it.
        on_clear: Called when queued audio is discarded; a transport whose client may hold some of
            it sets this.
        unplayed: How much in s of what was sent a client certainly holds yet; set by a transport
            that can take it back.
        turns: The turns that are answered.
        arrived: Waits until what was sent before has certainly arrived; set where the client may
            be away, and what it did not hear is said again.
    """

    def __init__(
        self,
        handler: StreamHandlerBase,
        context: Context,
        *,
        receives: Set[Medium] = frozenset(),
        sends: Set[Medium] = frozenset(),
        time_limit: float | None = None,
        hooks: Hooks | None = None,
        output_sample_rate: int | None = None,
        output_channels: int | None = None,
        resumable: bool = False,
    ) -> None:
        self.id = context.webrtc_id
        self._name = self.id[:8]
        self.handler = handler
        self.context = replace(context, _tell=self._tell)
        self.outputs = OutputHub()
        self.on_clear: Callable[[], None] | None = None
        self.unplayed: Callable[[], float] = lambda: 0.0
        self.arrived: Callable[[], Awaitable[None]] | None = None
        self._life = life = Life(self.id)
        self._postbox = Postbox(self.id)
        self.reporter = reporter = Reporter(
            self.id, self._postbox.post, life.loop, lambda: self.stop(CloseReason.ERROR)
        )
        self.tracks = tracks = SessionTracks(
            self.id,
            handler,
            receives,
            sends,
            SessionClock(life.loop.time()),
            output_sample_rate,
            output_channels,
            resumable,
        )
        self.participant = tracks.participant
        self.media = SessionMedia(
            handler,
            tracks,
            self._method,
            life=life,
            reporter=reporter,
            deliver_extras=self._deliver_extras,
            on_clear=self._cleared,
        )
        self.turns = Turns(self.id, life, reporter, self.media.behind, lambda: self.local_audio)
        self._speaker = Speaker(
            handler,
            self.media.audio_output,
            name=self._name,
            life=life,
            reporter=reporter,
            turns=self.turns,
            deliver_extras=self._deliver_extras,
            unplayed=lambda: self.unplayed(),
            on_the_way=self._on_the_way,
            arrived=lambda: self.arrived,
        )
        self._inbox = Inbox(
            reporter, handler.set_args, self._take_offer, lambda: self.stop(CloseReason.CLIENT)
        )
        self._presence = Presence()
        self._calls: dict[str, UserCall] = {}
        self._note: Note | None = None
        self.time_limit = time_limit
        self._hooks = hooks or Hooks()
        self.link = handler._link = HandlerLink(
            handler,
            name=self._name,
            life=life,
            tracks=tracks,
            postbox=self._postbox,
            publish=self._publish,
            reporter=reporter,
            speaker=self._speaker,
            turns=self.turns,
            media=self.media,
        )

    @property
    def remote_audio(self) -> RemoteAudioTrack | None:
        """Where the transport pushes audio that comes in."""
        return self.tracks.remote_audio

    @property
    def remote_video(self) -> RemoteVideoTrack | None:
        """Where it pushes pictures that come in."""
        return self.tracks.remote_video

    @property
    def local_audio(self) -> LocalAudioTrack | None:
        """Where it pulls audio that goes out."""
        return self.tracks.local_audio

    @property
    def local_video(self) -> LocalVideoTrack | None:
        """Where it pulls pictures that go out."""
        return self.tracks.local_video

    def snapshot(self) -> SessionSnapshot:
        """What goes on now; safe from any thread, for tests and monitoring."""
        streams = (self.media.audio_stream, self.media.video_stream)
        audio, video = (None if one is None else one.statistics() for one in streams)
        network = None if self.remote_audio is None else self.remote_audio.network
        return SessionSnapshot(
            id=self.id,
            transport=self.context.transport,
            state=self.state.value,
            close_reason=self.close_reason,
            tracks=tuple(sorted(self.participant.tracks)),
            tasks=self._life.tasks,
            speaking=self._speaker.current is not None or self._speaker.waiting > 0,
            subscribers=self.outputs.subscribers,
            waiting={
                "messages": self._inbox.waiting,
                "early": self._postbox.waiting,
                "speeches": self._speaker.waiting,
                "outputs": self.outputs.waiting,
                "audio": 0 if audio is None else audio.queued,
                "video": 0 if video is None else video.queued,
            },
            dropped={
                "messages": self._inbox.dropped,
                "early": self._postbox.dropped,
                "outputs": self.outputs.dropped,
                "audio": 0 if audio is None else audio.dropped,
                "video": 0 if video is None else video.dropped,
            },
            malformed=self._inbox.malformed,
            network=None if network is None else replace(network),
            turns=self.turns.totals.copy(),
        )

    # What the transport calls

    async def run(self) -> CloseReason:
        """Start the handler, run its loops until the session ends, and shut it down.

        Raises:
            RuntimeError: If it has run before.
        """
        self._life.begin()
        token = current_context.set(self.context)
        with self._hooks.around(self) as observe_end:
            try:
                await self._life.run(self._serve())
            finally:
                try:
                    await self._finish()
                finally:
                    self._life.close()
                    current_context.reset(token)
            observe_end(self._reason)
        return self._reason

    @property
    def state(self) -> SessionState:
        """Where the session is in its life."""
        return self._life.state

    @property
    def close_reason(self) -> CloseReason | None:
        """Why the session ended, once it was told to."""
        return self._life.reason

    async def stopped(self) -> None:
        """Wait until the session was told to end."""
        await self._life.stopped()

    def stop(self, reason: CloseReason) -> None:
        """End the session; the first reason counts. Called on the event loop."""
        self._life.stop(reason)

    def abandon(self, reason: CloseReason) -> None:
        """End a session that was never connected: its handler was not started."""
        self.stop(reason)
        self._postbox.close()
        self.outputs.end()
        self._life.close()

    def pause(self) -> None:
        """The client is away and may come back: the handler is told.

        Raises:
            RuntimeError: If the session does not run, or its client is away already.
        """
        self._life.pause()
        self._presence.note(False)

    def resume(self) -> None:
        """The client is back; its channel comes by `open_channel`, now or before.

        Raises:
            RuntimeError: If it was not away.
        """
        self._life.resume()
        self._presence.note(True)

    def put_back(self, since: float) -> None:
        """What was said after this loop time (s) was not heard: say it again, before all else."""
        if self.local_audio is not None:
            self.local_audio.source.put_back(since)

    def lose_channel(self, channel: MessageChannel, unsent: Sequence[str | bytes]) -> None:
        """This channel, where it is in use, has lost these messages: they wait for another."""
        if self._postbox.channel is channel:
            self._postbox.hold(unsent)
            self.handler.channel_set.clear()

    def open_channel(self, channel: MessageChannel) -> None:
        """Give the session its message channel, or another one."""
        self._postbox.open(channel)
        self.handler.channel_set.set()

    def take_message(self, text: str | bytes) -> None:
        """Take a message from the client; what cannot be read is answered with an error."""
        if self._note is not None:
            self._note("message", text)
        self._inbox.put(text)

    def add_track(self, source: TrackSource, track: Track[Any]) -> None:
        """Note that the client publishes a further track.

        Raises:
            ConfigurationError: If the track is of another kind than its source.
        """
        self.participant.publish(source, track)
        if self._life.running:
            name = f"track-{self._name}"
            self.link.create_task(call_once(self.handler.on_track, name, source, track))

    def begin_sending(self, medium: Medium) -> LocalAudioTrack | LocalVideoTrack:
        """Have what the handler emits go out, if it does not; returns the track to be sent."""
        track = self.media.begin_sending(medium)
        if medium == "audio" and self.media.audio_output is not None:
            self._speaker.speak_through(self.media.audio_output)
        return track

    def input_room(self) -> float:
        """Audio in s that may still come in before `receive` loses some."""
        stream = self.media.audio_stream
        return math.inf if stream is None else stream.room

    async def wait_until_heard(self) -> None:
        """Wait until `receive` is done with all audio that has come in."""
        if self.media.audio_stream is not None:
            await self.media.audio_stream.wait_until_read()

    def take_key(self, digit: str) -> None:
        """Take a key that was pressed on a telephone."""
        if self._note is not None:
            self._note("key", digit)
        self._inbox.put_key(digit)

    def observe(self, note: Note | None) -> None:
        """Have each message and key noted, or no longer; one looks on at a time."""
        self._note = self._postbox.note = note

    # What its parts call

    def _take_offer(self, data: Any) -> None:
        """Take an offer of the client for tracks that come later."""
        if self.tracks.publisher is None:
            self.reporter.tell("error", "this transport carries no further tracks")
        else:
            self.tracks.publisher.take_offer(data)

    def _publish(self, outputs: AdditionalOutputs) -> None:
        self.outputs.publish(outputs)
        self.reporter.tell("fetch_output", [])

    def _cleared(self) -> None:
        if self.on_clear is not None:
            self.on_clear()

    def _on_the_way(self) -> float:
        track = self.local_audio
        return max(self.unplayed(), 0.0 if track is None else track.on_the_way)

    def _tell(self, type: str, data: Any) -> None:
        self._life.loop.call_soon_threadsafe(self.reporter.tell, type, data)

    async def _deliver_extras(
        self, extras: list[AdditionalOutputs | CloseStream], *, said: bool = False
    ) -> None:
        """Publish what came with a frame; `CloseStream` ends the session after the playout.

        Args:
            extras: What came.
            said: Whether it came with something that is being said.
        """
        for extra in extras:
            if isinstance(extra, AdditionalOutputs):
                self._publish(extra)
            else:
                if not said:
                    await self._speaker.wait_until_idle()
                await self._close_after_playout(extra.msg)

    # The life of a session

    async def _serve(self) -> None:
        await self._call_hook(self._hooks.on_connect, "on_connect", self.context)
        if self._life.ending:
            return
        self._life.own(self._speaker.run())
        if start_up := self._method("start_up"):
            starting = self._life.own(self._start_up(start_up))
            await asyncio.wait({starting}, timeout=SLOW_START)
            if not starting.done():
                self._tell_of_slow_start()
        if self._life.ending:
            return
        for loop in self._loops():
            self._life.own(loop)
        self.media.run()

    async def _start_up(self, start_up: UserCall) -> None:
        try:
            await start_up()
        except Exception as error:
            self.reporter.error(error, "start_up")
            # A frame that cannot be played is a fault of the handler, and refuses nobody.
            if isinstance(error, HandlerError) and not isinstance(error, InvalidFrameError):
                self.stop(CloseReason.REFUSED)

    def _loops(self) -> list[Coroutine[Any, Any, None]]:
        """The loops that this session needs beside those of its media."""
        loops: list[Coroutine[Any, Any, None]] = []
        if hooks := self._hooks_of("on_message", "on_dtmf"):
            loops.append(self._inbox.run(hooks, self._life))
        if hooks := self._hooks_of("on_pause", "on_resume"):
            loops.append(self._presence.run(hooks, self.reporter))
        if hooks := self._hooks_of("on_turn"):
            self.turns.asked = True
            loops.append(self.turns.run(hooks["on_turn"]))
        if self.time_limit is not None:
            loops.append(enforce_time_limit(self.time_limit, self.reporter, self.stop))
        return loops

    async def _close_after_playout(self, text: str) -> None:
        """End the session when what was emitted has been played."""
        try:
            async with asyncio.timeout(PLAYOUT_TIMEOUT):
                await self.tracks.wait_for_playout()
        except TimeoutError:
            logger.warning("session %s: the client stopped playing before the end", self.id)
        await asyncio.sleep(PLAYOUT_TAIL)
        self.reporter.tell("end_stream", text)
        self.stop(CloseReason.CLOSE_STREAM)
        await asyncio.Event().wait()  # the loop that brought the end emits nothing more

    async def _finish(self) -> None:
        """Shut the handler down and close everything; whatever happened, once."""
        for call in self._calls.values():
            call.close()
        if self._reason in _ANNOUNCED:
            self.reporter.tell("closing", self._reason)
        try:
            await within(self.turns.tell_last(self.handler.on_turn), SHUTDOWN_TIMEOUT, self.id)
        except TimeoutError:
            logger.error("session %s: on_turn takes over %g s", self.id, SHUTDOWN_TIMEOUT)
        try:
            shutdown = call_once(self.handler.shutdown, f"shutdown-{self._name}")
            await within(shutdown, SHUTDOWN_TIMEOUT, self.id)
        except TimeoutError:
            logger.error("session %s: shutdown takes over %g s", self.id, SHUTDOWN_TIMEOUT)
        except Exception as error:
            self.reporter.error(error, "shutdown")
        finally:
            await self._close()
        on_disconnect = self._hooks.on_disconnect
        await self._call_hook(on_disconnect, "on_disconnect", self._reason, self.context)

    async def _call_hook(self, hook: Callable[..., Any] | None, name: str, *args: Any) -> None:
        try:
            await call_hook(hook, f"{name}-{self._name}", *args)
        except UserExitError as error:
            self.reporter.error(error, name)
        except Exception:
            logger.exception("session %s: %s failed", self.id, name)

    async def _close(self) -> None:
        self.reporter.close()
        if self._reason in (CloseReason.REFUSED, CloseReason.ERROR):
            # It may be over before there is a channel to say why.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHANNEL_TIMEOUT):
                    await self._postbox.opened.wait()
        self._postbox.close()
        self.media.close()
        await self.tracks.close()
        self.outputs.end()

    # Helpers

    def _method(self, name: str) -> UserCall | None:
        return self._call(name) if implements(self.handler, name) else None

    def _hooks_of(self, *names: str) -> dict[str, UserCall]:
        """The calls of those that its class has."""
        own, base = type(self.handler), StreamHandlerBase
        return {n: self._call(n) for n in names if getattr(own, n) is not getattr(base, n)}

    def _call(self, name: str) -> UserCall:
        if name not in self._calls:
            call = UserCall(getattr(self.handler, name), f"{name}-{self._name}")
            self._calls[name] = call
        return self._calls[name]

    @property
    def _reason(self) -> CloseReason:
        """Why it ended, of a session that was told to."""
        assert self._life.reason is not None
        return self._life.reason

    def _tell_of_slow_start(self) -> None:
        logger.warning(
            "session %s: start_up has not returned after %g s; frames are delivered beside it from "
            "now on. Long-lived work belongs into self.create_task()",
            self.id,
            SLOW_START,
        )
        self.reporter.tell("warning", "The server is still starting; it may not answer yet.")
