"""Sessions: one live connection each, whatever its transport."""

from .calls import call_hook
from .copying import copy_handler
from .output_hub import OutputHub
from .postbox import post_on
from .session import Session
from .snapshot import SessionSnapshot
from .totals import SessionTotals
from .types import (
    SOURCES,
    Around,
    CloseReason,
    Hooks,
    Medium,
    MessageChannel,
    Observed,
    unobserved,
)

__all__ = [
    "SOURCES",
    "Around",
    "CloseReason",
    "Hooks",
    "Medium",
    "MessageChannel",
    "Observed",
    "OutputHub",
    "Session",
    "SessionSnapshot",
    "SessionTotals",
    "call_hook",
    "copy_handler",
    "post_on",
    "unobserved",
]
