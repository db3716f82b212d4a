"""Ears: how a handler listens past its own voice, which comes back to it, and past noise."""

from .ear import Ear, Heard
from .vad import EarVAD

__all__ = ["Ear", "EarVAD", "Heard"]
