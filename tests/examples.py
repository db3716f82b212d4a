"""How many examples the properties are tried with.

A change is tried with the same ones each time, and with few. `FUZZ=1` tries twice as many,
`FUZZ=50` a hundred times as many, and others each time.
"""

from __future__ import annotations

import os

FACTOR = int(os.environ.get("FUZZ", "0"))


def tries(count: int) -> int:
    """Half of a number of examples, or so many times `FUZZ`."""
    return count * FACTOR or count // 2
