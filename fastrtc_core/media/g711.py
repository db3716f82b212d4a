"""G.711 µ-law (ITU-T G.711): 8 bits a sample, by table."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_BIAS = 33 << 2
_MOST = 32635


def encode_mulaw(samples: NDArray[np.int16]) -> bytes:
    """int16 samples of shape `(n,)` as one byte each."""
    return _encoding()[samples.view(np.uint16)].tobytes()


def decode_mulaw(data: bytes) -> NDArray[np.int16]:
    """The samples of shape `(n,)` in so many bytes."""
    decoded: NDArray[np.int16] = _decoding()[np.frombuffer(data, np.uint8)]
    return decoded


@cache
def _decoding() -> NDArray[np.int16]:
    """The sample of each byte."""
    code = ~np.arange(256, dtype=np.uint8)
    segment = (code >> 4 & 7).astype(np.int32)
    step = (code & 15).astype(np.int32)
    magnitude = (((step << 3) + _BIAS) << segment) - _BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


@cache
def _encoding() -> NDArray[np.uint8]:
    """The byte of each sample, by its 16 bits without sign."""
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(samples), _MOST) + _BIAS
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    step = (magnitude >> (segment + 3)) & 15
    sign = np.where(samples < 0, 0x80, 0)
    encoded: NDArray[np.uint8] = (~(sign | segment << 4 | step)).astype(np.uint8)
    return encoded
