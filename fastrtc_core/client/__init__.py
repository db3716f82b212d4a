"""The client of a stream in Python: `Client`. That for web pages is in `fastrtc_core.browser`."""

from .client import Client

__all__ = ["Client"]
