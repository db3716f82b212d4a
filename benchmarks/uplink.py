"""What Chromium sends of a 720p camera: how large its pictures are, and at which bit rate.

    python -m benchmarks.uplink [--lines idle,600,300,150] [--seconds 20] [--json FILE]

The browser is on a host of its own (a network namespace), whose line up is as narrow as is asked
for (`tc … tbf`). It needs root, iproute2, Playwright and a Chromium. Each line is measured with
transport-wide feedback, and with what was before it: aiortc's estimate (REMB), to which a client
gets that does not offer the feedback.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

SERVER = Path(__file__).parent / "servers" / "camera.py"
ADDRESSES = "10.213.9.1", "10.213.9.2"
"""Of the server, and of the browser."""

PORT = 8000

BURST = 4000
"""Bytes that a line lets through at once."""

QUEUE = 0.5
"""Time in s that a packet waits for its line at most; then it is lost."""

SECONDS = 20.0
INTERVAL = 0.5
"""Time in s between two looks."""

MOMENTS = (1.0, 5.0, 20.0)
"""Seconds after the connection of which the table tells."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)

CONNECT = """async ([offer, params, feedback]) => {
  const Peer = RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...options) { super(...options); window.peer = this; }
  };
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = () => ask({
    audio: true,
    video: { width: 1280, height: 720, frameRate: 30 },
  });
  const send = window.fetch;
  window.fetch = (url, options = {}) => {
    if (!feedback && String(url).includes("offer")) {
      const body = JSON.parse(options.body);
      const lines = body.sdp.split("\\r\\n");
      body.sdp = lines.filter((line) => !/transport-(cc|wide)/.test(line)).join("\\r\\n");
      options.body = JSON.stringify(body);
    }
    return send(url, options);
  };
  window.problems = [];
  window.connection = new Connection({ offer, modality: "audio-video", params });
  connection.addEventListener("error", ({ detail }) => problems.push(detail.message));
  if (!await connection.connect()) throw new Error(problems.join());
  return connection.webrtcId ?? connection.id ?? "";
}"""

LOOK = """async () => {
  const seen = { video: {}, audio: {}, way: {} };
  for (const report of (await peer.getStats()).values()) {
    if (report.type === "outbound-rtp") Object.assign(seen[report.kind], report);
    if (report.type === "remote-inbound-rtp")
      seen[report.kind].remote = { lost: report.packetsLost, roundTrip: report.roundTripTime };
    if (report.type === "candidate-pair" && report.nominated) seen.way = report;
  }
  return {
    time: performance.now() / 1000,
    width: seen.video.frameWidth ?? 0,
    height: seen.video.frameHeight ?? 0,
    fps: seen.video.framesPerSecond ?? 0,
    limited: seen.video.qualityLimitationReason,
    target: seen.video.targetBitrate ?? 0,
    bytes: seen.video.bytesSent ?? 0,
    available: seen.way.availableOutgoingBitrate ?? 0,
    roundTrip: seen.way.currentRoundTripTime ?? 0,
    lost: seen.video.remote?.lost ?? 0,
    lostAudio: seen.audio.remote?.lost ?? 0,
    sentAudio: seen.audio.packetsSent ?? 0,
  };
}"""


_counter = itertools.count()


class UnavailableError(Exception):
    """This machine cannot run it."""


def chromium() -> str:
    """A Chromium of this machine."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("FASTRTC_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        raise UnavailableError("there is no Chromium")
    return found


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Hosts(NamedTuple):
    """Two hosts with a line between them: what runs a command on each."""

    server: list[str]
    browser: list[str]


@contextmanager
def line(rate: int | None) -> Iterator[Hosts]:
    """Two hosts of their own, so that nobody else on this machine sees their addresses.

    Args:
        rate: Of the line from the browser to the server, in kb/s; `None` for one without a limit.
    """
    if os.geteuid() != 0 or shutil.which("tc") is None:
        raise UnavailableError("network namespaces need root and iproute2")
    number = f"{os.getpid() % 100_000}{next(_counter) % 100:02}"  # the kernel forgets names slowly
    names = f"fastrtc-camera-a{number}", f"fastrtc-camera-b{number}"
    devices = f"frtca{number}", f"frtcb{number}"
    with ExitStack() as stack:
        for name in names:
            _run("ip", "netns", "add", name)
            stack.callback(_run, "ip", "netns", "del", name)
        near = ["netns", names[0]]
        far = ["netns", names[1]]
        _run("ip", "link", "add", devices[0], *near, "type", "veth", "peer", devices[1], *far)
        hosts = Hosts(*(["ip", "netns", "exec", name] for name in names))
        for inside, device, address in zip(hosts, devices, ADDRESSES, strict=True):
            _run(*inside, "ip", "address", "add", f"{address}/24", "dev", device)
            _run(*inside, "ip", "link", "set", device, "up")
            _run(*inside, "ip", "link", "set", "lo", "up")
        if rate is not None:
            limits = "rate", f"{rate}kbit", "burst", f"{BURST}b", "latency", f"{QUEUE}s"
            _run(*hosts.browser, "tc", "qdisc", "add", "dev", devices[1], "root", "tbf", *limits)
        yield hosts


@contextmanager
def serving(inside: list[str], bit_rate: int | None, script: Path = SERVER) -> Iterator[str]:
    """The server; yields its URL.

    Args:
        inside: Runs a command on its host.
        bit_rate: That clients are asked to start with, in bit/s; 0 for none, `None` for the
            default.
        script: What serves.
    """
    arguments = [] if bit_rate is None else [str(bit_rate)]
    server = subprocess.Popen([*inside, sys.executable, str(script), str(PORT), *arguments])
    try:
        url = f"http://{ADDRESSES[0]}:{PORT}"
        probe = f"import urllib.request; urllib.request.urlopen('{url}', timeout=2)"
        deadline = time.monotonic() + 30
        while subprocess.run(
            [*inside, sys.executable, "-c", probe], capture_output=True
        ).returncode:
            if time.monotonic() > deadline:
                raise UnavailableError("the server did not start in time")
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def measure(
    rate: int | None,
    *,
    room: bool = False,
    feedback: bool = True,
    bit_rate: int | None = None,
    seconds: float = SECONDS,
) -> list[dict[str, Any]]:
    """What Chromium sends over a line, look by look from the moment at which it connects.

    Args:
        rate: Of the line, in kb/s.
        room: Whether it goes into a channel; else it is a session.
        feedback: Whether it offers transport-wide feedback.
        bit_rate: That it is asked to start with; see `serving`.
        seconds: For how long.
    """
    from playwright.sync_api import sync_playwright

    with ExitStack() as stack:
        hosts = stack.enter_context(line(rate))
        url = stack.enter_context(serving(hosts.server, bit_rate))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        program = folder / "browser"
        program.write_text(f'#!/bin/sh\nexec {" ".join(hosts.browser)} {chromium()} "$@"\n')
        program.chmod(0o755)
        playwright = stack.enter_context(sync_playwright())
        trusted = f"--unsafely-treat-insecure-origin-as-secure={url}"
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, trusted])
        stack.callback(browser.close)
        page = browser.new_context(permissions=["camera", "microphone"]).new_page()
        page.goto(url)
        page.wait_for_function("() => Boolean(window.Connection)")
        where = "/rtc" if room else "/call"
        params = {"channel": "camera", "uid": 1} if room else {}
        page.evaluate(CONNECT, [f"{where}/webrtc/offer", params, feedback])
        begun = time.monotonic()
        looks = [page.evaluate(LOOK)]
        while time.monotonic() < begun + seconds:
            page.wait_for_timeout(INTERVAL * 1000)
            looks.append(page.evaluate(LOOK))
        page.evaluate("connection.close()")
    return looks


class Way(NamedTuple):
    """One row of the table.

    Attributes:
        title: What is measured.
        room: Whether it goes into a channel.
        feedback: Whether the browser offers transport-wide feedback.
        bit_rate: See `serving`.
    """

    title: str
    room: bool = False
    feedback: bool = True
    bit_rate: int | None = None


WAYS = (
    Way("REMB", feedback=False, bit_rate=0),
    Way("session"),
    Way("room", room=True),
)


def summary(looks: list[dict[str, Any]]) -> dict[str, Any]:
    """What the table shows of one measurement."""
    begun = looks[0]["time"]

    def at(second: float) -> dict[str, Any]:
        return min(looks, key=lambda look: abs(look["time"] - begun - second))

    last = looks[-1]
    middle = at(min(5.0, (last["time"] - begun) / 2))
    sent = 8 * (last["bytes"] - middle["bytes"]) / (last["time"] - middle["time"])
    return {
        "sizes": [f"{at(second)['width']}×{at(second)['height']}" for second in MOMENTS],
        "target": [at(second)["target"] / 1e6 for second in MOMENTS],
        "sent": sent / 1e6,
        "round_trip": max(look["roundTrip"] for look in looks),
        "lost": last["lost"],
        "lost_audio": last["lostAudio"],
    }


def row(line_: str, title: str, found: dict[str, Any]) -> str:
    """One row, in Markdown."""
    cells = [
        line_,
        title,
        ", ".join(found["sizes"]),
        ", ".join(f"{target:.2g}" for target in found["target"]),
        f"{found['sent']:.2g}",
        f"{1000 * found['round_trip']:.0f}",
        f"{found['lost']} + {found['lost_audio']}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.uplink",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lines", default="idle,600,300,150", help="lines up, in kb/s")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument("--json", type=Path, help="write all looks to this file")
    options = parser.parse_args()
    moments = ", ".join(f"{second:g}" for second in MOMENTS)
    print(
        f"| line up | | pictures after {moments} s | target then (Mb/s) | sent from 5 s (Mb/s) "
        "| longest round trip (ms) | lost packets, video + audio |"
    )
    print("|" + " --- |" * 7)
    everything: dict[str, Any] = {}
    for name in options.lines.split(","):
        rate = None if name == "idle" else int(name)
        for title, room, feedback, bit_rate in WAYS:
            looks = measure(
                rate, room=room, feedback=feedback, bit_rate=bit_rate, seconds=options.seconds
            )
            everything[f"{name} {title}"] = looks
            label = "idle" if rate is None else f"{rate} kb/s"
            print(row(label, title, summary(looks)), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
