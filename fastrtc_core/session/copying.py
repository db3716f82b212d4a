"""From the handler that a stream was given to the handler of one session."""

from __future__ import annotations

from ..errors import ConfigurationError
from ..handler import StreamHandlerBase
from .calls import call_once


async def copy_handler(prototype: StreamHandlerBase, session_id: str) -> StreamHandlerBase:
    """Make the handler of one session, off the event loop.

    Raises:
        ConfigurationError: If `copy` returns no handler, or one that is in use, or a setting of the
            prototype makes no sense.
    """
    handler = await call_once(prototype.copy, f"copy-{session_id[:8]}")
    if not isinstance(handler, StreamHandlerBase) or not hasattr(handler, "args_set"):
        raise ConfigurationError(f"{type(prototype).__name__}.copy() must return a handler")
    if handler is prototype or handler._link is not None:
        raise ConfigurationError(f"{type(prototype).__name__}.copy() must return a new instance")
    handler.phone_mode = prototype.phone_mode
    return handler.take_settings(prototype)
