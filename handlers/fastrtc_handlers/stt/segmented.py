"""Continuous recognition with a model that knows whole utterances only."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from fastrtc_core import AudioFrame, ConfigurationError

from ..tape import Tape
from ..vad import VAD
from .types import STTModel, Transcript

_PRE_ROLL = 0.3
"""What is kept of the time before speech, in s."""

_LOOK_BACK = 2.0
"""Within how many s before its longest a segment is cut where it is most quiet."""

_SHARE = 0.5
"""Part of the time that partial results may take at most."""


class SegmentedStream:
    """Finds speech, and has it recognised again and again until it ends.

    Args:
        model: Recognises a segment.
        vad: Finds speech; of this stream alone.
        interval: From one partial transcript to the next, in s; longer where the model is slow.
        silence: After which a segment is final, in s.
        longest: Length in s at which a segment is cut although speech goes on.
        clock: The time in s.

    Raises:
        ConfigurationError: If a duration is out of range.
    """

    def __init__(
        self,
        model: STTModel,
        vad: VAD,
        *,
        interval: float = 0.7,
        silence: float = 0.4,
        longest: float = 15.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if interval <= 0 or silence <= 0 or longest < _LOOK_BACK:
            raise ConfigurationError(
                f"interval and silence must be above 0, and longest at least {_LOOK_BACK:g} s"
            )
        self._model = model
        self._vad = vad
        self._interval = interval
        self._silence = silence
        self._longest = longest
        self._clock = clock
        self._tape: Tape | None = None
        self._start: int | None = None
        self._silent_since: int | None = None
        self._last = 0
        self._took = 0.0

    @property
    def kept(self) -> int:
        """How many samples per channel of what was heard are kept."""
        return 0 if self._tape is None else self._tape.end - self._tape.start

    def push(self, frame: AudioFrame) -> list[Transcript]:
        """Listen to a frame; now and then this takes as long as the model does."""
        tape = self._tape = self._tape or Tape(frame.sample_rate, frame.num_channels)
        rate = tape.sample_rate
        tape.push(frame.data)
        for event in self._vad.push(frame):
            if event.kind == "speech_end":
                self._silent_since = event.position
            else:
                self._silent_since = None
                if self._start is None:
                    self._start = max(tape.start, event.position - round(_PRE_ROLL * rate))
                    self._last = tape.end
        if self._start is None:
            tape.forget_before(tape.end - rate)
            return []
        silent = 0 if self._silent_since is None else tape.end - self._silent_since
        if silent >= self._silence * rate:
            return self._finish(tape.end)
        if tape.end - self._start >= self._longest * rate:
            if self._silent_since is not None:
                return self._finish(tape.end)  # in a pause: there is no better place
            return self._finish(self._quietest(), goes_on=True)
        due = tape.end - self._last >= max(self._interval, self._took / _SHARE) * rate
        if due and self._silent_since is None:
            self._last = tape.end
            return self._transcribe(tape.end, final=False)
        return []

    def flush(self) -> list[Transcript]:
        """What was said so far is final."""
        if self._start is None or self._tape is None:
            return []
        return self._finish(self._tape.end, goes_on=self._vad.speaking)

    def _finish(self, end: int, *, goes_on: bool = False) -> list[Transcript]:
        assert self._tape is not None
        try:
            return self._transcribe(end, final=True)
        finally:
            self._start = end if goes_on else None
            self._last = self._tape.end
            self._tape.forget_before(end)

    def _transcribe(self, end: int, *, final: bool) -> list[Transcript]:
        tape, start = self._tape, self._start
        assert tape is not None
        assert start is not None
        audio = tape.since(start)
        audio = AudioFrame(audio.sample_rate, audio.data[:, : end - start])
        began = self._clock()
        text = self._model.stt(audio).strip()
        self._took = self._clock() - began
        if not text and not final:
            return []
        return [Transcript(text, final, start / tape.sample_rate, end / tape.sample_rate)]

    def _quietest(self) -> int:
        """The middle of the most quiet 100 ms of late: between two words, probably."""
        assert self._tape is not None
        rate = self._tape.sample_rate
        size = rate // 10
        start = self._tape.end - round(_LOOK_BACK * rate)
        late = self._tape.since(start).data.astype(np.float64).mean(axis=0)
        blocks = late[: len(late) // size * size].reshape(-1, size)
        return start + int(np.argmin((blocks**2).mean(axis=1))) * size + size // 2
