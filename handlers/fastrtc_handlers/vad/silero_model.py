"""The Silero voice activity model (version 6, 16 kHz), computed with numpy.

One window takes 0.7 million multiplications: too few for an inference engine to pay. Its session
would take 10 MB and 45 ms for each stream; here all streams share the weights, and a stream keeps
its state of some kilobytes.

The layers: magnitudes of a short-time Fourier transform, four convolutions over its four frames,
an LSTM cell, and one output.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from .silero_weights import BINS, FRAME, UNITS, Array, load_weights

WINDOW = 512
"""Samples that a stream advances by in one step (32 ms)."""

_CONTEXT = 64
"""Samples of the window before that the model sees again."""
_FRAMES = 4
_HOP = 128


class SileroModel:
    """The weights, in the order in which a step needs them; any number of streams share them.

    Args:
        weights: The parameters of the model under their names.
    """

    def __init__(self, weights: dict[str, Array]) -> None:
        def parameters(layer: int) -> tuple[Array, Array]:
            name = f"encoder.{layer}.reparam_conv"
            return weights[f"{name}.weight"], weights[f"{name}.bias"]

        self.transform = np.ascontiguousarray(weights["stft.forward_basis_buffer"][:, 0].T)
        # Convolutions as matrices, (taps × channels in, channels out). The last two see two frames
        # and one: the taps that would meet nothing but padding are left out.
        self.convolutions = [
            (_as_matrix(weight[:, :, taps]), bias)
            for (weight, bias), taps in zip(
                map(parameters, range(4)),
                (slice(0, 3), slice(0, 3), slice(1, 3), slice(1, 2)),
                strict=True,
            )
        ]
        # Gates in the order input, forget, cell, output. A logistic function is a tanh of half its
        # argument: with the factor in the weights, one tanh serves all four, and none overflows.
        half = np.full((4 * UNITS, 1), 0.5, np.float32)
        half[2 * UNITS : 3 * UNITS] = 1
        both = [weights["decoder.rnn.weight_ih"], weights["decoder.rnn.weight_hh"]]
        self.gates = np.ascontiguousarray(half * np.concatenate(both, axis=1))
        bias = weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"]
        self.gate_bias = half[:, 0] * bias
        self.output = weights["decoder.decoder.2.weight"] / 2
        self.output_bias = float(weights["decoder.decoder.2.bias"]) / 2


class SileroStream:
    """The state of one stream.

    Args:
        model: Its weights.
    """

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        # What the layers read lies in buffers with the padding around it; windows that overlap
        # are views, so that nothing is copied to make them.
        self._samples = np.zeros(_HOP * (_FRAMES + 1), np.float32)
        self._frames = _overlapping(self._samples, _FRAMES, FRAME, _HOP)
        self._spectrum = np.zeros((_FRAMES + 2, BINS), np.float32)
        self._first = _overlapping(self._spectrum, _FRAMES, 3 * BINS, BINS)
        self._encoded = np.zeros((_FRAMES + 1, UNITS), np.float32)
        self._second = _overlapping(self._encoded, _FRAMES // 2, 3 * UNITS, 2 * UNITS)
        self._recurrent = np.zeros(2 * UNITS, np.float32)
        self._cell = np.zeros(UNITS, np.float32)

    def reset(self) -> None:
        """Forget the windows so far."""
        self._samples.fill(0)
        self._recurrent.fill(0)
        self._cell.fill(0)

    def step(self, window: NDArray[np.int16]) -> float:
        """Probability that the next window, of shape `(512,)` at 16 kHz, is speech."""
        model = self._model
        self._load(window)

        parts = self._frames @ model.transform
        parts *= parts
        magnitudes = self._spectrum[1:-1]
        np.add(parts[:, :BINS], parts[:, BINS:], out=magnitudes)
        np.sqrt(magnitudes, out=magnitudes)

        (first, bias), *others = model.convolutions
        encoded = self._encoded[1:]
        np.matmul(self._first, first, out=encoded)
        _rectify(encoded, bias)
        features = self._second
        for matrix, bias in others:
            features = features @ matrix
            _rectify(features, bias)
            features = features.reshape(1, -1)

        recurrent = self._recurrent
        recurrent[:UNITS] = features[0]
        gates = np.tanh(model.gates @ recurrent + model.gate_bias)
        opened = gates + 1
        opened *= 0.5
        cell = self._cell
        cell *= opened[UNITS : 2 * UNITS]
        cell += opened[:UNITS] * gates[2 * UNITS : 3 * UNITS]
        hidden = recurrent[UNITS:]
        np.multiply(opened[3 * UNITS :], np.tanh(cell), out=hidden)
        score = float(np.maximum(hidden, 0) @ model.output) + model.output_bias
        return 0.5 * (1 + float(np.tanh(score)))

    def _load(self, window: NDArray[np.int16]) -> None:
        """Context, window, and the end of the window mirrored to fill the last frame."""
        samples, end = self._samples, _CONTEXT + WINDOW
        samples[:_CONTEXT] = samples[WINDOW:end]
        np.multiply(window, np.float32(1 / 32768), out=samples[_CONTEXT:end])
        samples[end:] = samples[end - 2 : end - 2 - (len(samples) - end) : -1]


@functools.cache
def load_model() -> SileroModel:
    """The model, read once.

    Raises:
        ConfigurationError: If its package is missing, or holds another model.
    """
    return SileroModel(load_weights())


def _as_matrix(weight: Array) -> Array:
    """A convolution of shape (out, in, taps) as a matrix of shape (taps × in, out)."""
    return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, weight.shape[0]))


def _overlapping(buffer: Array, rows: int, width: int, step: int) -> Array:
    """A view of a contiguous buffer as rows that start `step` values apart."""
    view: Array = np.lib.stride_tricks.as_strided(
        buffer, (rows, width), (step * buffer.itemsize, buffer.itemsize), writeable=False
    )
    return view


def _rectify(values: Array, bias: Array) -> None:
    values += bias
    np.maximum(values, 0, out=values)
