"""The peers: the echo server of each, and the environment it runs in."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVERS = Path(__file__).parent / "servers"
READY_TIMEOUT = 60.0
"""How long in s a server may take to start."""


@dataclass(frozen=True)
class Peer:
    """One system under test.

    Attributes:
        name: What it is called in results.
        server: Its echo server, a script that takes a port.
        requirements: What its environment holds; none for the environment of this process.
    """

    name: str
    server: str
    requirements: tuple[str, ...] = ()


PEERS = {
    peer.name: peer
    for peer in (
        Peer("ours", "ours.py"),
        Peer("aiortc", "aiortc_echo.py"),
        Peer("fastrtc", "fastrtc_echo.py", ("fastrtc",)),
    )
}


class UnavailableError(Exception):
    """The environment of a peer cannot be made."""


def python_of(peer: Peer, environments: Path) -> str:
    """The interpreter of a peer; makes its environment when it is not there.

    Raises:
        UnavailableError: If its packages cannot be installed.
    """
    if not peer.requirements:
        return sys.executable
    folder = environments / peer.name
    python = folder / "bin" / "python"
    stamp = folder / "complete"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *peer.requirements]
        result = subprocess.run(install, capture_output=True, text=True, check=False)
        if result.returncode:
            raise UnavailableError(result.stderr.strip().splitlines()[-1])
        stamp.touch()
    return str(python)


@contextmanager
def running(peer: Peer, python: str, core: int) -> Iterator[tuple[str, int]]:
    """Run the server of a peer on one core; yields its URL and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [python, str(SERVERS / peer.server), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process)
        yield url, process.pid
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise UnavailableError(f"its server ended with status {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise UnavailableError("its server did not start in time")
