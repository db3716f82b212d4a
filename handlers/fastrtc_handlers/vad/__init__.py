"""Voice activity detection: where speech begins and ends in a stream of audio.

`SileroVAD` is the default and needs the extra `vad`; `EnergyVAD` needs nothing; `LegacyVAD` takes
detectors that were written for FastRTC. All are a `VAD`, and so is any object of yours that has
its methods.
"""

from .detector import WindowedVAD
from .energy import EnergyVAD
from .legacy import LegacyVAD
from .segmenter import VADOptions
from .silero import SileroVAD
from .types import (
    VAD,
    AttentiveVAD,
    DiscerningVAD,
    Gate,
    Loudness,
    MeasuringVAD,
    VADError,
    VADEvent,
)

__all__ = [
    "VAD",
    "AttentiveVAD",
    "DiscerningVAD",
    "EnergyVAD",
    "Gate",
    "LegacyVAD",
    "Loudness",
    "MeasuringVAD",
    "SileroVAD",
    "VADError",
    "VADEvent",
    "VADOptions",
    "WindowedVAD",
]
