"""Opus (RFC 6716) through libopus itself.

FFmpeg's wrapper knows neither concealment nor in-band FEC on receive, and no change of settings
while it encodes. The library is the one inside the PyAV wheel, or the system's.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

NATIVE_RATES = (8000, 12000, 16000, 24000, 48000)
"""Rates in Hz at which Opus encodes and decodes."""

MAX_PACKET = 1500
"""Largest packet in bytes that the encoder may make."""

Application = Literal["voip", "audio", "lowdelay"]
_APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}

_SET_BITRATE = 4002
_SET_COMPLEXITY = 4010
_SET_INBAND_FEC = 4012
_SET_PACKET_LOSS_PERC = 4014
_RESET_STATE = 4028

_CELT = 0x80
_COUNT = 0x03
_SILENCE = b"\xff\xfe"
"""In the first byte of a packet: it is CELT alone; how many frames it has, 0 for one. And what
follows it in a packet of silence."""


class OpusError(Exception):
    """libopus refused a packet or a setting."""


@functools.cache
def _library() -> ctypes.CDLL:
    package = Path(av.__file__).parent
    folders = [package.parent / "av.libs", package / ".dylibs", package]
    bundled = [str(file) for folder in folders for file in sorted(folder.glob("*opus*"))]
    for name in [*bundled, ctypes.util.find_library("opus")]:
        if name is None:
            continue
        try:
            library = ctypes.CDLL(name)
            library.opus_decoder_create  # noqa: B018 - is it the right library?
        except (OSError, AttributeError):
            continue
        return _declare(library)
    raise ImportError(
        "libopus was found neither in the PyAV package nor on the system; install PyAV from its "
        "wheel, or the system's package of libopus"
    )


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, integer, count = ctypes.c_void_p, ctypes.c_int, ctypes.c_int32
    library.opus_strerror.restype = ctypes.c_char_p
    library.opus_strerror.argtypes = [integer]
    library.opus_decoder_create.restype = pointer
    library.opus_decoder_create.argtypes = [count, integer, ctypes.POINTER(integer)]
    library.opus_decoder_destroy.argtypes = [pointer]
    library.opus_decode.argtypes = [pointer, pointer, count, pointer, integer, integer]
    library.opus_encoder_create.restype = pointer
    library.opus_encoder_create.argtypes = [count, integer, integer, ctypes.POINTER(integer)]
    library.opus_encoder_destroy.argtypes = [pointer]
    library.opus_encode.argtypes = [pointer, pointer, integer, pointer, count]
    library.opus_packet_get_nb_samples.argtypes = [pointer, count, count]
    # The ctl functions are variadic: what is not declared here is passed as such.
    library.opus_encoder_ctl.argtypes = [pointer, integer]
    library.opus_decoder_ctl.argtypes = [pointer, integer]
    return library


def _check(result: int) -> int:
    if result < 0:
        raise OpusError(_library().opus_strerror(result).decode())
    return result


def samples_in(payload: bytes, sample_rate: int) -> int:
    """Samples per channel that a packet decodes to at a rate.

    Raises:
        OpusError: If it is no Opus packet.
    """
    if payload and payload[0] & _COUNT == 0:
        return _samples_of(payload[0], sample_rate)
    return _check(_library().opus_packet_get_nb_samples(payload, len(payload), sample_rate))


@functools.cache
def _samples_of(first: int, sample_rate: int) -> int:
    """The same for packets of one frame: their first byte says it all (RFC 6716 section 3.1)."""
    return _check(_library().opus_packet_get_nb_samples(bytes([first]), 1, sample_rate))


def is_digital_silence(payload: bytes) -> bool:
    """Whether a packet is what an encoder makes of samples that are all 0: CELT's flag of silence.

    So is every packet of a browser whose microphone is muted (RFC 6716 sections 3.1 and 4.3).
    """
    return len(payload) == 3 and payload[0] & (_CELT | _COUNT) == _CELT and payload[1:] == _SILENCE


class OpusDecoder:
    """Decodes one stream to int16 samples of shape `(channels, n)`.

    Args:
        sample_rate: One of `NATIVE_RATES`; the decoder resamples for nothing.
        num_channels: 1 or 2; the decoder mixes down or copies up for nothing.

    Raises:
        OpusError: If the rate is not one of Opus.
    """

    def __init__(self, sample_rate: int = 48000, num_channels: int = 1) -> None:
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self._library = _library()
        error = ctypes.c_int()
        self._state = self._library.opus_decoder_create(
            sample_rate, num_channels, ctypes.byref(error)
        )
        _check(error.value)
        # 120 ms, the longest packet there is (RFC 6716 section 2.1.4).
        self._buffer = np.empty(sample_rate * 120 // 1000 * num_channels, np.int16)
        self._address = self._buffer.ctypes.data
        self._silence: bytes | None = None
        """The packet that came last, if it and what was before it have faded to silence."""

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """Decode a packet. Silence that goes on is not decoded: it would change nothing.

        Raises:
            OpusError: If it is damaged.
        """
        if payload == self._silence:
            samples = samples_in(payload, self.sample_rate)
            return np.zeros((self.num_channels, samples), np.int16)
        data = self._decode(payload, len(self._buffer) // self.num_channels, fec=0)
        if is_digital_silence(payload) and np.abs(data).max() <= 1:
            self._silence = payload
        return data

    def recover(self, following: bytes, samples: int) -> NDArray[np.int16]:
        """Decode the packet before `following` from the FEC data in it, or conceal it.

        Raises:
            OpusError: If `following` is damaged.
        """
        return self._decode(following, samples, fec=1)

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """What libopus makes up for so many lost samples per channel."""
        return self._decode(None, samples, fec=0)

    def reset(self) -> None:
        """Forget the stream so far, for one that starts anew."""
        self._silence = None
        _check(self._library.opus_decoder_ctl(self._state, _RESET_STATE))

    def _decode(self, payload: bytes | None, samples: int, fec: int) -> NDArray[np.int16]:
        self._silence = None
        size = len(payload) if payload is not None else 0
        count = _check(
            self._library.opus_decode(self._state, payload, size, self._address, samples, fec)
        )
        rows = self._buffer[: count * self.num_channels].reshape(count, self.num_channels)
        return rows.T.copy()

    def __del__(self) -> None:
        state: Any = getattr(self, "_state", None)
        if state:
            self._library.opus_decoder_destroy(state)


class OpusEncoder:
    """Encodes int16 samples of shape `(channels, n)` to packets.

    Args:
        sample_rate: One of `NATIVE_RATES`.
        num_channels: 1 or 2.
        application: `lowdelay` looks 2.5 ms ahead, the others 6.5 ms; they alone can carry FEC.
        bit_rate: In bits per second.
        complexity: 0 (least CPU) to 10.

    Raises:
        OpusError: If a setting is out of range.
    """

    def __init__(
        self,
        sample_rate: int,
        num_channels: int,
        *,
        application: Application = "lowdelay",
        bit_rate: int = 64_000,
        complexity: int = 5,
    ) -> None:
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self._library = _library()
        error = ctypes.c_int()
        self._state = self._library.opus_encoder_create(
            sample_rate, num_channels, _APPLICATIONS[application], ctypes.byref(error)
        )
        _check(error.value)
        self._set(_SET_BITRATE, bit_rate)
        self._set(_SET_COMPLEXITY, complexity)
        self._packet = ctypes.create_string_buffer(MAX_PACKET)

    def expect_loss(self, percent: int) -> None:
        """Carry in-band FEC for so much loss; 0 carries none (RFC 6716 section 2.1.7)."""
        self._set(_SET_INBAND_FEC, 1 if percent else 0)
        self._set(_SET_PACKET_LOSS_PERC, min(100, max(0, percent)))

    def encode(self, data: NDArray[np.int16]) -> bytes:
        """Encode one packet: 2.5, 5, 10, 20, 40 or 60 ms of samples.

        Raises:
            OpusError: If the length is none of these.
        """
        interleaved = np.ascontiguousarray(data.T)
        size = _check(
            self._library.opus_encode(
                self._state, interleaved.ctypes.data, data.shape[1], self._packet, MAX_PACKET
            )
        )
        return ctypes.string_at(self._packet, size)

    def _set(self, request: int, value: int) -> None:
        _check(self._library.opus_encoder_ctl(self._state, request, ctypes.c_int(value)))

    def __del__(self) -> None:
        state: Any = getattr(self, "_state", None)
        if state:
            self._library.opus_encoder_destroy(state)
