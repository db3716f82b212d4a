"""What a member of this process says, encoded for the members on other servers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from ..frames import FRAME_DURATION
from ..media.libopus import OpusEncoder
from ..media.rtp import RtpPacket
from ..room.encoding import BIT_RATE
from ..room.mixing import FRAME_SIZE, SAMPLE_RATE
from ..tracks import AudioStream, Participant

LATE = 3 * FRAME_DURATION
"""By how many s a frame must come later than expected for silence to lie before it."""


async def encode_voice(
    participant: Participant, wanted: Callable[[], bool], send: Callable[[RtpPacket], None]
) -> None:
    """Encode a microphone until its participant leaves.

    Args:
        participant: Whose.
        wanted: Whether anybody would hear it; otherwise nothing is encoded.
        send: Takes the packets.
    """
    loop = asyncio.get_running_loop()
    encoder = OpusEncoder(SAMPLE_RATE, 1, application="lowdelay", bit_rate=BIT_RATE)
    source = secrets.randbits(32)
    number, timestamp, due = 0, 0, loop.time()
    async with AudioStream.from_participant(
        participant=participant, sample_rate=SAMPLE_RATE, num_channels=1
    ) as stream:
        async for event in stream:
            if not wanted():
                continue
            now = loop.time()
            if now - due > LATE:
                timestamp += round((now - due) / FRAME_DURATION) * FRAME_SIZE
                due = now
            payload = encoder.encode(event.frame.data)
            send(RtpPacket(0, number & 0xFFFF, timestamp & 0xFFFFFFFF, source, payload))
            number, timestamp, due = number + 1, timestamp + FRAME_SIZE, due + FRAME_DURATION
