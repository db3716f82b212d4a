"""What a member of this process says and shows."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidFrameError
from ..frames import AudioFrame, EmittedAudio, read_audio
from ..media.converter import Converter
from ..tracks import AudioSource, LocalAudioTrack, LocalVideoTrack, VideoSource
from .options import RtcOptions

Pushed = bytes | bytearray | memoryview | NDArray[Any] | AudioFrame
"""What may be pushed as audio; see `Channel.push_audio_frame`."""


class Speaking:
    """The two tracks of a member: its voice and its camera.

    Args:
        options: The format of samples that are pushed without saying theirs.

    Attributes:
        source: What it says.
        microphone: The track that plays it.
        camera: The track of what it shows.
    """

    def __init__(self, options: RtcOptions) -> None:
        self._options = options
        self.source = AudioSource(options.sample_rate, options.channels)
        self.microphone = LocalAudioTrack.create_audio_track("microphone", self.source)
        self._converter = Converter(options.sample_rate, options.channels)
        self._pictures = VideoSource()
        self.camera = LocalVideoTrack.create_video_track("camera", self._pictures)

    async def push(self, frame: Pushed) -> None:
        """Say something; waits while a second of it is queued.

        Raises:
            InvalidFrameError: If it cannot be played.
        """
        audio = self._read(frame)
        await self.source.capture_parts(self._converter.push(part) for part in audio.parts())

    def clear(self) -> None:
        """Discard what was pushed and has not been heard."""
        self._converter.flush()
        self.source.clear_queue()

    def show(self, picture: av.VideoFrame) -> None:
        """Show a picture."""
        self._pictures.capture_frame(picture)

    async def aclose(self) -> None:
        """Say and show nothing any longer."""
        await self.source.aclose()
        await self._pictures.aclose()

    def _read(self, frame: Pushed) -> EmittedAudio:
        if isinstance(frame, AudioFrame):
            return read_audio(frame)
        rate, channels = self._options.sample_rate, self._options.channels
        if isinstance(frame, bytes | bytearray | memoryview):
            frame = bytes(frame)
            if len(frame) % (2 * channels):
                raise InvalidFrameError(f"{len(frame)} bytes are no whole number of samples")
            frame = np.frombuffer(frame, "<i2").astype(np.int16, copy=False).reshape(-1, channels).T
        return read_audio((rate, frame))
