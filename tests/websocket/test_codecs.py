"""Samples on a WebSocket."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.websocket.codecs import CODECS, Encoding, Pcm16


@pytest.mark.parametrize("encoding", CODECS)
@pytest.mark.parametrize("channels", [1, 2])
@given(data=st.data())
def test_however_it_is_cut_it_is_the_same(
    encoding: Encoding, channels: int, data: st.DataObject
) -> None:
    """Samples that are torn apart are put together again."""
    count = data.draw(st.integers(0, 40))
    samples = np.random.default_rng(count).integers(-32768, 32767, (channels, count), np.int16)
    written = CODECS[encoding](channels).encode(samples)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=6)))
    decoder = CODECS[encoding](channels)
    parts = [
        decoder.decode(written[start:end])
        for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True)
    ]
    joined = np.concatenate(parts, axis=1)
    assert all(part.shape[0] == channels for part in parts)
    assert np.array_equal(joined, CODECS[encoding](channels).decode(written))
    assert joined.shape == samples.shape
    if encoding == "pcm16":
        assert np.array_equal(joined, samples)


def test_pcm_is_little_endian_and_interleaved() -> None:
    """Left, right, left, right; the low byte first."""
    data = Pcm16(2).encode(np.array([[1, 2], [256, -1]], np.int16))
    assert data == bytes([1, 0, 0, 1, 2, 0, 255, 255])
