"""Sessions: one live connection each, whatever its transport."""

from .session import Session, copy_handler
from .types import CloseReason, Hooks, Medium, MessageChannel

__all__ = ["CloseReason", "Hooks", "Medium", "MessageChannel", "Session", "copy_handler"]
