"""For tests: a virtual clock, signals, meters, telephone calls, sessions on bad lines or none."""

from .dialling import phone_call
from .inprocess import InProcessPeer, connect
from .line import Line
from .meters import delay_of, fit_sine, longest_silence
from .phone import Phone
from .reducing import parts_left_out, reduce
from .running import HandlerResult, run_handler
from .signals import noise, speech_like, tone
from .virtual_clock import VirtualClockLoop, run_virtual

__all__ = [
    "HandlerResult",
    "InProcessPeer",
    "Line",
    "Phone",
    "VirtualClockLoop",
    "connect",
    "delay_of",
    "fit_sine",
    "longest_silence",
    "noise",
    "parts_left_out",
    "phone_call",
    "reduce",
    "run_handler",
    "run_virtual",
    "speech_like",
    "tone",
]
