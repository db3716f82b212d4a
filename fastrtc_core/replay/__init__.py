"""Runs recorded sessions again, on virtual time: `fastrtc-core replay`."""

from .replay import Replayed, difference, replay

__all__ = ["Replayed", "difference", "replay"]
