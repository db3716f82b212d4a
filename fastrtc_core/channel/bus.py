"""Buses: how several servers share their channels."""

from ..cluster.bus import Bus, BusStatistics, LocalBus, MemoryBus, MemoryHub, RedisBus
from ..errors import BusError

__all__ = ["Bus", "BusError", "BusStatistics", "LocalBus", "MemoryBus", "MemoryHub", "RedisBus"]
