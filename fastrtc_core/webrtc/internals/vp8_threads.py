"""How many threads aiortc's VP8 encoder starts.

Those of libvpx spin while they wait: two on one core take twenty times as long as one. aiortc
counts the cores of the machine, of which a process may be allowed fewer.
"""

from __future__ import annotations

import os

from aiortc.codecs import vpx

_number_of_threads = vpx.number_of_threads


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _for_usable_cores(pixels: int, cpus: int) -> int:
    return _number_of_threads(pixels, min(cpus, usable_cores()))


def count_usable_cores() -> None:
    """Let the encoder count the cores that this process may use; idempotent."""
    vpx.number_of_threads = _for_usable_cores
