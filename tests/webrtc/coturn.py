"""A real coturn, with TLS, in a folder of its own."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from fastrtc_core import coturn_credentials

from ..stream.nginx import make_certificate
from .turn_server import own_address

SECRET = "what both of them know"
START_TIMEOUT = 20.0  # s

Way = Literal["udp", "tcp", "tls"]
"""How a client reaches it."""


def find_coturn() -> str | None:
    """The program."""
    return shutil.which("turnserver")


class Coturn:
    """One coturn.

    Args:
        folder: An empty folder.
        options: Further options of its command line.

    Attributes:
        host: Its address, and that of its relays.
        certificate: What makes its certificate a good one.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.host = own_address()
        self.certificate = folder / "certificate.pem"
        make_certificate(folder, self.host)
        self._folder = folder
        self._ports = [_free_port(self.host) for _ in range(2)]
        self._options = options
        self.start()

    def start(self) -> None:
        """Run it, on the same ports as before, and wait until it answers."""
        program = find_coturn()
        assert program is not None
        plain, tls = map(str, self._ports)
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    *("-n", "-v", "--no-cli", "--no-dtls", "--allow-loopback-peers"),
                    *("--listening-ip", self.host, "--relay-ip", self.host),
                    *("--listening-port", plain, "--tls-listening-port", tls),
                    *("--cert", str(self.certificate), "--pkey", str(self._folder / "key.pem")),
                    *("--use-auth-secret", "--static-auth-secret", SECRET, "--realm", "test"),
                    *("--pidfile", str(self._folder / "pid"), "--log-file", "stdout"),
                    *("--userdb", str(self._folder / "turndb"), "--simple-log"),
                    *self._options,
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not all(_listens(self.host, port) for port in self._ports):
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """End it without a word to its clients."""
        self._process.kill()
        self._process.wait()

    @property
    def log(self) -> Path:
        """What it says."""
        return self._folder / "log"

    def count(self, pattern: str) -> int:
        """How often its log says something."""
        return len(re.findall(pattern, self.log.read_text()))

    def url(self, way: Way = "udp") -> str:
        """Its URL for a way to it."""
        plain, tls = self._ports
        if way == "tls":
            return f"turns:{self.host}:{tls}?transport=tcp"
        return f"turn:{self.host}:{plain}?transport={way}"

    def credentials(self, *ways: Way, ttl: float = 60) -> dict[str, Any]:
        """Its description, with fresh credentials."""
        urls = [self.url(way) for way in ways or ("udp",)]
        return coturn_credentials(SECRET, urls, user="test", ttl=ttl)

    def configuration(self, *ways: Way) -> dict[str, Any]:
        """An `RTCConfiguration` with which nothing but its relays is used."""
        return {"iceServers": [self.credentials(*ways)], "iceTransportPolicy": "relay"}


@contextmanager
def running_coturn(folder: Path, *options: str) -> Iterator[Coturn]:
    """Run one."""
    server = Coturn(folder, *options)
    try:
        yield server
    finally:
        server.stop()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0
