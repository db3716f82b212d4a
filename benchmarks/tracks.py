"""Tracks without a network: how many duplex pairs one core holds, and how late a frame is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from .measures import search

SCRIPT = Path(__file__).parent / "servers" / "local_tracks.py"
SDKS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("ours", "fastrtc-core", ()),
    ("livekit", "livekit", ("livekit", "numpy")),
)
"""What is measured: its name, its package, and what its environment holds."""

DELIVERED = 0.99
STEP = 5
MOST = 200
SECONDS = 5.0
TIMEOUT = 120.0


async def measure(name: str, python: str, core: int) -> dict[str, Any]:
    """Everything of one SDK, `ours` or `livekit`."""
    samples: list[dict[str, Any]] = []

    async def all_is_well(pairs: int) -> bool:
        samples.append({"pairs": pairs, **_run(python, core, name, pairs)})
        return bool(samples[-1].get("delivered", 0.0) >= DELIVERED)

    pairs = await search(all_is_well, STEP, MOST)
    held = [sample for sample in samples if sample["pairs"] == pairs]
    return {
        "pairs": pairs,
        "us_per_frame": held[0]["us_per_frame"] if held else None,
        "delivery": _run(python, core, name, 0),
        "samples": samples,
    }


def _run(python: str, core: int, name: str, pairs: int) -> dict[str, Any]:
    """Run the script on one core; nothing of what it measures if it fails."""
    try:
        result = subprocess.run(
            [python, "-W", "ignore", str(SCRIPT), name, str(pairs), str(SECONDS)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        found: dict[str, Any] = json.loads(result.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return {}
    return found
