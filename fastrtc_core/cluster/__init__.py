"""One channel on several servers: who is where, and what they say to each other, over a bus."""

from .cluster import Cluster
from .link import RoomLink

__all__ = ["Cluster", "RoomLink"]
