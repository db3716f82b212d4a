"""Notes the RTP packets that come to a device, each with the time of the kernel.

    python -m benchmarks.sniffer DEVICE

It goes on until its standard input is closed, and then prints them as JSON: time in s, payload
type, SSRC, RTP timestamp, marker and bytes. A program that is late makes no packet look late.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys

_ALL = 0x0003
_IP, _UDP = 0x0800, 17
_SO_TIMESTAMPNS = 35
_TIME = struct.Struct("qq")


def main() -> None:
    """The command."""
    taken = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))
    taken.bind((sys.argv[1], _IP))
    taken.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    selector = selectors.DefaultSelector()
    selector.register(taken, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    packets: list[tuple[float, int, int, int, bool, int]] = []
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not taken:
                json.dump(packets, sys.stdout)
                return
            data, extra, _, address = taken.recvmsg(65_536, 256)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if (packet := _rtp(data)) is not None:
                seconds, nanoseconds = _TIME.unpack(extra[0][2])
                packets.append((seconds + nanoseconds / 1e9, *packet))


def _rtp(data: bytes) -> tuple[int, int, int, bool, int] | None:
    """Payload type, SSRC, timestamp, marker and bytes of an IPv4 packet that carries RTP."""
    header = 4 * (data[0] & 15)
    if data[9] != _UDP or len(data) < header + 20:
        return None
    first, second, _, timestamp, ssrc = struct.unpack_from("!BBHII", data, header + 8)
    if first >> 6 != 2 or 64 <= second & 127 < 96:  # STUN, DTLS, or RTCP (RFC 5761 section 4)
        return None
    return second & 127, ssrc, timestamp, bool(second & 128), len(data)


if __name__ == "__main__":
    main()
