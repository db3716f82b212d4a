"""The peers: the echo server of each, and the environment it runs in."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .measures import Server
from .process import Process

SERVERS = Path(__file__).parent / "servers"
READY_TIMEOUT = 60.0
"""How long in s a server may take to start."""


@dataclass(frozen=True)
class Peer:
    """One system under test.

    Attributes:
        title: What it is called in reports.
        package: The package that it is, of which the version is told.
        server: Its echo server: a script that takes a port, and `--listen` to send nothing back.
        requirements: What its environment holds; none for the environment of this process.
        encodings: What its echo speaks over WebSockets, of `sockets.py`.
    """

    title: str
    package: str
    server: str
    requirements: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ()


OURS = "ours"

PEERS = {
    OURS: Peer("fastrtc-core", "fastrtc-core", "ours.py", encodings=("mulaw", "pcm16")),
    "fastrtc": Peer("FastRTC", "fastrtc", "fastrtc_echo.py", ("fastrtc",), ("mulaw",)),
    "aiortc": Peer("aiortc", "aiortc", "aiortc_echo.py"),
    "pipecat": Peer(
        "Pipecat",
        "pipecat-ai",
        "pipecat_echo.py",
        ("pipecat-ai[webrtc]", "fastapi", "uvicorn"),
    ),
}


class UnavailableError(Exception):
    """The environment of a peer cannot be made."""


def python_of(name: str, environments: Path) -> str:
    """The interpreter of a peer; makes its environment when it is not there.

    Raises:
        UnavailableError: If its packages cannot be installed.
    """
    return environment(name, PEERS[name].requirements, environments)


def environment(name: str, requirements: Sequence[str], environments: Path) -> str:
    """The interpreter of an environment, which is made when it is not there.

    Raises:
        UnavailableError: If its packages cannot be installed.
    """
    if not requirements:
        return sys.executable
    folder = environments / name
    python = folder / "bin" / "python"
    stamp = folder / "complete"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *requirements]
        result = subprocess.run(install, capture_output=True, text=True, check=False)
        if result.returncode:
            raise UnavailableError(result.stderr.strip().splitlines()[-1])
        stamp.touch()
    return str(python)


def version_of(package: str, python: str) -> str:
    """The version of a package, as an environment has it."""
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    result = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


@contextmanager
def running(peer: Peer, python: str, core: int, *options: str) -> Iterator[Server]:
    """Run the server of a peer on one core.

    Raises:
        UnavailableError: If it does not start.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [python, str(SERVERS / peer.server), str(port), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process)
        yield Server(url, Process(process.pid), tells_network=peer is PEERS[OURS])
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
