"""The record of a turn over a real connection, whose client reports to the server."""

from __future__ import annotations

import pytest

from fastrtc_core import AudioFrame, Stream, TurnRecord
from fastrtc_core.client import Client
from fastrtc_core.testing import tone
from fastrtc_handlers import ReplyOnPause
from fastrtc_handlers.vad import EnergyVAD
from tests.webrtc.support import eventually, gone

records: list[TurnRecord] = []


class Noting(ReplyOnPause):
    async def on_turn(self, record: TurnRecord) -> None:
        records.append(record)


async def reply(audio: AudioFrame) -> AudioFrame:
    return tone(440, duration=2)


@pytest.mark.soak
@pytest.mark.real_time
async def test_the_way_to_the_client_is_a_stage() -> None:
    """Once a report of the client has told the round trip (RFC 3550 section 6.4.1)."""
    records.clear()
    stream = Stream(Noting(reply, model=EnergyVAD()))
    async with Client(stream.offer) as client:
        for number in (1, 2):
            await client.send({"command": "text", "text": "hello"})
            await eventually(lambda n=number: len(records) == n, within=10)  # type: ignore[misc]
    await gone(stream)
    first, second = records
    assert list(first.stages)[-1] == "lead"
    assert 0 < second.stages["play"] < 0.2
    assert second.gap == sum(second.stages.values())
