"""Pause detection as FastRTC knows it, on the detectors of `fastrtc_handlers.vad`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from fastrtc_handlers.vad import SileroVAD, VADOptions

from ..frames import AudioFrame, to_audio_frame, with_channels
from ..media.resampler import Resampler

_RATE = 16000
"""Rate in Hz in which chunks are counted."""

ModelOptions = Any
"""What a model gets as its options: `SileroVadOptions`, or whatever a model of yours takes."""


class AudioChunk(TypedDict):
    """Where speech lies, in samples at 16 kHz."""

    start: int
    end: int


class PauseDetectionModel(Protocol):
    """A detector as FastRTC knows it; `ReplyOnPause(model=…)` takes any."""

    def vad(
        self, audio: tuple[int, NDArray[Any]], options: ModelOptions
    ) -> tuple[float, list[AudioChunk]]:
        """The seconds of speech in the audio, and where it lies."""
        ...

    def warmup(self) -> None:
        """Make the first call as fast as the others."""
        ...


@dataclass
class SileroVadOptions:
    """Options of the Silero model.

    `ReplyOnPause` takes `threshold` and warns of all others that are not the default: its own
    `algo_options` say when a turn begins and ends. `get_silero_model().vad` takes all but
    `window_size_samples`: the model has windows of 512 samples.

    Attributes:
        threshold: Probability from which a window is speech.
        min_speech_duration_ms: Speech that is shorter is left out.
        max_speech_duration_s: Longer speech is cut into chunks of this length.
        min_silence_duration_ms: Shorter silence does not end speech.
        window_size_samples: Not used.
        speech_pad_ms: What is added to both sides of each chunk.
    """

    threshold: float = 0.5
    min_speech_duration_ms: int = 250
    max_speech_duration_s: float = math.inf
    min_silence_duration_ms: int = 2000
    window_size_samples: int = 1024
    speech_pad_ms: int = 400


class SileroModel:
    """The Silero model as a `PauseDetectionModel`."""

    def vad(
        self, audio: tuple[int, NDArray[Any]], options: SileroVadOptions | None = None
    ) -> tuple[float, list[AudioChunk]]:
        """Find the speech in a piece of audio.

        Args:
            audio: `(sample_rate, array)`, int16 or float32.
            options: When it is speech.

        Returns:
            Its seconds, what is added to its sides included, and where it lies.
        """
        chosen = options or SileroVadOptions()
        samples = _mono(audio)
        found = _speech(samples, chosen)
        long = [piece for chunk in found for piece in _cut(chunk, chosen)]
        padded = _padded(long, len(samples), round(chosen.speech_pad_ms * _RATE / 1000))
        return sum(chunk["end"] - chunk["start"] for chunk in padded) / _RATE, padded

    def warmup(self) -> None:
        """Read the model."""
        SileroVAD()


@lru_cache
def get_silero_model() -> PauseDetectionModel:
    """The Silero model, read once.

    Raises:
        ConfigurationError: If the extra `vad` is not installed.
    """
    model = SileroModel()
    model.warmup()
    return model


def as_vad_options(options: Any) -> Any:
    """Options of FastRTC as those of `SileroVAD`, with a warning for those that have no effect."""
    if not isinstance(options, SileroVadOptions):
        return options
    default = SileroVadOptions()
    ignored = [
        field.name
        for field in fields(options)
        if field.name != "threshold"
        and getattr(options, field.name) != getattr(default, field.name)
    ]
    if ignored:
        warnings.warn(
            f"SileroVadOptions({', '.join(ignored)}) of ReplyOnPause: ignored. Say when a turn "
            "begins and ends by algo_options=TurnOptions(…) of fastrtc_handlers",
            UserWarning,
            stacklevel=4,
        )
    return VADOptions(threshold=options.threshold)


def _mono(audio: tuple[int, NDArray[Any]]) -> NDArray[np.int16]:
    frame = to_audio_frame(audio)
    data = with_channels(frame.data, 1)
    if frame.sample_rate != _RATE and data.shape[1]:
        resampler = Resampler(frame.sample_rate, _RATE, 1)
        data = np.concatenate([resampler.push(data), resampler.flush()], axis=1)
    samples: NDArray[np.int16] = data[0]
    return samples


def _speech(samples: NDArray[np.int16], options: SileroVadOptions) -> list[AudioChunk]:
    """Where speech lies that is long enough."""
    detector = SileroVAD(
        VADOptions(
            threshold=options.threshold,
            min_speech=0.0,
            min_silence=min(options.min_silence_duration_ms / 1000, 10.0),
        )
    )
    # The last window is seldom whole.
    whole = np.concatenate([samples, np.zeros(-len(samples) % 512, np.int16)])
    chunks: list[AudioChunk] = []
    for event in detector.push(AudioFrame(_RATE, whole[np.newaxis])):
        if event.kind == "speech_start":
            chunks.append({"start": event.position, "end": len(samples)})
        else:
            chunks[-1]["end"] = event.position
    shortest = options.min_speech_duration_ms * _RATE / 1000
    return [chunk for chunk in chunks if chunk["end"] - chunk["start"] > shortest]


def _cut(chunk: AudioChunk, options: SileroVadOptions) -> Iterator[AudioChunk]:
    start, end = chunk["start"], chunk["end"]
    longest = min(options.max_speech_duration_s * _RATE, end - start)
    while end - start > longest:
        yield {"start": start, "end": start + int(longest)}
        start += int(longest)
    yield {"start": start, "end": end}


def _padded(chunks: list[AudioChunk], length: int, padding: int) -> list[AudioChunk]:
    """Chunks with some of the silence around each; neighbours share what is between them."""
    padded: list[AudioChunk] = []
    for number, chunk in enumerate(chunks):
        before = padded[-1]["end"] if padded else 0
        room = chunks[number + 1]["start"] - chunk["end"] if number + 1 < len(chunks) else None
        after = padding if room is None else min(padding, room // 2)
        padded.append(
            {
                "start": max(before, chunk["start"] - padding),
                "end": min(length, chunk["end"] + after),
            }
        )
    return padded
