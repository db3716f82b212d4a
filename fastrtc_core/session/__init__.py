"""Sessions: one live connection each, whatever its transport."""

from .session import CloseReason, Hooks, MessageChannel, Session

__all__ = ["CloseReason", "Hooks", "MessageChannel", "Session"]
