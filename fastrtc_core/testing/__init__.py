"""For tests of handlers: a virtual clock, signals, meters, and sessions without a network."""

from .clock import VirtualClockLoop, run_virtual
from .inprocess import InProcessPeer, connect
from .meters import delay_of, fit_sine, longest_silence
from .signals import noise, speech_like, tone

__all__ = [
    "InProcessPeer",
    "VirtualClockLoop",
    "connect",
    "delay_of",
    "fit_sine",
    "longest_silence",
    "noise",
    "run_virtual",
    "speech_like",
    "tone",
]
