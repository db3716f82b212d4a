"""G.711 µ-law, beside FFmpeg's."""

from __future__ import annotations

import av
import numpy as np

from fastrtc_core.media.g711 import decode_mulaw, encode_mulaw


def test_every_byte_is_decoded_as_ffmpeg_does() -> None:
    """All 256."""
    data = bytes(range(256))
    decoder = av.CodecContext.create("pcm_mulaw", "r")
    decoder.sample_rate = 8000
    decoder.layout = "mono"
    (frame,) = decoder.decode(av.Packet(data))
    assert np.array_equal(decode_mulaw(data), frame.to_ndarray().ravel())


def test_every_sample_is_encoded_to_the_nearest_step() -> None:
    """All 65536: what comes back is the nearest value that a byte can say, and of the same sign."""
    samples = np.arange(-32768, 32768).astype(np.int16)
    back = decode_mulaw(encode_mulaw(samples)).astype(int)
    values = np.unique(decode_mulaw(bytes(range(256))).astype(int))
    nearest = np.abs(samples[:, np.newaxis].astype(int) - values).min(axis=1)
    step = np.maximum(np.abs(back) // 16, 8)
    assert np.all(np.abs(back - samples) <= nearest + step), "within a step"
    assert np.all(back * samples.astype(int) >= 0)
    assert np.array_equal(decode_mulaw(encode_mulaw(values.astype(np.int16))), values)
