"""G.711 µ-law and A-law (ITU-T G.711): 8 bits a sample, by table."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_BIAS = 33 << 2
_MOST = 32635
_ALAW_INVERTED = 0x55
"""Bits that go over the line inverted."""


def encode_mulaw(samples: NDArray[np.int16]) -> bytes:
    """int16 samples of shape `(n,)` as one byte each, in µ-law."""
    return _mulaw_encoding()[samples.view(np.uint16)].tobytes()


def decode_mulaw(data: bytes) -> NDArray[np.int16]:
    """The samples of shape `(n,)` in so many bytes of µ-law."""
    decoded: NDArray[np.int16] = _mulaw_decoding()[np.frombuffer(data, np.uint8)]
    return decoded


def encode_alaw(samples: NDArray[np.int16]) -> bytes:
    """int16 samples of shape `(n,)` as one byte each, in A-law."""
    return _alaw_encoding()[samples.view(np.uint16)].tobytes()


def decode_alaw(data: bytes) -> NDArray[np.int16]:
    """The samples of shape `(n,)` in so many bytes of A-law."""
    decoded: NDArray[np.int16] = _alaw_decoding()[np.frombuffer(data, np.uint8)]
    return decoded


@cache
def _mulaw_decoding() -> NDArray[np.int16]:
    """The sample of each byte."""
    code = ~np.arange(256, dtype=np.uint8)
    segment = (code >> 4 & 7).astype(np.int32)
    step = (code & 15).astype(np.int32)
    magnitude = (((step << 3) + _BIAS) << segment) - _BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


@cache
def _mulaw_encoding() -> NDArray[np.uint8]:
    """The byte of each sample, by its 16 bits without sign."""
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(samples), _MOST) + _BIAS
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    step = (magnitude >> (segment + 3)) & 15
    sign = np.where(samples < 0, 0x80, 0)
    encoded: NDArray[np.uint8] = (~(sign | segment << 4 | step)).astype(np.uint8)
    return encoded


@cache
def _alaw_decoding() -> NDArray[np.int16]:
    """The sample of each byte."""
    code = np.arange(256, dtype=np.uint8) ^ _ALAW_INVERTED
    segment = (code >> 4 & 7).astype(np.int32)
    step = (code & 15).astype(np.int32)
    # Half a step above the lower edge; segments 0 and 1 have steps of the same size.
    magnitude = ((step << 4) + 8 + (segment > 0) * 0x100) << np.maximum(segment - 1, 0)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


@cache
def _alaw_encoding() -> NDArray[np.uint8]:
    """The byte of each sample, by its 16 bits without sign."""
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
    # The negative range begins one step below 0, so that it has as many steps as the positive one.
    magnitude = np.where(samples < 0, -samples - 1, samples)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 7, 0)
    step = (magnitude >> np.where(segment > 0, segment + 3, 4)) & 15
    sign = np.where(samples < 0, 0, 0x80)
    encoded: NDArray[np.uint8] = ((sign | segment << 4 | step) ^ _ALAW_INVERTED).astype(np.uint8)
    return encoded
