"""RTP packets made by hand, sent over loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from fastrtc_core.media.rtp import build_packet
from fastrtc_core.sources import Block, RtpSource

LOOPBACK = "127.0.0.1"
PAYLOAD_TYPE = 97


def l24(data: NDArray[np.int16]) -> bytes:
    """Interleaved samples of 24 bits, the high byte first."""
    wide = np.ascontiguousarray(data.T).astype(">i4") << 16
    return wide.astype(">i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()  # 16 bits, and a zero


def l16(data: NDArray[np.int16]) -> bytes:
    """Interleaved samples of 16 bits, the high byte first."""
    return np.ascontiguousarray(data.T).astype(">i2").tobytes()


def packet(
    number: int, timestamp: int, payload: bytes, ssrc: int = 1, marker: bool = False
) -> bytes:
    """One packet, its numbers about to wrap."""
    return build_packet(
        PAYLOAD_TYPE, marker, 65500 + number, 2**32 - 1000 + timestamp, ssrc, b"", payload
    )


def free_port() -> int:
    """An even UDP port that is free, as RTP wants it."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
            if port % 2 == 0:
                return port


@contextmanager
def sender(host: str, port: int) -> Iterator[Callable[[bytes], None]]:
    """Sends packets on the loopback interface, multicast as well."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        address = socket.inet_aton(LOOPBACK)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, address)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)

        def send(data: bytes) -> None:
            sock.sendto(data, (host, port))

        yield send


class Receiver:
    """What a source receives."""

    def __init__(self, source: RtpSource) -> None:
        self.source = source
        self.blocks: list[Block] = []
        self._came = threading.Condition()
        source.set_callback(self._take)

    def _take(self, block: Block) -> None:
        with self._came:
            self.blocks.append(block)
            self._came.notify()

    def wait_until(self, end: int) -> None:
        """Wait for the block that ends at this sample, or later."""
        with self._came:
            assert self._came.wait_for(
                lambda: bool(self.blocks) and self.blocks[-1].end >= end, 10
            ), (len(self.blocks), self.blocks[-1:])

    def greet(self, send: Callable[[bytes], None], make: Callable[[int], bytes]) -> None:
        """Send the first packet until it is heard: nobody can tell when the receiver is open."""
        deadline = time.monotonic() + 10
        while not self.blocks:
            assert time.monotonic() < deadline, "nothing is received"
            send(make(0))
            time.sleep(0.02)
