"""The codec floor: what no server that decodes and encodes can go below.

Per two-way 20 ms frame: SRTP off, Opus decode, Opus encode, SRTP on, in a tight loop without
sockets, event loop or handler; with the codec settings that our server uses.
"""

from __future__ import annotations

import os
import struct
import time

import pylibsrtp

from fastrtc_core import AudioOptions
from fastrtc_core.media.libopus import OpusDecoder, OpusEncoder

from .markers import RATE, script

FRAMES = 1500
ROUNDS = 5
_KEY = bytes(range(30))


def floor() -> float:
    """CPU time in ms for one second of one connection."""
    best = min(_one_round() for _ in range(ROUNDS))
    return round(50 * 1000 * best / FRAMES, 3)


def _one_round() -> float:
    options = AudioOptions()
    decoder = OpusDecoder(RATE, 1)
    encoder = OpusEncoder(
        RATE,
        1,
        application=options.application,
        bit_rate=options.bit_rate_for(1),
        complexity=options.complexity,
    )
    outside, inside, outgoing = (_session(i) for i in (True, False, True))
    packets = script().packets
    protected = [
        outside.protect(_header(number) + packets[number % len(packets)])
        for number in range(FRAMES)
    ]
    start = time.process_time()
    for number, packet in enumerate(protected):
        sound = decoder.decode(inside.unprotect(packet)[12:])
        outgoing.protect(_header(number) + encoder.encode(sound))
    return time.process_time() - start


def _session(outbound: bool) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy()
    policy.key = _KEY
    policy.ssrc_type = (
        pylibsrtp.Policy.SSRC_ANY_OUTBOUND if outbound else pylibsrtp.Policy.SSRC_ANY_INBOUND
    )
    return pylibsrtp.Session(policy)


def _header(number: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, number & 0xFFFF, number * 960, 1)


def on_core(core: int) -> float:
    """The floor on the core that the servers run on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return floor()
    finally:
        os.sched_setaffinity(0, before)
