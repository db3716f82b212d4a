"""How samples are written on a WebSocket."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..media.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

Encoding = Literal["mulaw", "alaw", "pcm16"]


class Codec(Protocol):
    """Encodes and decodes; several channels are interleaved."""

    def encode(self, data: NDArray[np.int16]) -> bytes:
        """The bytes of samples of shape `(channels, n)`."""
        ...

    def decode(self, data: bytes) -> NDArray[np.int16]:
        """The samples of some bytes, of shape `(channels, n)`; what is cut off waits for more."""
        ...

    def drop_rest(self) -> None:
        """Forget what waits: the next bytes begin a sample."""
        ...


class _Interleaved:
    """Joins the bytes of a stream, and takes whole samples of all channels out of them."""

    def __init__(self, num_channels: int, width: int) -> None:
        self.num_channels = num_channels
        self._unit = num_channels * width
        self._rest = b""

    def drop_rest(self) -> None:
        """Forget what waits: the next bytes begin a sample."""
        self._rest = b""

    def _whole(self, data: bytes) -> bytes:
        if self._rest:
            data = self._rest + data
        whole = len(data) // self._unit * self._unit
        self._rest = data[whole:]
        return data[:whole]

    def _split(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        return np.ascontiguousarray(samples.reshape(-1, self.num_channels).T)


class MuLaw(_Interleaved):
    """G.711 µ-law, one byte a sample."""

    def __init__(self, num_channels: int = 1) -> None:
        super().__init__(num_channels, width=1)

    def encode(self, data: NDArray[np.int16]) -> bytes:
        """The bytes of samples of shape `(channels, n)`."""
        return encode_mulaw(np.ascontiguousarray(data.T).reshape(-1))

    def decode(self, data: bytes) -> NDArray[np.int16]:
        """The samples of some bytes, of shape `(channels, n)`."""
        return self._split(decode_mulaw(self._whole(data)))


class Pcm16(_Interleaved):
    """16 bits a sample, the low byte first."""

    def __init__(self, num_channels: int = 1) -> None:
        super().__init__(num_channels, width=2)

    def encode(self, data: NDArray[np.int16]) -> bytes:
        """The bytes of samples of shape `(channels, n)`."""
        return np.ascontiguousarray(data.T).astype("<i2").tobytes()

    def decode(self, data: bytes) -> NDArray[np.int16]:
        """The samples of some bytes, of shape `(channels, n)`."""
        return self._split(np.frombuffer(self._whole(data), "<i2").astype(np.int16))


class ALaw(_Interleaved):
    """G.711 A-law, one byte a sample."""

    def __init__(self, num_channels: int = 1) -> None:
        super().__init__(num_channels, width=1)

    def encode(self, data: NDArray[np.int16]) -> bytes:
        """The bytes of samples of shape `(channels, n)`."""
        return encode_alaw(np.ascontiguousarray(data.T).reshape(-1))

    def decode(self, data: bytes) -> NDArray[np.int16]:
        """The samples of some bytes, of shape `(channels, n)`."""
        return self._split(decode_alaw(self._whole(data)))


CODECS: dict[Encoding, type[MuLaw] | type[ALaw] | type[Pcm16]] = {
    "mulaw": MuLaw,
    "alaw": ALaw,
    "pcm16": Pcm16,
}
