"""Runs recorded sessions again, on virtual time: `fastrtc-core replay`."""

from .replay import Replayed, difference, replay, turn_difference

__all__ = ["Replayed", "difference", "replay", "turn_difference"]
