"""The client of a stream in Python: `Client`. The one for web pages is in `fastrtc_core.browser`."""

from .client import Client

__all__ = ["Client"]
