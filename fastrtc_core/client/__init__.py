"""The client of a stream in Python: `Client`. That for web pages is in `fastrtc_core.browser`."""

from .client import Client
from .reconnecting import keep_connected

__all__ = ["Client", "keep_connected"]
