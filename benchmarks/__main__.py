"""Run the benchmarks: `python -m benchmarks --peers ours,aiortc,fastrtc [--quick]`.

Servers run on the first core, one after the other; the load runs on the second.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import uvloop

from . import measures
from .peers import PEERS, Peer, UnavailableError, python_of, running
from .report import table

SCHEMA = 1


async def measure(url: str, pid: int, *, quick: bool) -> dict[str, Any]:
    """Everything of one server."""
    seconds = 4.0 if quick else 10.0
    alone = await measures.load(url, pid, 1, seconds)
    result: dict[str, Any] = {"alone": measures.as_json(alone)}
    result["freeze"] = await measures.freeze(url, pid)
    samples = await measures.capacity(url, pid, alone, seconds, most=24 if quick else 96)
    result["load"] = measures.as_json(samples)
    good = [s for s in samples if s.delivered >= 0.99 and s.p95 <= alone.p50 + 100]
    result["connections"] = max((s.connections for s in good), default=1)
    return result


def run(peer: Peer, environments: Path, *, quick: bool) -> dict[str, Any]:
    """Start one peer's server and measure it, or say why not."""
    try:
        python = python_of(peer, environments)
        with (
            running(peer, python, core=0) as (url, pid),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            return runner.run(measure(url, pid, quick=quick))
    except UnavailableError as error:
        return {"skipped": str(error)}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", default="ours,aiortc,fastrtc", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--quick", action="store_true", help="shorter, and up to 24 connections")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path.home() / ".cache" / "fastrtc-core-benchmarks",
        help="where the peers are installed",
    )
    options = parser.parse_args()
    os.sched_setaffinity(0, {1})
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "python": platform.python_version(),
        "aiortc": importlib.metadata.version("aiortc"),
        "peers": {},
    }
    for name in options.peers.split(","):
        print(f"measuring {name} …", flush=True)
        results["peers"][name] = run(PEERS[name], options.environments, quick=options.quick)
    print(table(results["peers"]))
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
