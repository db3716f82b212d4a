"""Ports of each session's own, beside one port for all: CPU time, and how soon there is sound.

    python -m benchmarks.ports [--passes 3] [--counts 16,96] [--no-browser] [--json FILE]

Both are measured in turn, pass by pass, so that whatever else the machine does falls on both alike:
compare the ratios. The times until there is sound are those of a Chromium (needs Playwright).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import uvloop

from . import measures
from .peers import OURS, PEERS, running
from .uplink import FLAGS, chromium

SERVER_CORE, LOAD_CORE = 0, 1
KINDS: dict[str, tuple[str, ...]] = {"own": ("--own-ports",), "shared": ()}
CONNECTIONS = 10
"""Of the browser, in each pass."""

CONNECT = """async () => {
  const media = await navigator.mediaDevices.getUserMedia({ audio: true });
  const peer = new RTCPeerConnection();
  try {
    peer.addTrack(media.getAudioTracks()[0], media);
    peer.createDataChannel("text");
    const heard = new Promise((resolve) => {
      peer.ontrack = ({ track }) => (track.onunmute = () => resolve(performance.now()));
    });
    const connected = new Promise((resolve) => {
      peer.onconnectionstatechange = () => {
        if (peer.connectionState === "connected") resolve(performance.now());
      };
    });
    await peer.setLocalDescription();
    while (peer.iceGatheringState !== "complete")
      await new Promise((resolve) => setTimeout(resolve, 5));
    const id = Math.random().toString(36).slice(2);
    const body = { sdp: peer.localDescription.sdp, type: "offer", webrtc_id: id };
    const began = performance.now();
    const response = await fetch("/webrtc/offer", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    const answered = performance.now();
    await peer.setRemoteDescription(answer);
    const stands = await connected;
    return [answered - began, stands - answered, (await heard) - stands];
  } finally {
    peer.close();
    media.getTracks().forEach((track) => track.stop());
  }
}"""
STEPS = ("answer", "connected", "first packet")


async def loads(
    server: measures.Server, counts: Sequence[int], times: measures.Times
) -> dict[str, float]:
    """CPU time of a session that is idle, and of one among so many that talk."""
    found = {"idle, % of a core": await measures.cost(server, times, talk=False)}
    for count in counts:
        result = await measures.sample(server, count, times)
        if "cpu" in result:
            found[f"CPU at {count}, ms/s"] = result["cpu"]
            found[f"delivered at {count}"] = result["delivered"]
            found[f"latency p50 at {count}, ms"] = result["p50"] or float("nan")
            found[f"latency p95 at {count}, ms"] = result["p95"] or float("nan")
    return found


async def browse(url: str) -> list[list[float]]:
    """How long in ms each step of some connections of a browser takes."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        page = await browser.new_page()
        await page.goto(f"{url}/openapi.json")
        steps = [await page.evaluate(CONNECT) for _ in range(CONNECTIONS + 1)]
        await browser.close()
    return steps[1:]  # the first one warms up


def measure(
    passes: int, counts: Sequence[int], times: measures.Times, *, browser: bool
) -> dict[str, dict[str, list[float]]]:
    """Everything of both kinds, each pass in the other order."""
    os.sched_setaffinity(0, {LOAD_CORE})
    found: dict[str, dict[str, list[float]]] = {kind: defaultdict(list) for kind in KINDS}
    for turn in range(passes):
        for kind in list(KINDS)[:: 1 if turn % 2 == 0 else -1]:
            print(f"pass {turn + 1}: {kind} …", file=sys.stderr, flush=True)
            with (
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
                running(PEERS[OURS], sys.executable, SERVER_CORE, *KINDS[kind]) as server,
            ):
                for name, value in runner.run(loads(server, counts, times)).items():
                    found[kind][name].append(value)
                if browser:
                    for steps in asyncio.run(browse(server.url)):
                        for name, value in zip(STEPS, steps, strict=True):
                            found[kind][f"Chromium: {name}, ms"].append(value)
    return found


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """The medians, and their ratio."""
    lines = [f"{'':28} {'own':>9} {'shared':>9} {'ratio':>7}"]
    for name in found["own"]:
        own, shared = (statistics.median(found[kind][name]) for kind in KINDS)
        ratio = shared / own if own else float("nan")
        lines.append(f"{name:28} {own:9.3f} {shared:9.3f} {ratio:7.2f}")
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ports",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--counts", default="16,96", help="sessions at once, for the CPU time")
    parser.add_argument("--no-browser", action="store_true", help="leave the browser out")
    parser.add_argument("--quick", action="store_true", help="shorter, and less exact")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    options = parser.parse_args()
    counts = [int(count) for count in options.counts.split(",") if count]
    times = measures.QUICK if options.quick else measures.Times()
    found = measure(options.passes, counts, times, browser=not options.no_browser)
    print(table(found))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
