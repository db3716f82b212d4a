"""Calls back without being harmed by it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


def call_safely(callback: Callable[[T], None], value: T) -> None:
    """Call back; an error in there is logged, and stops nothing."""
    try:
        callback(value)
    except Exception:
        logger.exception("A callback of a bus has failed")
