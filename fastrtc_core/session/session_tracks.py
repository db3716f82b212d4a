"""The tracks of a session: its own four, and those that come and go."""

from __future__ import annotations

import logging
from collections.abc import Set
from os import PathLike
from typing import Any

from ..errors import ConfigurationError
from ..frames import channels_of
from ..handler import StreamHandlerBase
from ..media.session_clock import SessionClock
from ..tracks import (
    AudioSource,
    LocalAudioTrack,
    LocalVideoTrack,
    Participant,
    Recorder,
    RemoteAudioTrack,
    RemoteVideoTrack,
    Track,
    TrackSource,
    VideoSource,
)
from .audio_loops import QUEUE_SIZE_MS
from .types import SOURCES, Medium, TrackPublisher

logger = logging.getLogger("fastrtc_core.session")


class SessionTracks:
    """What comes in and goes out.

    Args:
        id: Of the session.
        handler: Says in which format it wants its audio.
        receives: Media that come in.
        sends: Media that go out.
        clock: The clock of the session.
        output_sample_rate, output_channels: Of the audio that goes out; those of the handler by
            default.
        resumable: Whether what is said is kept for a while, in case it was not heard.

    Attributes:
        remote_audio, remote_video: Where the transport pushes what comes in, or `None`.
        local_audio, local_video: Where the transport pulls what goes out, or `None`.
        participant: The client, with the tracks that it publishes.
        publisher: What carries further tracks, if the transport can.
    """

    def __init__(
        self,
        id: str,
        handler: StreamHandlerBase,
        receives: Set[Medium],
        sends: Set[Medium],
        clock: SessionClock,
        output_sample_rate: int | None = None,
        output_channels: int | None = None,
        resumable: bool = False,
    ) -> None:
        self._handler = handler
        self._resumable = resumable
        self._clock = clock
        self.remote_audio: RemoteAudioTrack | None = None
        self.remote_video: RemoteVideoTrack | None = None
        self.local_audio: LocalAudioTrack | None = None
        self.local_video: LocalVideoTrack | None = None
        self.participant = Participant(id)
        self.publisher: TrackPublisher | None = None
        self._id = id
        self._output = (
            output_sample_rate or handler.output_sample_rate,
            output_channels or channels_of(handler.expected_layout),
        )
        self._recorders: list[Recorder] = []
        for medium in receives:
            self.participant.publish(SOURCES[medium], self.begin_receiving(medium))
        for medium in sends:
            self.begin_sending(medium)

    def begin_receiving(self, medium: Medium) -> RemoteAudioTrack | RemoteVideoTrack:
        """Make the track where the transport pushes a medium; it is not published yet."""
        if medium == "audio":
            channels = channels_of(self._handler.expected_layout)
            self.remote_audio = RemoteAudioTrack(self._handler.input_sample_rate, channels)
            return self.remote_audio
        self.remote_video = RemoteVideoTrack()
        return self.remote_video

    def end_receiving(self, medium: Medium) -> None:
        """A medium comes no longer: its track has ended, and is published no longer."""
        track = self.remote_audio if medium == "audio" else self.remote_video
        if medium == "audio":
            self.remote_audio = None
        else:
            self.remote_video = None
        if track is not None:
            if self.participant.tracks.get(SOURCES[medium]) is track:
                self.participant.unpublish(SOURCES[medium])
            track.end()

    def begin_sending(self, medium: Medium) -> LocalAudioTrack | LocalVideoTrack:
        """Make the track from which the transport pulls a medium."""
        if medium == "audio":
            source = AudioSource(*self._output, QUEUE_SIZE_MS)
            if self._resumable:
                source.keep_speech()
            self.local_audio = LocalAudioTrack(source, self._clock, published=True)
            return self.local_audio
        self.local_video = LocalVideoTrack(VideoSource(), self._clock, published=True)
        return self.local_video

    async def publish(self, track: LocalAudioTrack | LocalVideoTrack, source: TrackSource) -> None:
        """Send a further track; see `StreamHandlerBase.publish_track`."""
        if self.publisher is None:
            raise ConfigurationError("only WebRTC carries further tracks")
        await self.publisher.publish(track, source)

    async def unpublish(self, track: LocalAudioTrack | LocalVideoTrack) -> None:
        """Send it no longer; idempotent."""
        if self.publisher is not None:
            await self.publisher.unpublish(track)

    def remove(self, source: TrackSource) -> None:
        """Note that the client publishes this no longer."""
        track: Track[Any] | None = self.participant.tracks.get(source)
        self.participant.unpublish(source)
        if track is not None:
            track.end()

    async def record(self, path: str | PathLike[str], **options: Any) -> Recorder:
        """Record from now on; see `StreamHandlerBase.record`."""
        recorder = Recorder(path, **options)
        await recorder.start()
        if self.remote_audio is not None:
            recorder.add(self.remote_audio, "left")
        if self.local_audio is not None:
            recorder.add(self.local_audio, "right")
        if self.remote_video is not None and options.get("video_size"):
            recorder.add(self.remote_video)
        self._recorders.append(recorder)
        return recorder

    async def wait_for_playout(self) -> None:
        """Wait until everything that was queued has been sent."""
        if self.local_video is not None:
            await self.local_video.source.wait_for_playout()
        if self.local_audio is not None:
            self.local_audio.source.flush()
            await self.local_audio.source.wait_for_playout()

    async def close(self) -> None:
        """End them all, and finish the recordings."""
        for local in (self.local_audio, self.local_video):
            if local is not None:
                await local.source.aclose()
        for track in self.participant.tracks.values():
            track.end()
        self.participant.leave()
        for recorder in self._recorders:
            try:
                await recorder.aclose()
            except OSError:
                logger.exception("session %s: a recording is not complete", self._id)
