"""Buses: how several servers share their channels, and several processes their sessions."""

from ...errors import BusError
from .interface import Bus, BusStatistics
from .local import LocalBus
from .memory import MemoryBus, MemoryHub
from .redis import RedisBus

__all__ = ["Bus", "BusError", "BusStatistics", "LocalBus", "MemoryBus", "MemoryHub", "RedisBus"]
