"""Conversions of audio, with FastRTC's shapes: `(sample_rate, array)` in int16 or float32."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..frames import AudioFrame, to_audio_frame
from ..media.resampler import Resampler

Audio = tuple[int, NDArray[Any]]
"""Rate in Hz, and int16 or float32 samples of shape `(samples,)` or `(channels, samples)`."""

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Rates in Hz that an MP3 may have (ISO/IEC 11172-3 and 13818-3, with the extension to 8 kHz)."""


def audio_to_bytes(audio: Audio) -> bytes:
    """Audio as a complete MP3 file.

    Floats are read as samples in [-1, 1]. A rate that an MP3 cannot have becomes 48 kHz.

    Args:
        audio: `(sample_rate, array)`, mono or stereo.

    Raises:
        InvalidFrameError: If it is no audio.
    """
    frame = to_audio_frame(audio)
    rate = frame.sample_rate if frame.sample_rate in _MP3_RATES else 48000
    data = frame.data
    if rate != frame.sample_rate:
        resampler = Resampler(frame.sample_rate, rate, frame.num_channels)
        data = np.concatenate([resampler.push(data), resampler.flush()], axis=1)
    return _as_mp3(AudioFrame(rate, data))


def _as_mp3(frame: AudioFrame) -> bytes:
    buffer = io.BytesIO()
    layout = "mono" if frame.num_channels == 1 else "stereo"
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=frame.sample_rate, layout=layout)
        if frame.samples_per_channel:
            samples = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(frame.data), format="s16p", layout=layout
            )
            samples.sample_rate = frame.sample_rate
            container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def audio_to_file(audio: Audio) -> str:
    """Write audio to a new MP3 file in the folder for temporary files.

    Args:
        audio: As of `audio_to_bytes`.

    Returns:
        The path of the file. It is yours to delete.
    """
    with tempfile.NamedTemporaryFile(suffix=".mp3", delete=False) as file:
        file.write(audio_to_bytes(audio))
    return file.name


def audio_to_float32(audio: NDArray[Any] | Audio) -> NDArray[np.float32]:
    """Samples as float32 in [-1, 1), in the shape in which they come; float32 stays as it is.

    Raises:
        TypeError: If they are neither int16 nor float32.
    """
    samples = _samples(audio, "audio_to_float32")
    if samples.dtype == np.float32:
        return samples
    if samples.dtype == np.int16:
        return samples.astype(np.float32) / np.float32(32768)
    raise TypeError(f"Unsupported audio data type: {samples.dtype}")


def audio_to_int16(audio: NDArray[Any] | Audio) -> NDArray[np.int16]:
    """Samples as int16, in the shape in which they come; int16 stays as it is.

    Floats are scaled by 32767, as FastRTC does; those beyond [-1, 1] are clipped.

    Raises:
        TypeError: If they are neither int16 nor float32.
    """
    samples = _samples(audio, "audio_to_int16")
    if samples.dtype == np.int16:
        return samples
    if samples.dtype == np.float32:
        scaled: NDArray[np.int16] = (np.clip(samples, -1, 1) * np.float32(32767)).astype(np.int16)
        return scaled
    raise TypeError(f"Unsupported audio data type: {samples.dtype}")


def _samples(audio: NDArray[Any] | Audio, name: str) -> NDArray[Any]:
    if isinstance(audio, tuple):
        warnings.warn(
            f"{name}((sample_rate, array)) is deprecated: pass the array alone",
            UserWarning,
            stacklevel=3,
        )
        return audio[1]
    return audio


class _Pairs:
    """Joins pieces of a stream of bytes, of any lengths, into whole 16-bit samples."""

    def __init__(self) -> None:
        self._rest = b""

    def push(self, piece: bytes) -> NDArray[np.int16] | None:
        """The samples that are whole now, of shape `(1, samples)`; `None` for none."""
        data = self._rest + piece
        end = len(data) // 2 * 2
        self._rest = data[end:]
        return np.frombuffer(data[:end], np.int16).reshape(1, -1) if end else None


def aggregate_bytes_to_16bit(chunks_iterator: Iterable[bytes]) -> Iterator[NDArray[np.int16]]:
    """Yield 16-bit samples of shape `(1, samples)` from pieces of bytes of any length."""
    pairs = _Pairs()
    for piece in chunks_iterator:
        samples = pairs.push(piece)
        if samples is not None:
            yield samples


async def async_aggregate_bytes_to_16bit(
    chunks_iterator: AsyncIterable[bytes],
) -> AsyncIterator[NDArray[np.int16]]:
    """The same for an async iterator."""
    pairs = _Pairs()
    async for piece in chunks_iterator:
        samples = pairs.push(piece)
        if samples is not None:
            yield samples
