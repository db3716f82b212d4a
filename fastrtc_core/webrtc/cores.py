"""How many cores this process may use, and how many threads an encoder gets of them."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


@cache
def usable_cores() -> int:
    """Cores that this process may use, by its affinity and the quotas of its control groups."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = cgroup_quota(_CGROUPS, Path("/proc/self/cgroup"))
    return cores if quota is None else max(1, min(cores, int(quota)))


def cgroup_quota(root: Path, membership: Path) -> float | None:
    """The least quota of CPU time of the control groups of a process, in cores.

    Args:
        root: Where the file system of control groups is mounted.
        membership: What tells the groups of the process (cgroups(7)).
    """
    quotas: list[float] = []
    for line in _read(membership).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / controllers if controllers else root  # version 1, or 2
        group = base / path.strip().lstrip("/")
        # What a container sees as its root may be told by a path outside of it.
        for folder in {base, *(one for one in (group, *group.parents) if base in one.parents)}:
            quotas += _quota(folder)
    return min(quotas, default=None)


def threads_for(pixels: int) -> int:
    """Threads of an encoder for pictures of so many pixels, as libwebrtc has them.

    libvpx's spin while they wait: two of them on one core take twenty times as long as one.
    """
    cores = usable_cores()
    if pixels >= 1920 * 1080 and cores > 8:
        return 8
    if pixels > 1280 * 960 and cores >= 6:
        return 3
    if pixels > 640 * 480 and cores >= 3:
        return 2
    return 1


def _quota(folder: Path) -> list[float]:
    limit, _, period = _read(folder / "cpu.max").strip().partition(" ")
    if not limit:
        limit = _read(folder / "cpu.cfs_quota_us").strip()
        period = _read(folder / "cpu.cfs_period_us").strip()
    if limit.isdigit() and period.isdigit() and int(period) > 0:
        return [int(limit) / int(period)]
    return []  # "max", or -1: none


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
