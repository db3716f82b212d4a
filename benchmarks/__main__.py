"""Measure this package beside its peers.

    python -m benchmarks --peers fastrtc,aiortc,pipecat [--quick] [--json FILE]
    python -m benchmarks --only channels

Servers run on the first core, one after the other; the load runs on the second. Each peer gets an
environment of its own, made on first use; one that cannot be installed is skipped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import uvloop

from . import channels, floor, measures, sockets, tracks, video
from .peers import (
    OURS,
    PEERS,
    UnavailableError,
    environment,
    python_of,
    running,
    version_of,
)
from .plots import all_plots
from .report import markdown, plain

DOCS = Path(__file__).parent.parent / "docs"
RESULTS = DOCS / "benchmarks" / "results.json"
PAGE = DOCS / "performance.md"
SERVER_CORE, LOAD_CORE = 0, 1
PARTS = ("peers", "websocket", "tracks", "channels", "video")
"""Of a run: the echo servers, tracks without a network, channels, filters of pictures."""

START, END = "<!-- figures -->", "<!-- end of figures -->"


async def measure(server: measures.Server, times: measures.Times) -> dict[str, Any]:
    """Everything of one echo server."""
    idle = await measures.cost(server, times, talk=False)
    footprint = await measures.footprint(server, times)
    alone = await measures.alone(server, times)
    return {
        "idle": idle,
        "footprint": footprint,
        "alone": alone,
        "freeze": await measures.freeze(server, times),
        "one_lost_packet": await measures.one_lost_packet(server, times),
        "loss": await measures.loss(server, times),
        "capacity": await measures.capacity(server, times, alone["p50"] or 0.0),
    }


def run(name: str, environments: Path, times: measures.Times) -> dict[str, Any]:
    """Start one peer's servers and measure them, or say why not."""
    peer = PEERS[name]
    try:
        python = python_of(name, environments)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            with running(peer, python, SERVER_CORE) as server:
                results = runner.run(measure(server, times))
            with running(peer, python, SERVER_CORE, "--listen") as server:
                results["listening"] = runner.run(measures.cost(server, times, talk=True))
        return {"version": version_of(peer.package, python), **results}
    except (UnavailableError, ConnectionError) as error:
        return {"skipped": str(error)}


def run_sockets(name: str, environments: Path, times: measures.Times) -> dict[str, Any]:
    """The same over WebSockets, in each encoding that the peer speaks."""
    peer = PEERS[name]
    try:
        python = python_of(name, environments)
        results: dict[str, Any] = {"version": version_of(peer.package, python)}
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for encoding in peer.encodings:
                with running(peer, python, SERVER_CORE) as server:
                    results[encoding] = runner.run(sockets.capacity(server, encoding, times))
        return results
    except (UnavailableError, ConnectionError) as error:
        return {"skipped": str(error)}


def measure_all(
    peers: list[str],
    environments: Path,
    times: measures.Times,
    parts: Collection[str] = PARTS,
) -> dict[str, Any]:
    """One run of all parts, or of some: ours first, then each peer."""
    os.sched_setaffinity(0, {LOAD_CORE})
    results: dict[str, Any] = {}
    if "peers" in parts:
        results |= {
            "python": platform.python_version(),
            "floor": floor.on_core(SERVER_CORE),
            "peers": {},
        }
        for name in (OURS, *peers):
            started = time.monotonic()
            print(f"measuring {PEERS[name].title} …", end=" ", flush=True)
            results["peers"][name] = run(name, environments, times)
            print(f"{time.monotonic() - started:.0f} s", flush=True)
    if "websocket" in parts:
        results["websocket"] = {}
        for name in (OURS, *peers):
            if PEERS[name].encodings:
                print(f"measuring {PEERS[name].title} over WebSockets …", flush=True)
                results["websocket"][name] = run_sockets(name, environments, times)
    if "tracks" in parts:
        results["tracks"] = asyncio.run(measure_tracks(environments))
    if "channels" in parts:
        print("measuring channels …", flush=True)
        results["channels"] = channels.run(SERVER_CORE, times)
    if "video" in parts:
        print("measuring video …", flush=True)
        results["video"] = video.run(environments, SERVER_CORE, times)
    return results


async def measure_tracks(environments: Path) -> dict[str, Any]:
    """Tracks without a network, ours and LiveKit's."""
    found: dict[str, Any] = {}
    for name, package, requirements in tracks.SDKS:
        print(f"measuring the tracks of {package} …", flush=True)
        try:
            python = environment(name, requirements, environments)
            version = version_of(package, python)
            found[name] = {"version": version, **await tracks.measure(name, python, SERVER_CORE)}
        except UnavailableError as error:
            found[name] = {"skipped": str(error)}
    return found


def write_docs(results: dict[str, Any]) -> None:
    """Put the results, their plots and their tables into the documentation.

    Parts that were not run stay as they are there.
    """
    if RESULTS.exists() and not set(PARTS) <= results.keys():
        results = json.loads(RESULTS.read_text()) | results
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    for name, svg in all_plots(results).items():
        (RESULTS.parent / name).write_text(svg)
    page = PAGE.read_text()
    before, rest = page.split(START)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{START}\n\n{markdown(results)}\n\n{END}{after}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    others = [name for name in PEERS if name != OURS]
    parser.add_argument(
        "--peers", default=",".join(others), help=f"to compare with, of {', '.join(others)}"
    )
    parser.add_argument(
        "--only", default=",".join(PARTS), help=f"parts to run, of {', '.join(PARTS)}"
    )
    parser.add_argument("--quick", action="store_true", help="shorter, and less exact")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--docs", action="store_true", help="renew docs/performance.md")
    parser.add_argument("--from", dest="source", type=Path, help="take results from this file")
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path.home() / ".cache" / "fastrtc-core-benchmarks",
        help="where the peers are installed",
    )
    options = parser.parse_args()
    names = [name for name in options.peers.split(",") if name and name != OURS]
    if unknown := set(names) - set(others):
        parser.error(f"unknown peers: {', '.join(sorted(unknown))}")
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    if options.source is not None:
        results = json.loads(options.source.read_text())
    else:
        times = measures.QUICK if options.quick else measures.Times()
        results = measure_all(names, options.environments, times, parts)
    print(plain(results))
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.docs:
        write_docs(results)


if __name__ == "__main__":
    main()
