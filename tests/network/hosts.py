"""Two hosts with a network of our own between them.

Each host is a network namespace with a TUN device; this process carries the IP packets from one to
the other, and loses, delays and doubles them as a test wants. It does what `tc netem` does, and
needs no kernel module for it; it needs root, and `ip` from iproute2.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import random
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import pytest

TUNSETIFF = 0x400454CA
CLONE_NEWNET = 0x40000000
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
MAX_PACKET = 1 << 16


@dataclass
class Weather:
    """What the network does to a packet, each way.

    Attributes:
        delay: Of every packet, in s.
        jitter: Further delay of each packet by itself, uniform from 0 to this, in s; packets
            that follow each other closer overtake each other.
        loss: The share of packets that is lost.
        copies: The share of packets that come twice.
        udp: Whether UDP goes through: many an office lets only TCP out.
        down: Whether nothing goes through at all.
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    copies: float = 0.0
    udp: bool = True
    down: bool = False


class Network:
    """Carries packets between the two hosts while the event loop runs.

    Args:
        weather: What happens to them; may be changed at any time.
    """

    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self.carried = 0
        self.lost = 0
        self._random = random.Random(1)

    @contextmanager
    def carrying(self, one: int, other: int) -> Iterator[None]:
        """Carry packets from each of two TUN devices to the other."""
        loop = asyncio.get_running_loop()
        loop.add_reader(one, self._carry, loop, one, other)
        loop.add_reader(other, self._carry, loop, other, one)
        try:
            yield
        finally:
            self.weather = Weather(down=True)
            loop.remove_reader(one)
            loop.remove_reader(other)

    def _carry(self, loop: asyncio.AbstractEventLoop, source: int, target: int) -> None:
        packet = os.read(source, MAX_PACKET)
        weather, chance = self.weather, self._random.random
        if weather.down or chance() < weather.loss or (not weather.udp and _is_udp(packet)):
            self.lost += 1
            return
        for _ in range(1 + (chance() < weather.copies)):
            delay = weather.delay + weather.jitter * chance()
            loop.call_later(delay, self._deliver, target, packet)

    def _deliver(self, target: int, packet: bytes) -> None:
        if not self.weather.down:
            with suppress(OSError):  # a host without a network
                os.write(target, packet)
                self.carried += 1


def _is_udp(packet: bytes) -> bool:
    """By the protocol (RFC 791 section 3.1) or the next header (RFC 8200 section 3)."""
    return packet[9 if packet[0] >> 4 == 4 else 6] == socket.IPPROTO_UDP


@dataclass
class Hosts:
    """Two hosts.

    Attributes:
        addresses: The IPv4 address of each.
        network: What lies between them.
    """

    addresses: tuple[str, str]
    network: Network
    _names: tuple[str, str]

    async def run(self, host: int, *command: str) -> asyncio.subprocess.Process:
        """Start a command on one of them; its standard output is a pipe."""
        return await asyncio.create_subprocess_exec(
            *self.inside(host),
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )

    def inside(self, host: int) -> tuple[str, ...]:
        """What comes before a command, for it to run on one of them."""
        return ("ip", "netns", "exec", self._names[host])

    def call(self, host: int, port: int) -> socket.socket:
        """Connect to a port on 127.0.0.1 of a host."""
        libc = ctypes.CDLL(None, use_errno=True)
        connections: list[socket.socket] = []

        def work() -> None:
            with open(f"/run/netns/{self._names[host]}") as namespace:
                if libc.setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "this thread cannot go to a host")
            connections.append(socket.create_connection(("127.0.0.1", port), 10))

        # A namespace is that of a thread, and this one ends with what it is there for.
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return connections[0]

    def unplug(self, host: int) -> None:
        """Take its network from a host, and its address."""
        _ip("-n", self._names[host], "address", "flush", "dev", _device(host), "scope", "global")
        _ip("-n", self._names[host], "link", "set", _device(host), "down")

    def move(self, host: int, address: str) -> None:
        """Put a host into another network, with another address."""
        self.unplug(host)
        _ip("-n", self._names[host], "address", "add", f"{address}/24", "dev", _device(host))
        _ip("-n", self._names[host], "link", "set", _device(host), "up")


@contextmanager
def two_hosts(weather: Weather | None = None) -> Iterator[Hosts]:
    """Make the hosts and the network; skips the test where this machine does not allow it."""
    if shutil.which("ip") is None or os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        pytest.skip("network namespaces need root, iproute2 and /dev/net/tun")
    network = Network(weather or Weather())
    names = (f"fastrtc-{os.getpid()}-a", f"fastrtc-{os.getpid()}-b")
    addresses = ("10.213.7.1", "10.213.7.2")
    with ExitStack() as stack:
        devices = []
        for number, (name, address) in enumerate(zip(names, addresses, strict=True)):
            try:
                _ip("netns", "add", name)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"this machine makes no network namespaces: {error.stderr}")
            stack.callback(_ip, "netns", "del", name)
            device = _device(number)
            devices.append(_tun(device))
            stack.callback(os.close, devices[-1])
            _ip("link", "set", device, "netns", name)
            _ip("-n", name, "address", "add", f"{address}/24", "dev", device)
            _ip("-n", name, "link", "set", device, "up")
            _ip("-n", name, "link", "set", "lo", "up")
        stack.enter_context(network.carrying(*devices))
        yield Hosts(addresses, network, names)


def _device(host: int) -> str:
    return f"frtc{os.getpid() % 100000}{host}"


def _tun(name: str) -> int:
    """Open a new TUN device; it moves into a namespace and goes with its file."""
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError as error:
        os.close(file)
        pytest.skip(f"this machine makes no TUN devices: {error}")
    return file


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
