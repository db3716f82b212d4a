"""Audio frames, and what may be passed where one is expected.

One convention everywhere: int16 samples in an array of shape `(channels, samples)`. What a handler
may hand over instead (see `to_audio_frame`) is brought into it in this module and nowhere else.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidFrameError

Layout = Literal["mono", "stereo"]
VideoArray = NDArray[np.uint8]

FRAME_DURATION = 0.02
"""Length of one audio packet in s (RFC 7587 section 4.2: the default of 20 ms)."""

_CHANNELS: dict[str, int] = {"mono": 1, "stereo": 2}
_SAMPLE_RATES = range(1000, 768_001)

PART_DURATION = 0.5
PART_SAMPLES = 48_000
"""How much long audio is worked on at a time, in s and in samples per channel: milliseconds of
work, so that the event loop has its turn in between."""


class AudioFrame(NamedTuple):
    """A piece of audio: the `(sample_rate, array)` tuple of the handler API, with a name.

    Attributes:
        sample_rate: Samples per second (Hz).
        data: int16 samples of shape `(channels, samples)`, C-contiguous, one or two channels.
    """

    sample_rate: int
    data: NDArray[np.int16]

    @property
    def played(self) -> NDArray[np.int16] | None:
        """What the client was playing while this was recorded, for a handler that `wants_played`.

        int16 of shape `(1, samples)` at the rate of the frame, silence where nothing was played.
        Its echo, if there is one, comes later by what takes time on the way and in the client,
        which is 20 to 500 ms and stays the same. `None` for all other frames.
        """
        return None

    @property
    def num_channels(self) -> int:
        """1 (mono) or 2 (stereo)."""
        return int(self.data.shape[0])

    @property
    def samples_per_channel(self) -> int:
        """Number of samples in each channel."""
        return int(self.data.shape[1])

    @property
    def duration(self) -> float:
        """Length in s."""
        return self.samples_per_channel / self.sample_rate

    def to_wav_bytes(self) -> bytes:
        """The frame as a complete 16-bit PCM WAV file."""
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(self.num_channels)
            file.setsampwidth(2)
            file.setframerate(self.sample_rate)
            file.writeframes(np.ascontiguousarray(self.data.T).astype("<i2").tobytes())
        return buffer.getvalue()


def channels_of(layout: Any) -> int:
    """Number of channels of a layout name.

    Raises:
        InvalidFrameError: If the layout is neither `mono` nor `stereo`.
    """
    if not isinstance(layout, str) or layout not in _CHANNELS:
        raise InvalidFrameError(f"layout must be 'mono' or 'stereo', not {layout!r}")
    return _CHANNELS[layout]


def samples_per_frame(sample_rate: int) -> int:
    """Samples per channel in one 20 ms frame.

    Raises:
        InvalidFrameError: If 20 ms is not a whole number of samples at this rate.
    """
    _check_integer(sample_rate)
    if sample_rate <= 0 or sample_rate % 50:
        raise InvalidFrameError(
            f"a sample rate of {sample_rate} Hz has no whole number of samples in 20 ms; "
            "use a positive multiple of 50 Hz such as 8000, 16000, 24000, 44100 or 48000"
        )
    return int(sample_rate) // 50


def to_int16(samples: NDArray[Any]) -> NDArray[np.int16]:
    """Convert samples to int16: clips, never wraps, and leaves int16 as it is.

    int32 is full scale (`2**31` is the same level as `2**15` in int16); floats are in [-1, 1].
    int16 to `x / 32768` as float and back is exact.

    Raises:
        InvalidFrameError: If the dtype is none of int16, int32, float32, float64, or a float is
            not a number.
    """
    _check_dtype(samples)
    if samples.dtype == np.int16:
        return samples
    if samples.dtype == np.int32:
        rounded = (samples.astype(np.int64) + (1 << 15)) >> 16
        return _as_int16(np.minimum(rounded, 32767))
    if np.isnan(samples).any():
        raise InvalidFrameError(
            f"audio of dtype {samples.dtype} and shape {samples.shape} holds samples that are "
            "not a number (NaN)"
        )
    # Clipped first: the largest floats would overflow when they are scaled.
    scaled = np.rint(np.clip(samples, -1, 1) * samples.dtype.type(32768))
    return _as_int16(np.minimum(scaled, 32767))


def to_float32(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """int16 samples as float32 in [-1, 1); the inverse of `to_int16`."""
    return samples.astype(np.float32) / np.float32(32768)


class EmittedAudio(NamedTuple):
    """What a handler emitted: of a form that can be played, and not converted yet.

    Attributes:
        sample_rate: In Hz.
        rows: Samples of shape `(channels, n)`, of one of the types that `to_int16` takes.
    """

    sample_rate: int
    rows: NDArray[Any]

    def parts(self) -> Iterator[AudioFrame]:
        """The audio part by part, each converted when it is asked for.

        Raises:
            InvalidFrameError: If a part holds samples that are not a number.
        """
        size = min(round(PART_DURATION * self.sample_rate), PART_SAMPLES)
        for start in range(0, self.rows.shape[1], size):
            part = to_int16(self.rows[:, start : start + size])
            yield AudioFrame(self.sample_rate, np.ascontiguousarray(part))


def to_audio_frame(value: Any) -> AudioFrame:
    """Read what a handler emitted as an `AudioFrame`.

    What is taken, and what is raised, is that of `read_audio`.

    Raises:
        InvalidFrameError: If the value cannot be read so, or holds samples that are not a number.
    """
    rate, rows = read_audio(value)
    return AudioFrame(rate, np.ascontiguousarray(to_int16(rows)))


def read_audio(value: Any) -> EmittedAudio:
    """Check what a handler emitted; its samples are not looked at, so it takes no time.

    Taken are an `AudioFrame`, `(sample_rate, array)` and `(sample_rate, array, layout)`. The array
    is int16, int32, float32 or float64 of shape `(n,)`, `(1, n)` or `(2, n)`. With the layout
    `"stereo"`, one row is read as interleaved samples (left, right, left, …).

    Raises:
        InvalidFrameError: If the value cannot be read so; the text names its shape and dtype.
    """
    if not isinstance(value, tuple) or len(value) not in (2, 3):
        raise InvalidFrameError(
            f"expected (sample_rate, array) or (sample_rate, array, layout), got {_describe(value)}"
        )
    rate, samples = value[0], value[1]
    _check_integer(rate)
    if rate not in _SAMPLE_RATES:
        raise InvalidFrameError(
            f"a sample rate of {rate} Hz is out of range; "
            f"use {_SAMPLE_RATES[0]} to {_SAMPLE_RATES[-1]} Hz"
        )
    if not isinstance(samples, np.ndarray):
        raise InvalidFrameError(f"the audio must be a numpy array, not {_describe(samples)}")
    rows = _rows(samples, value[2] if len(value) == 3 else None)
    _check_dtype(rows)
    return EmittedAudio(int(rate), rows)


def _rows(samples: NDArray[Any], layout: str | None) -> NDArray[Any]:
    """The samples as `(channels, n)`, or an error that names their shape."""
    if samples.ndim == 1:
        rows = samples[np.newaxis, :]
    elif samples.ndim == 2 and samples.shape[0] in (1, 2):
        rows = samples
    else:
        hint = "; transpose it" if samples.ndim == 2 and samples.shape[1] in (1, 2) else ""
        raise InvalidFrameError(
            f"{_describe(samples)} cannot be played; the shape must be (n,), (1, n) or (2, n){hint}"
        )
    if layout is None or channels_of(layout) == rows.shape[0]:
        return rows
    if layout == "mono":
        raise InvalidFrameError(
            f"{_describe(samples)} has two channels, but its layout says 'mono'"
        )
    if rows.shape[1] % 2:
        raise InvalidFrameError(
            f"{_describe(samples)} cannot be interleaved stereo: odd number of samples"
        )
    return rows.reshape(-1, 2).T


def with_channels(data: NDArray[np.int16], channels: int) -> NDArray[np.int16]:
    """Mix down or copy up to the number of channels, keeping the level of each channel.

    Two channels mix to their mean; one channel is copied to both sides at full level.
    """
    if data.shape[0] == channels:
        return data
    if channels == 1:
        mixed = data.sum(axis=0, dtype=np.int32, keepdims=True) >> 1
        return _as_int16(mixed)
    return np.repeat(data, channels, axis=0)


def check_video_array(value: Any, video_format: str = "bgr24") -> VideoArray:
    """Check what a handler emitted as a picture.

    Args:
        value: uint8 array of shape `(height, width, 3)`, or `(height, width)` for `gray`.
        video_format: `bgr24`, `rgb24` or `gray`.

    Raises:
        InvalidFrameError: If shape or dtype do not fit; the text names both.
    """
    if not isinstance(value, np.ndarray):
        raise InvalidFrameError(f"a picture must be a numpy array, not {_describe(value)}")
    shape: Sequence[int] = value.shape
    fits = len(shape) == 2 if video_format == "gray" else len(shape) == 3 and shape[2] == 3
    if value.dtype != np.uint8 or not fits or 0 in shape:
        wanted = "(height, width)" if video_format == "gray" else "(height, width, 3)"
        raise InvalidFrameError(
            f"a picture of shape {value.shape} and dtype {value.dtype} cannot be sent; "
            f"{video_format} needs shape {wanted} and dtype uint8"
        )
    return value


def _as_int16(samples: NDArray[Any]) -> NDArray[np.int16]:
    return samples.astype(np.int16)


def _check_dtype(samples: NDArray[Any]) -> None:
    if samples.dtype not in (np.int16, np.int32, np.float32, np.float64):
        raise InvalidFrameError(
            f"audio of dtype {samples.dtype} and shape {samples.shape} cannot be played; "
            "use int16, int32, float32 or float64"
        )


def _check_integer(rate: Any) -> None:
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)):
        raise InvalidFrameError(f"the sample rate must be an integer in Hz, not {_describe(rate)}")


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return type(value).__name__
