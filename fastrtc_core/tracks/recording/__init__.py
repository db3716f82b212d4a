"""Recording tracks into a file."""

from .recorder import Recorder

__all__ = ["Recorder"]
