"""For tests: a virtual clock, signals, meters, sessions without a network, and telephone calls."""

from .dialling import phone_call
from .inprocess import InProcessPeer, connect
from .meters import delay_of, fit_sine, longest_silence
from .phone import Phone
from .running import HandlerResult, run_handler
from .signals import noise, speech_like, tone
from .virtual_clock import VirtualClockLoop, run_virtual

__all__ = [
    "HandlerResult",
    "InProcessPeer",
    "Phone",
    "VirtualClockLoop",
    "connect",
    "delay_of",
    "fit_sine",
    "longest_silence",
    "noise",
    "phone_call",
    "run_handler",
    "run_virtual",
    "speech_like",
    "tone",
]
