"""G.711, beside FFmpeg's."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from fastrtc_core.media.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

both = pytest.mark.parametrize(
    ("codec", "encode", "decode"),
    [("pcm_mulaw", encode_mulaw, decode_mulaw), ("pcm_alaw", encode_alaw, decode_alaw)],
)


@both
def test_every_byte_is_decoded_as_ffmpeg_does(codec: Any, encode: Any, decode: Any) -> None:
    """All 256."""
    data = bytes(range(256))
    decoder = av.CodecContext.create(codec, "r")
    decoder.sample_rate = 8000
    decoder.layout = "mono"
    (frame,) = decoder.decode(av.Packet(data))
    assert np.array_equal(decode(data), frame.to_ndarray().ravel())


@both
def test_every_sample_is_encoded_to_the_nearest_step(codec: Any, encode: Any, decode: Any) -> None:
    """All 65536: what comes back is the nearest value that a byte can say, and of the same sign."""
    samples = np.arange(-32768, 32768).astype(np.int16)
    back = decode(encode(samples)).astype(int)
    values = np.unique(decode(bytes(range(256))).astype(int))
    nearest = np.abs(samples[:, np.newaxis].astype(int) - values).min(axis=1)
    step = np.maximum(np.abs(back) // 16, 8)
    assert np.all(np.abs(back - samples) <= nearest + step), "within a step"
    assert np.all(back * samples.astype(int) >= 0)
    assert np.array_equal(decode(encode(values.astype(np.int16))), values)
