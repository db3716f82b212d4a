"""smart-turn: a small network that hears whether somebody is done speaking.

Daily's model, version 3: an encoder of the Whisper family over the latest 8 s, trained on 23
languages, 8.7 MB, under the licence BSD-2-Clause. The package `pipecat-ai` carries it; nothing of
that package is imported.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.toolkit import import_extra

from ..stt.audio import mono_float
from .detector import ModelTurnDetector
from .log_mel import BANDS, HOP, RATE, log_mel

_LENGTH = 8
"""Seconds that the model hears."""


class SmartTurn:
    """How likely somebody is done, by how it sounds; for `ModelTurnDetector`.

    A decision takes 60 to 110 ms of one core, on the thread that asks. Any number of threads may.

    Args:
        path: The ONNX file; by default the one that the package `pipecat-ai` carries.

    Raises:
        ConfigurationError: If the extra `smart-turn` is missing, or the file, or it is of another
            kind.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        onnxruntime = import_extra("onnxruntime", extra="smart-turn", used_by="SmartTurn")
        path = Path(path) if path is not None else _find_model()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own kinds have no class in common
            raise ConfigurationError(f"{path} cannot be read as an ONNX model: {error}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].shape[1:] != [BANDS, _LENGTH * RATE // HOP]:
            raise ConfigurationError(
                f"{path} is not a smart-turn model of version 3: it takes "
                f"{', '.join(f'{part.name} of shape {part.shape}' for part in inputs)}"
            )
        self._input = inputs[0].name

    def __call__(self, turn: AudioFrame) -> float:
        """The probability that a turn is complete; it errs more the longer a silence ends that."""
        late = turn.data[:, -_LENGTH * turn.sample_rate :]
        heard = mono_float(AudioFrame(turn.sample_rate, late), RATE)[-_LENGTH * RATE :]
        samples = np.zeros(_LENGTH * RATE, np.float32)
        samples[len(samples) - len(heard) :] = heard
        (answer,) = self._session.run(None, {self._input: log_mel(samples)[np.newaxis]})
        return float(answer[0, 0])


class SmartTurnDetector(ModelTurnDetector):
    """Waits as the model smart-turn hears it: hardly at all where it is sure of the end.

    Args:
        path: The ONNX file; by default the one that the package `pipecat-ai` carries.
        threshold: From which probability a turn is taken to be complete. Of pauses inside read
            sentences it takes 34 % for an end at 0.5, 21 % at 0.8 and 15 % at 0.9; of their ends,
            67 %, 60 % and 47 %.
        silence: How long in s to wait when it is.
        longest: How long in s to wait when it is not: the pauses that people make inside sentences
            are shorter than 1.2 s, mostly.

    Raises:
        ConfigurationError: See `SmartTurn`.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        threshold: float = 0.8,
        silence: float = 0.25,
        longest: float = 1.2,
    ) -> None:
        model = SmartTurn(path)
        super().__init__(model, threshold=threshold, silence=silence, longest=longest)


def _find_model() -> Path:
    """The file in the installed package, found by its metadata."""
    try:
        files = importlib.metadata.files("pipecat-ai") or []
    except importlib.metadata.PackageNotFoundError:
        raise ConfigurationError(
            "SmartTurn needs the model smart-turn: install the package that carries it with "
            "`pip install --no-deps pipecat-ai`, or pass the path of the ONNX file"
        ) from None
    found = [file for file in files if file.match("smart-turn-v3*.onnx")]
    if not found:
        version = importlib.metadata.version("pipecat-ai")
        raise ConfigurationError(
            f"pipecat-ai {version} carries no smart-turn model of version 3; pass the path of the "
            "ONNX file"
        )
    return Path(str(found[-1].locate()))
