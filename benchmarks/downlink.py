"""What a line that becomes narrow, and wide again, does to the pictures and the sound of a server.

    python -m benchmarks.downlink [--servers ours,aiortc] [--json FILE]

The receiver is Chromium, on a host of its own (a network namespace); the line of the server to it
is as wide as is asked for (`tc … tbf`). What comes is noted where it comes in, with the time of the
kernel. It needs root, iproute2, Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from .statistics import finite, percentile
from .uplink import BURST, FLAGS, QUEUE, UnavailableError, chromium, line, serving

SERVERS = {
    "ours": Path(__file__).parent / "servers" / "show_ours.py",
    "aiortc": Path(__file__).parent / "servers" / "show_aiortc.py",
}

WIDE, NARROW = 2000, 500
"""Of the line, in kb/s."""

BEFORE, DURING, AFTER = 12.0, 15.0, 15.0
"""For how long in s it is wide, narrow, and wide again."""

CONNECT = """async () => {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  window.pc = pc;
  pc.ontrack = ({ track }) => {
    const shown = new MediaStream([track]);
    if (track.kind === "video") document.querySelector("video").srcObject = shown;
  };
  pc.addTransceiver("audio", { direction: "recvonly" });
  pc.addTransceiver("video", { direction: "recvonly" });
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== "complete") await new Promise((done) => setTimeout(done, 20));
  const { sdp, type } = pc.localDescription;
  const response = await fetch("/webrtc/offer", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sdp, type, webrtc_id: Math.random().toString(36).slice(2) }),
  });
  const answer = await response.json();
  await pc.setRemoteDescription(answer);
  return answer.sdp;
}"""


class Packet(NamedTuple):
    """One that came.

    Attributes:
        time: In s.
        payload_type: Of its codec.
        ssrc: Of its source.
        timestamp: Of its clock.
        marker: Whether it ends its picture.
        size: Its bytes, with all headers.
    """

    time: float
    payload_type: int
    ssrc: int
    timestamp: int
    marker: bool
    size: int


class Came(NamedTuple):
    """What came over one line.

    Attributes:
        audio, video: Packets, but for those that were sent again.
        narrow, wide: When the line became narrow, and wide again, in s.
        end: When it was over.
    """

    audio: list[Packet]
    video: list[Packet]
    narrow: float
    wide: float
    end: float

    def late(self, begin: float, end: float) -> list[float]:
        """By how much each packet of sound came later than the one that came soonest, in s."""
        first = self.audio[0].timestamp
        delays = [
            (p.time, p.time - ((p.timestamp - first) % (1 << 32)) / 48_000) for p in self.audio
        ]
        least = min(delay for _, delay in delays)
        return [delay - least for time, delay in delays if begin <= time < end]

    def fps(self, begin: float, end: float) -> float:
        """Pictures a second whose last packet came."""
        return len(self._pictures(begin, end)) / (end - begin)

    def longest_gap(self, begin: float, end: float) -> float:
        """Between two of them, in s."""
        times = [begin, *self._pictures(begin, end), end]
        return max(b - a for a, b in pairwise(times))

    def bit_rate(self, begin: float, end: float) -> float:
        """Of the pictures, in bit/s."""
        return 8 * sum(p.size for p in self.video if begin <= p.time < end) / (end - begin)

    def _pictures(self, begin: float, end: float) -> list[float]:
        return [p.time for p in self.video if p.marker and begin <= p.time < end]

    def full_after(self, begin: float, share: float = 0.8) -> float:
        """Seconds from a time until a second has so much of the bit rate that it was before."""
        usual = self.bit_rate(self.narrow - 5, self.narrow)
        for tenth in range(int(10 * (self.end - begin - 1))):
            if self.bit_rate(begin + tenth / 10, begin + tenth / 10 + 1) >= share * usual:
                return tenth / 10 + 1
        return float("inf")


@contextmanager
def noting(inside: list[str], device: str) -> Iterator[subprocess.Popen[str]]:
    """Note what comes to a device; see `sniffer`."""
    process = subprocess.Popen(
        [*inside, sys.executable, "-m", "benchmarks.sniffer", device],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()


def measure(
    server: str, before: float = BEFORE, during: float = DURING, after: float = AFTER
) -> Came:
    """Watch a server over the line.

    Args:
        server: One of `SERVERS`.
        before: For how long in s the line is wide.
        during: For how long it is narrow.
        after: For how long it is wide again.
    """
    from playwright.sync_api import sync_playwright

    with ExitStack() as stack:
        hosts = stack.enter_context(line(None))
        devices = stack.enter_context(_limited(hosts.server, hosts.browser))
        url = stack.enter_context(serving(hosts.server, None, SERVERS[server]))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        program = folder / "browser"
        program.write_text(f'#!/bin/sh\nexec {" ".join(hosts.browser)} {chromium()} "$@"\n')
        program.chmod(0o755)
        playwright = stack.enter_context(sync_playwright())
        flags = [*FLAGS, "--disable-features=WebRtcHideLocalIpsWithMdns"]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        stack.callback(browser.close)
        page = browser.new_page()
        page.goto(url)
        noted = stack.enter_context(noting(hosts.browser, devices[1]))
        sdp = page.evaluate(CONNECT)
        page.wait_for_timeout(before * 1000)
        narrow = time.time()
        _limit(hosts.server, devices[0], NARROW, "change")
        page.wait_for_timeout(during * 1000)
        wide = time.time()
        _limit(hosts.server, devices[0], WIDE, "change")
        page.wait_for_timeout(after * 1000)
        end = time.time()
        packets = [Packet(*packet) for packet in json.loads(noted.communicate("")[0])]
    kinds = {kind: _payload_types(sdp, kind) for kind in ("audio", "video")}
    audio, video = ([p for p in packets if p.payload_type in kinds[k]] for k in kinds)
    if not audio or not video:
        raise UnavailableError("nothing came")
    return Came(audio, video, narrow, wide, end)


def _payload_types(sdp: str, kind: str) -> set[int]:
    """Those of a medium in an answer, but for what is sent again."""
    section = sdp[sdp.index(f"m={kind}") :]
    section = section[: section.find("\nm=", 1)] if "\nm=" in section[1:] else section
    return {
        int(number)
        for number, name in re.findall(r"a=rtpmap:(\d+) (\w+)", section)
        if name != "rtx"
    }


@contextmanager
def _limited(server: list[str], browser: list[str]) -> Iterator[tuple[str, str]]:
    """Limit the line of the server; yields the names of the devices of both hosts."""
    devices = _device(server), _device(browser)
    _limit(server, devices[0], WIDE, "add")
    yield devices


def _device(inside: list[str]) -> str:
    command = [*inside, "ip", "-o", "link"]
    links = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names: list[str] = re.findall(r"^\d+: ([^@:]+)", links, re.M)
    return next(name for name in names if name != "lo")


def _limit(inside: list[str], device: str, rate: int, verb: str) -> None:
    limits = "rate", f"{rate}kbit", "burst", f"{BURST}b", "latency", f"{QUEUE}s"
    command = [*inside, "tc", "qdisc", verb, "dev", device, "root", "tbf", *limits]
    subprocess.run(command, check=True, capture_output=True)


def summary(came: Came) -> dict[str, Any]:
    """What the table shows."""
    usual = came.narrow - 8
    return {
        "audio_p50": finite(1000 * percentile(came.late(usual, came.end), 50)),
        "audio_p95": finite(1000 * percentile(came.late(usual, came.end), 95)),
        "audio_p95_narrow": finite(1000 * percentile(came.late(came.narrow + 3, came.wide), 95)),
        "audio_longest": finite(1000 * max(came.late(usual, came.end))),
        "fps_narrow": finite(came.fps(came.narrow + 3, came.wide)),
        "gap_narrow": finite(1000 * came.longest_gap(came.narrow + 3, came.wide)),
        "mbps_before": finite(came.bit_rate(came.narrow - 5, came.narrow) / 1e6),
        "mbps_narrow": finite(came.bit_rate(came.narrow + 3, came.wide) / 1e6),
        "mbps_after": finite(came.bit_rate(came.end - 5, came.end) / 1e6),
        "full_after": finite(came.full_after(came.wide)),
    }


COLUMNS = {
    "audio_p50": "sound p50 (ms)",
    "audio_p95": "p95 (ms)",
    "audio_p95_narrow": "p95, narrow (ms)",
    "audio_longest": "longest (ms)",
    "fps_narrow": "pictures/s, narrow",
    "gap_narrow": "longest gap (ms)",
    "mbps_before": "Mb/s before",
    "mbps_narrow": "narrow",
    "mbps_after": "after",
    "full_after": "80 % after (s)",
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.downlink",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--servers", default="ours,aiortc", help="which ones")
    parser.add_argument("--json", type=Path, help="write what was found to this file")
    options = parser.parse_args()
    print("| | " + " | ".join(COLUMNS.values()) + " |")
    print("|" + " --- |" * (1 + len(COLUMNS)))
    found: dict[str, Any] = {}
    for server in options.servers.split(","):
        found[server] = summary(measure(server))
        cells = [
            "–" if found[server][key] is None else f"{found[server][key]:g}" for key in COLUMNS
        ]
        print(f"| {server} | " + " | ".join(cells) + " |", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
