"""Conversions with FastRTC's shapes."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest

from fastrtc_core import InvalidFrameError
from fastrtc_core.compat import (
    aggregate_bytes_to_16bit,
    async_aggregate_bytes_to_16bit,
    audio_to_bytes,
    audio_to_file,
    audio_to_float32,
    audio_to_int16,
)
from fastrtc_core.testing import tone


def decode(mp3: bytes) -> tuple[int, np.ndarray]:
    with av.open(io.BytesIO(mp3), "r") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].codec_context.sample_rate
    return rate, np.concatenate(frames, axis=1)


@pytest.mark.parametrize("rate", [16000, 24000, 48000, 8000, 50000])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_an_mp3_of_what_was_said(rate: int, kind: type) -> None:
    """At its own rate where an MP3 may have it; FastRTC's of floats is noise."""
    samples = (np.sin(2 * np.pi * 440 * np.arange(rate) / rate) * 0.5).astype(np.float32)
    given = samples if kind is np.float32 else audio_to_int16(samples)
    decoded_rate, decoded = decode(audio_to_bytes((rate, given)))
    assert decoded_rate == (48000 if rate == 50000 else rate)
    assert decoded.shape[0] == 1
    middle = decoded[0, decoded_rate // 4 : decoded_rate * 3 // 4]
    spectrum = np.abs(np.fft.rfft(middle))
    assert abs(np.argmax(spectrum) * decoded_rate / len(middle) - 440) < 4
    assert 0.4 < np.abs(middle).max() < 0.6


def test_stereo_stays_stereo_and_nothing_is_a_file() -> None:
    both = np.stack([tone(440, 1.0, 24000).data[0], np.zeros(24000, np.int16)])
    _, decoded = decode(audio_to_bytes((24000, both)))
    assert decoded.shape[0] == 2
    assert np.abs(decoded[0]).max() > 10 * np.abs(decoded[1]).max()
    assert isinstance(audio_to_bytes((24000, np.zeros((1, 0), np.int16))), bytes)
    with pytest.raises(InvalidFrameError):
        audio_to_bytes((24000, np.zeros(10, np.complex64)))


def test_a_file_is_one() -> None:
    path = Path(audio_to_file((24000, tone(440, 0.5, 24000).data)))
    try:
        assert path.suffix == ".mp3"
        assert decode(path.read_bytes())[0] == 24000
    finally:
        path.unlink()


@pytest.mark.parametrize("shape", [(6,), (1, 6), (2, 3)])
def test_the_shape_stays(shape: tuple[int, ...]) -> None:
    whole = np.array([-32768, -1, 0, 1, 2, 32767], np.int16).reshape(shape)
    floats = audio_to_float32(whole)
    assert floats.dtype == np.float32
    assert floats.shape == shape
    assert floats.flat[0] == -1.0
    assert audio_to_float32(floats) is floats
    back = audio_to_int16(floats)
    assert back.dtype == np.int16
    assert np.abs(back.astype(int) - whole).max() <= 1
    assert audio_to_int16(whole) is whole


def test_louder_than_full_scale_is_clipped() -> None:
    """FastRTC's wraps: a loud sample becomes one of the other sign."""
    loud = audio_to_int16(np.array([1.5, -1.5], np.float32))
    assert loud.tolist() == [32767, -32767]


@pytest.mark.parametrize("convert", [audio_to_float32, audio_to_int16])
def test_tuples_are_deprecated_and_other_types_refused(convert: object) -> None:
    assert callable(convert)
    with pytest.warns(UserWarning, match="pass the array alone"):
        assert convert((16000, np.zeros(3, np.int16))).shape == (3,)
    with pytest.raises(TypeError, match="Unsupported audio data type"):
        convert(np.zeros(3, np.int32))


PIECES = [b"\x01", b"\x00\x02", b"", b"\x00\x03\x00\x04", b"\x00\x05"]


def test_bytes_of_any_lengths_become_whole_samples() -> None:
    arrays = list(aggregate_bytes_to_16bit(PIECES))
    assert all(array.dtype == np.int16 and array.shape[0] == 1 for array in arrays)
    assert np.concatenate(arrays, axis=1).tolist() == [[1, 2, 3, 4]]


async def test_the_same_of_an_async_iterator() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece

    arrays = [array async for array in async_aggregate_bytes_to_16bit(pieces())]
    assert np.concatenate(arrays, axis=1).tolist() == [[1, 2, 3, 4]]
