"""Calls with models that hear and speak: what the caller says goes there, and back."""

from .conversation import State
from .dialect import Dialect, Said, Settings
from .events import RealtimeError
from .gemini import GeminiLive
from .handler import RealtimeHandler
from .openai import OpenAIRealtime
from .upstream import Address, RealtimeLimits

__all__ = [
    "Address",
    "Dialect",
    "GeminiLive",
    "OpenAIRealtime",
    "RealtimeError",
    "RealtimeHandler",
    "RealtimeLimits",
    "Said",
    "Settings",
    "State",
]
