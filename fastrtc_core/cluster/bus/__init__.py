"""Buses: how several servers share their channels."""

from ...errors import BusError
from .interface import Bus, BusStatistics
from .memory import MemoryBus, MemoryHub
from .redis import RedisBus

__all__ = ["Bus", "BusError", "BusStatistics", "MemoryBus", "MemoryHub", "RedisBus"]
