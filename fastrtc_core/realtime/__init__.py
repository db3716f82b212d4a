"""The OpenAI Realtime API over a WebSocket, so that what was written for it talks to a handler."""

from .dialect import RealtimeDialect, refusal

__all__ = ["RealtimeDialect", "refusal"]
