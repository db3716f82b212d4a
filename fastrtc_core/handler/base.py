"""`StreamHandlerBase`: what all handlers share."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from os import PathLike
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from ..abandonment import wait_for_sync
from ..errors import (
    ChannelClosedError,
    ConfigurationError,
    InvalidFrameError,
    MessageError,
    QueueFullError,
)
from ..frames import Layout, channels_of, samples_per_frame
from ..messages import as_message_text
from ..outputs import AdditionalOutputs
from ..speech import LiveTurn, Playback, Speech, TextToSpeech, TurnRecord, get_current_turn
from ..speech.live_turn import Stage
from ..threads import on_loop, running_loop
from ..tracks import (
    LocalAudioTrack,
    LocalVideoTrack,
    Participant,
    Recorder,
    Track,
    TrackSource,
)
from .arguments import Arguments
from .link import SessionLink
from .settings import Settings, note_settings_after_init

VideoFormat = Literal["bgr24", "rgb24", "gray", "frame"]
VideoInput = NDArray[np.uint8] | av.VideoFrame
"""A picture as `video_receive` gets it: an array, or the frame itself with that `video_format`."""

MIN_SAMPLE_RATE = 8000
"""Lowest rate in Hz of what a handler gets and emits: that of a telephone."""

SYNC_SEND_TIMEOUT = 10.0
"""How long in s `send_message_sync` waits for a message to leave."""


class StreamHandlerBase(Arguments, Settings, ABC):
    """What all handlers share: configuration, arguments, and the way to their session.

    Args:
        expected_layout: Layout of the audio that `receive` gets and `emit` returns.
        output_sample_rate: Rate of what `emit` returns, in Hz. Frames of other rates are converted.
        output_frame_size: Deprecated and ignored: derived from the rate, 20 ms.
        input_sample_rate: Rate of what `receive` gets, in Hz.
        fps: Pictures per second that `video_emit` is asked for.

    Raises:
        ConfigurationError: If 20 ms is not a whole number of samples at one of the rates, or the
            layout or the frame rate makes no sense.

    Attributes:
        channel: The message channel of the session once it is open, else `None`.
        channel_set: Set while `channel` is there.
        args_set: Set once the client's additional inputs have arrived.
        latest_args: `"not_set"`, then `["__webrtc_value__", *args]`.
        phone_mode: Whether the session is a telephone call.
        video_format: How `video_receive` gets pictures and `video_emit` returns them.
        tts: The voice of what `say` is given as text; any object with one of the methods of
            `TextToSpeech`.
        clean_text: Whether that voice is given the words alone: no Markdown, code, addresses or
            emoji. Transcripts keep the text as it was written. Set it to `False` for a voice that
            reads SSML or the like, or that cleans the text by itself.
        max_input_latency: How far in s `receive` may lag behind before the oldest audio is
            dropped. Raise it where every sample counts more than the delay.
        per_user: Whether in a channel each user is heard by a copy of its own, unless `attach` says
            otherwise.
    """

    video_format: VideoFormat = "bgr24"
    max_input_latency: float = 0.16
    per_user: bool = False
    tts: TextToSpeech | Any = None
    clean_text: bool = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        note_settings_after_init(cls)

    def __init__(
        self,
        expected_layout: Layout = "mono",
        output_sample_rate: int = 24000,
        output_frame_size: int | None = None,
        input_sample_rate: int = 48000,
        fps: int = 30,
    ) -> None:
        self.expected_layout: Layout = expected_layout
        self.output_sample_rate = output_sample_rate
        self.input_sample_rate = input_sample_rate
        self.fps = fps
        self._check_settings()
        if output_frame_size is not None:
            warnings.warn(
                "output_frame_size is deprecated and ignored: a frame is 20 ms at "
                f"output_sample_rate, {self.output_frame_size} samples",
                DeprecationWarning,
                stacklevel=2,
            )
        self.phone_mode = False
        self._begin_arguments()
        self.channel_set = asyncio.Event()
        self._link: SessionLink | None = None
        self._note_settings()

    @abstractmethod
    def copy(self) -> StreamHandlerBase:
        """Make the handler of one session."""

    def _check_settings(self) -> None:
        name = type(self).__name__
        try:
            channels_of(self.expected_layout)
            self.output_frame_size = samples_per_frame(self.output_sample_rate)
            samples_per_frame(self.input_sample_rate)
        except InvalidFrameError as error:
            raise ConfigurationError(f"{name}: {error}") from None
        if min(self.input_sample_rate, self.output_sample_rate) < MIN_SAMPLE_RATE:
            raise ConfigurationError(f"{name}: sample rates are {MIN_SAMPLE_RATE} Hz or more")
        if not 0 < self.fps <= 240:
            raise ConfigurationError(f"{name}: fps must be between 1 and 240")

    def shutdown(self) -> Any:
        """Called exactly once when a session that was started ends; may be a coroutine."""

    def on_message(self, message: Any) -> Any:
        """Called with the data of every `message` from the client; may be a coroutine."""

    def on_dtmf(self, digit: str) -> Any:
        """Called with each key (`0` to `9`, `*`, `#`) that a caller presses; may be a coroutine."""

    def tune_turns(self, **changes: float) -> dict[str, float]:
        """Set how turns are detected in this session; called on the event loop, and does not wait.

        Clients of the Realtime API set it with `turn_detection`. What detects no turns, as here by
        default, has nothing to set.

        Args:
            changes: `silence` (in s, after which a turn is over), `pre_roll` (in s, what is kept of
                the time before it) and `threshold` (of the speech detector, 0 to 1); they hold from
                the next frame on.

        Returns:
            What holds, of those that can be set.

        Raises:
            ConfigurationError: If something cannot be set, or not to this.
        """
        if changes:
            raise ConfigurationError(f"{type(self).__name__} does not detect turns")
        return {}

    def on_interrupted(self, playback: Playback) -> Any:
        """Called when what `say` was given was interrupted, with what was heard of it.

        May be a coroutine.
        """

    def on_turn(self, record: TurnRecord) -> Any:
        """Called after each turn that was answered, with how that went; in the order of the turns.

        May be a coroutine.
        """

    def on_pause(self) -> Any:
        """Called when the client is away and may come back (`Stream(resume_timeout=…)`).

        Nothing comes in meanwhile, and nothing is heard: what is said waits. May be a coroutine.
        """

    def on_resume(self) -> Any:
        """Called when it is back, on a new connection, after each `on_pause` that was not the last.

        What was said and not heard is said from then on. May be a coroutine.
        """

    def on_track(self, source: TrackSource, track: Track[Any]) -> Any:
        """Called when the client publishes a further track: its screen, or a camera in mid-call.

        May be a coroutine. An `AudioStream` or `VideoStream` reads it.
        """

    @property
    def wants_played(self) -> bool:
        """Whether the frames that `receive` gets know what was played: see `AudioFrame.played`.

        For subclasses to override, with a property or an attribute of the class. It is asked when
        a session begins; where it is false, nothing is kept.
        """
        return False

    # The session

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the session.

        Raises:
            RuntimeError: If no session runs this handler.
        """
        return self._session.loop

    @property
    def channel(self) -> Any:
        """The message channel of the session once it is open, else `None`."""
        return None if self._link is None else self._link.channel

    @property
    def sends_audio(self) -> bool:
        """Whether the client of this session hears what is emitted and said.

        Raises:
            RuntimeError: If no session runs this handler.
        """
        return self._session.tracks.local_audio is not None

    def clear_queue(self) -> None:
        """Discard everything emitted that has not been played; safe from any thread."""
        link = self._session
        on_loop(link.loop, link.clear_queue)

    def create_task(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine beside `receive` and `emit`; it is cancelled when the session ends.

        Long-lived work belongs here and not into `start_up`, for which frames wait up to 2 s. An
        exception in it is reported like one in `receive`. Called on the event loop.
        """
        return self._session.create_task(coro)

    @property
    def _session(self) -> SessionLink:
        if self._link is None:
            raise RuntimeError("this handler is a prototype: no session runs it")
        return self._link

    def publish(self, *values: Any) -> None:
        """Hand out `AdditionalOutputs` of these values now; safe from any thread.

        They go where those go that `emit` returns.
        """
        link = self._session
        on_loop(link.loop, lambda: link.publish(AdditionalOutputs(*values)))

    # Speech

    def say(
        self,
        source: Any,
        *,
        priority: int = 0,
        interruptible: bool = True,
        turn: LiveTurn | None = None,
    ) -> Speech:
        """Say something, now or when it is its turn; safe from any thread, at any time.

        While it is said, `emit` is not called. It is played after what is queued already.

        Args:
            source: A text, in the voice of `self.tts`; or audio, as `emit` returns it; or an
                iterator, generator, async iterator or awaitable of these; or a function without
                arguments that returns one. Sync code runs on a thread. Text may come in pieces of
                any length, such as the tokens of a language model: it is spoken by the sentence,
                without Markdown (see `clean_text`). `AdditionalOutputs` leave a sentence whole.
            priority: Of what waits, the highest is said first, and equal ones in the order of the
                calls. What is being said is not cut short: see `interrupt`.
            interruptible: Whether `interrupt` ends it.
            turn: The turn that it answers; see `take_turn`.

        Returns:
            A handle that can be awaited and cancelled.

        Raises:
            RuntimeError: If no session runs this handler.
            ConfigurationError: If it is a text or audio, and the session sends no audio. Of any
                other source the sounds are dropped there, with one error when it is over, and its
                `AdditionalOutputs` and `CloseStream` are handed out.
            QueueFullError: If 64 speeches wait already.
        """
        speech = Speech(source, priority=priority, interruptible=interruptible, turn=turn)
        return self._session.say(speech)

    def interrupt(self, *, force: bool = False) -> None:
        """Fall silent and end what is being said, and what waits to be; safe from any thread.

        Generators see `GeneratorExit` or `CancelledError`, and nothing that they yield later is
        heard. The client is told (`interrupted`) with the milliseconds that it can have heard, and
        `on_interrupted` is called. What `emit` has returned is not touched: see `clear_queue`.

        Args:
            force: Whether what is not `interruptible` ends as well.
        """
        link = self._session
        on_loop(link.loop, lambda: link.interrupt(force=force))

    def pause_speech(self) -> None:
        """Fall silent within 20 ms, and lose nothing; safe from any thread.

        It is for the first moment in which somebody seems to speak. What is not interruptible
        goes on.
        """
        link = self._session
        on_loop(link.loop, link.pause_speech)

    def resume_speech(self) -> None:
        """Go on where `pause_speech` left off; safe from any thread."""
        link = self._session
        on_loop(link.loop, link.resume_speech)

    @property
    def speech(self) -> Speech | None:
        """What is being said now, if anything."""
        return self._session.speech

    # Turns

    def take_turn(self, silence: float = 0.0) -> LiveTurn:
        """Say that the user is done, and time the answer; for handlers that decide it themselves.

        `ReplyOnPause` and `VoiceAgent` call it. Either give the turn to `say` with the answer; or
        `emit` the answer: then the turn is over with its first sound, as it has no known end. The
        next turn ends this one, too. Safe from any thread.

        Args:
            silence: For how long in s nobody had spoken when it was decided.

        Returns:
            The turn. What becomes of it is told by `on_turn`, and to the client.

        Raises:
            RuntimeError: If no session runs this handler.
        """
        link = self._session
        turn = link.open_turn(silence)
        link.take_turn(turn, "silence" if silence else "command")
        return turn

    def stage(self, name: str) -> Stage:
        """A context, `with` or `async with`, whose time is that of a stage of the turn.

        The turn is that which the calling code answers, or else the one that the session answers.
        Where there is none, as in a greeting, it does nothing. See `TurnRecord`.

        Args:
            name: Such as `rag`; a few words that are always the same, as they name metrics too.
        """
        turn = get_current_turn()
        if turn is None and self._link is not None:
            turn = self._link.turn
        return Stage(turn, name)

    # Tracks

    @property
    def participant(self) -> Participant:
        """The client, with the tracks that it publishes."""
        return self._session.tracks.participant

    async def publish_track(
        self,
        track: LocalAudioTrack | LocalVideoTrack,
        source: TrackSource = "screen_share",
    ) -> None:
        """Send the client a further track, beside what is emitted; only WebRTC can.

        Args:
            track: One that is published nowhere else.
            source: What it shows.

        Raises:
            ConfigurationError: If it is published already, or the transport cannot.
            ConnectionFailedError: If the client makes no room for it within 10 s: it does not know
                how.
        """
        await self._session.tracks.publish(track, source)

    async def unpublish_track(self, track: LocalAudioTrack | LocalVideoTrack) -> None:
        """Send it no longer; idempotent. The track stays open, and can be read."""
        await self._session.tracks.unpublish(track)

    async def record(self, path: str | PathLike[str], **options: Any) -> Recorder:
        """Record the session from now on, the client left and this side right, until it ends.

        Args:
            path: The file; see `Recorder`.
            options: More arguments of `Recorder`. With a `video_size`, the picture of the client is
                recorded as well.

        Returns:
            The recorder, which may be closed before.

        Raises:
            OSError: If the file cannot be written.
            ConfigurationError: If it cannot be of this kind.
        """
        return await self._session.tracks.record(path, **options)

    # Messages

    async def send_message(self, msg: Any) -> None:
        """Send a message to the client; waits while too much is on its way already.

        Args:
            msg: A whole protocol message, as its text or as a `dict` of `type` and `data`, is sent
                as it is; any other value that JSON can express reaches the client as the data of a
                `message`. `bytes` go out as they are, as a binary message.

        Raises:
            MessageError: If JSON cannot express the value; if it is larger than 256 KiB, or than
                the client takes; or if the transport carries no bytes (the Realtime API, and a
                channel).
            ChannelClosedError: If the channel is closed.
        """
        await self._session.send_message(msg)

    def send_message_sync(self, msg: Any) -> None:
        """Send a message from any thread and wait until it is on its way.

        On the thread of the event loop it cannot wait: the message is queued and leaves next.

        Raises:
            MessageError: If JSON cannot express the value.
            ChannelClosedError: If the channel is closed, or nothing left for 10 s.
            QueueFullError: On the thread of the event loop, if too much waits already.
        """
        link = self._session
        if running_loop() is link.loop:
            link.post_message(msg)
            return
        if link.loop.is_closed():
            raise ChannelClosedError("the session has ended")
        try:
            wait_for_sync(link.send_message(msg), link.loop, SYNC_SEND_TIMEOUT)
        except TimeoutError:
            raise ChannelClosedError("the client takes no messages") from None

    def post_message(self, msg: Any) -> None:
        """Queue a message and go on, on any thread; lost where the client cannot take it.

        For news that are worth no wait: that somebody speaks, how far a download is.

        Raises:
            MessageError: If JSON cannot express the value.
        """
        link, text = self._session, as_message_text(msg)

        def post() -> None:
            with contextlib.suppress(ChannelClosedError, MessageError, QueueFullError):
                link.post_message(text)

        on_loop(link.loop, post)

    def set_status(self, text: str | None) -> None:
        """Show the client what the handler is doing, in a few words; safe from any thread.

        It goes out as a `status` message, which the UI shows until the next one. Agents need it
        for more than the UI knows by itself: that they listen, think and speak. Each of these
        takes the place of the text when it begins.

        Args:
            text: Such as `"Looking it up…"`; `None` or `""` for what the UI knows.
        """
        self.post_message({"type": "status", "data": text or ""})
