"""Voice activity by the Silero model."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from .detector import SAMPLE_RATE, WindowedVAD
from .foreground import Foreground
from .segmenter import VADOptions
from .silero_model import WINDOW, SileroStream, load_model

_SURE = 0.9
"""Probability from which a window surely is speech: in most words, but in few laughs."""

_FORGET_AFTER = 16
"""Windows of digital silence (0.5 s) after which the model starts afresh.

Shorter silence may be a gap in the network: the sentence goes on behind it.
"""


class SileroVAD(WindowedVAD):
    """The default detector: tells speech from noise, music and coughs by a small neural network.

    All detectors of a process share one model. It is called where the frames arrive, on the event
    loop too: a window of 32 ms takes some 50 µs, digital silence next to nothing.
    Where others talk in the background, it follows the nearest voice by its level; see
    `VADOptions.foreground`.

    Args:
        options: When speech has begun and ended; the defaults when left out.

    Raises:
        ConfigurationError: If the extra `vad` is not installed.
    """

    # The model remembers: it lets go some windows after the last sound.
    end_delay = 0.1

    def __init__(self, options: VADOptions | None = None) -> None:
        options = options or VADOptions()
        foreground = Foreground(WINDOW / SAMPLE_RATE) if options.foreground else None
        super().__init__(options, window=WINDOW, foreground=foreground)
        self._stream = SileroStream(load_model())
        self._silent = 0

    @property
    def sure(self) -> bool:
        """See `DiscerningVAD`.

        Where there is noise or another voice, the model is sure of little, and is believed.
        """
        return self.probability >= (_SURE if self.extra_silence == 0 else self.options.threshold)

    def copy(self) -> Self:
        """A detector with the same settings for another stream; the model is shared."""
        return type(self)(self.options)

    def _score(self, window: NDArray[np.int16]) -> float:
        if window.any():
            self._silent = 0
            return self._stream.step(window)
        self._silent += 1
        if self._silent == _FORGET_AFTER:
            self._stream.reset()
        return 0.0

    def _forget(self) -> None:
        self._stream.reset()
        self._silent = 0
