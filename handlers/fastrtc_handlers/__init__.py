"""Ready-made handlers, built on the public names of `fastrtc_core` alone."""

from .echo import AudioVideoEcho, Echo

__all__ = ["AudioVideoEcho", "Echo"]
