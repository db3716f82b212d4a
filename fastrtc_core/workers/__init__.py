"""One stream in several processes: a session lives in one, the others hand on what is for it.

workers ── offers, candidates, WHIP's URLs, ids ──┐
anywhere ── what an application asks ─────────────┴─► relay ─► bus
"""

from .anywhere import Anywhere
from .workers import Workers

__all__ = ["Anywhere", "Workers"]
