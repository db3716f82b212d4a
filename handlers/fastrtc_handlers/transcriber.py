"""`Transcriber`: continuous speech to text."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Self

from fastrtc_core import AudioFrame, ChannelClosedError, QueueFullError, StreamHandlerBase

from .stt import SegmentedStream, StreamingSTTModel, STTModel, STTStream, Transcript
from .vad import VAD, SileroVAD


class Transcriber(StreamHandlerBase):
    """Writes down what is said while it is being said.

    Each `Transcript` goes to the client as the data of a `transcript`, with its `text`, `final`,
    `start` and `end` and the `role` of who spoke, `user`; and to the application as
    `AdditionalOutputs(transcript)`. A partial one is replaced by the next. Attached to a channel,
    each user is heard by a copy of its own, and all are told who said it.

    Args:
        stt: A recogniser; all sessions share it. One that knows whole utterances only is asked
            again and again while somebody speaks.
        model: What finds speech for such a recogniser; `SileroVAD` by default.
        input_sample_rate: Rate at which it listens, in Hz.
        options: More arguments of `SegmentedStream`.
    """

    # A recogniser may take long, and nothing is to be lost meanwhile.
    max_input_latency = 30.0
    # In a channel: who said it is worth as much as what was said.
    per_user = True

    def __init__(
        self,
        stt: STTModel | StreamingSTTModel,
        *,
        model: VAD | None = None,
        input_sample_rate: int = 16000,
        **options: Any,
    ) -> None:
        super().__init__(input_sample_rate=input_sample_rate)
        self.stt = stt
        self.model = model or SileroVAD()
        self._options = options
        self._stream = self._open()

    def copy(self) -> Self:
        """Another one with the same recogniser."""
        copy = type(self)(
            self.stt, model=self.model, input_sample_rate=self.input_sample_rate, **self._options
        )
        return copy.take_settings(self)

    def receive(self, frame: AudioFrame) -> None:
        """Listen to a frame."""
        for transcript in self._stream.push(frame):
            self.put_out(transcript)

    async def emit(self) -> None:
        """Nothing."""
        await asyncio.Event().wait()

    def shutdown(self) -> None:
        """Write down what was said last."""
        for transcript in self._stream.flush():
            self.put_out(transcript)

    def put_out(self, transcript: Transcript) -> None:
        """Hand out a transcript; for subclasses. It is called on a thread."""
        self.publish(transcript)
        # A client that is gone, or reads nothing, does not keep it from the application.
        with contextlib.suppress(ChannelClosedError, QueueFullError):
            self.send_message_sync(
                {"type": "transcript", "data": {"role": "user", **transcript._asdict()}}
            )

    def _open(self) -> STTStream:
        if isinstance(self.stt, StreamingSTTModel):
            return self.stt.stream()
        return SegmentedStream(self.stt, self.model.copy(), **self._options)
