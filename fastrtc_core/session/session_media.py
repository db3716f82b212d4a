"""What flows in a session: the streams that its loops read, and the outputs that they fill.

A medium may begin and end while the session stands: a camera that is added to a call, a microphone
that is taken away. Then its loops begin and end with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from ..frames import FRAME_DURATION
from ..handler import StreamHandlerBase
from ..tracks import (
    AudioStream,
    LocalAudioTrack,
    LocalVideoTrack,
    RemoteAudioTrack,
    RemoteVideoTrack,
    VideoStream,
)
from ..tracks.monitor import Monitor
from . import audio_loops as audio
from . import video_loops as video
from .calls import UserCall
from .life import Life
from .reports import Reporter
from .session_tracks import SessionTracks
from .types import DeliverExtras, Medium

Loop = Callable[[], Coroutine[Any, Any, None]]


class SessionMedia:
    """The media of one session.

    Args:
        handler: Says in which form it gets and gives media.
        tracks: Those of the session.
        method: Gives the call of a method that the handler has, else `None`.
        life: The life of the session.
        reporter: Tells what the handler raises.
        deliver_extras: Takes what comes beside audio and pictures.
        on_clear: Called when audio that waits to be played was discarded.
    """

    def __init__(
        self,
        handler: StreamHandlerBase,
        tracks: SessionTracks,
        method: Callable[[str], UserCall | None],
        *,
        life: Life,
        reporter: Reporter,
        deliver_extras: DeliverExtras,
        on_clear: Callable[[], None],
    ) -> None:
        self._handler = handler
        self._tracks = tracks
        self._method = method
        self._life = life
        self._reporter = reporter
        self._deliver_extras = deliver_extras
        self._on_clear = on_clear
        self._running = False
        self._receiving: dict[Medium, asyncio.Task[None]] = {}
        self._next: dict[Medium, Loop] = {}
        """What runs once the loop before it has handed on what it holds."""
        self.audio_output: audio.AudioOutput | None = None
        self.video_output: video.VideoOutput | None = None
        wants_played = handler.wants_played
        self._monitor = Monitor(handler.input_sample_rate) if wants_played else None
        # They buffer from now on, so that the first words are there when `start_up` returns.
        self.audio_stream: AudioStream | None = None
        self.video_stream: VideoStream | None = None
        for track in (self._tracks.remote_audio, self._tracks.remote_video):
            if track is not None:
                self._open_stream(track)
        for local in (self._tracks.local_audio, self._tracks.local_video):
            if local is not None:
                self._open_output(local)

    def run(self) -> None:
        """Run the loops of the media that are there, and from now on of those that begin."""
        self._running = True
        if self.audio_stream is not None:
            self._receive("audio")
        if self.audio_output is not None:
            self._send("audio")
        if self.video_stream is not None:
            self._receive("video")
        if self.video_output is not None:
            self._send("video")

    def begin_receiving(self, medium: Medium) -> RemoteAudioTrack | RemoteVideoTrack:
        """Have the handler get a medium that was not there; returns where its frames go."""
        track = self._tracks.begin_receiving(medium)
        self._open_stream(track)
        if self._running:
            self._receive(medium)
        return track

    def end_receiving(self, medium: Medium) -> None:
        """A medium comes no longer: its streams end, after what they hold; idempotent."""
        self._tracks.end_receiving(medium)
        if medium == "audio":
            self.audio_stream = None
        else:
            self.video_stream = None

    def begin_sending(self, medium: Medium) -> LocalAudioTrack | LocalVideoTrack:
        """Have what the handler emits go out; returns the track that is to be sent."""
        there = self._tracks.local_audio if medium == "audio" else self._tracks.local_video
        if there is not None:
            return there
        track = self._tracks.begin_sending(medium)
        self._open_output(track)
        if self._running:
            self._send(medium)
        return track

    async def end_sending(self, medium: Medium) -> None:
        """Nothing can go out any more. Pictures end; audio waits for a way out."""
        if medium == "video" and self._tracks.local_video is not None:
            await self._tracks.local_video.source.aclose()
            self._tracks.local_video = self.video_output = None

    def behind(self) -> float:
        """How long ago in s that came which `receive` gets now; from any thread."""
        stream, remote = self.audio_stream, self._tracks.remote_audio
        waiting = 0.0 if stream is None else stream.statistics().queued * FRAME_DURATION
        network = None if remote is None else remote.network
        return waiting + (0.0 if network is None else network.depth)

    def close(self) -> None:
        """Stop what the outputs wait for."""
        if self.audio_output is not None:
            self.audio_output.close()

    def _open_stream(self, track: RemoteAudioTrack | RemoteVideoTrack) -> None:
        if isinstance(track, RemoteAudioTrack):
            self.audio_stream = audio.open_audio_stream(self._handler, track, self._monitor)
        else:
            self.video_stream = video.open_video_stream(self._handler, track)

    def _open_output(self, track: LocalAudioTrack | LocalVideoTrack) -> None:
        if isinstance(track, LocalAudioTrack):
            self.audio_output = audio.AudioOutput(
                track.source, self._deliver_extras, self._on_clear
            )
            if self._monitor is not None:
                self._monitor.attach(track)
        else:
            self.video_output = video.VideoOutput(
                track.source, self._handler.video_format, self._deliver_extras
            )

    def _receive(self, medium: Medium) -> None:
        """Feed the handler with what its stream holds from now on."""
        loop = self._receiver(medium)
        if loop is None:
            return
        before = self._receiving.get(medium)
        if before is None or before.done():
            self._receiving[medium] = self._life.own(loop())
        else:  # a method is never called twice at once
            if medium not in self._next:
                before.add_done_callback(lambda _: self._go_on(medium))
            self._next[medium] = loop

    def _receiver(self, medium: Medium) -> Loop | None:
        """The loop for what its stream holds, where the handler has a method for it."""
        receive = self._method("receive" if medium == "audio" else "video_receive")
        if receive is None:
            return None
        if medium == "audio":
            assert self.audio_stream is not None
            loop = partial(audio.receive_audio, receive, self.audio_stream, self.audio_output)
        else:
            assert self.video_stream is not None
            pictures, screen = self.video_stream, self.video_output
            loop = partial(video.receive_video, self._handler, receive, pictures, screen)
        return partial(
            loop, life=self._life, reporter=self._reporter, deliver_extras=self._deliver_extras
        )

    def _go_on(self, medium: Medium) -> None:
        loop = self._next.pop(medium)
        if not self._life.ending:
            self._receiving[medium] = self._life.own(loop())

    def _send(self, medium: Medium) -> None:
        life, reporter = self._life, self._reporter
        if medium == "audio" and self.audio_output is not None:
            if emit := self._method("emit"):
                life.own(audio.emit_audio(emit, self.audio_output, life=life, reporter=reporter))
        elif self.video_output is not None and (emit := self._method("video_emit")):
            output, fps = self.video_output, self._handler.fps
            life.own(video.emit_video(emit, output, fps, life=life, reporter=reporter))
