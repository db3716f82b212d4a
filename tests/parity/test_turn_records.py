"""A turn leaves a record, whatever carries its answer."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import tone

from ..webrtc.support import eventually
from .agent import Agent
from .clients import Transport
from .server import serving

RATE = 24000


@pytest.mark.parametrize("said", [True, False], ids=["said", "emitted"])
async def test_the_gap_goes_from_the_speech_to_the_sound(transport: Transport, said: bool) -> None:
    """The silence that was told, a stage, and the silence with which the answer begins."""
    lead = np.zeros((1, round(0.1 * RATE)), np.int16)
    answer = AudioFrame(RATE, np.hstack([lead, tone(500, 0.3, RATE).data]))
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        agent = client.agent
        turn = agent.take_turn(silence=0.4)
        with agent.stage("rag"):
            await asyncio.sleep(0.2)
        if said:
            agent.say(answer, turn=turn)
        else:
            agent.emits(answer)
        await client.hears(0.2)
        await eventually(lambda: agent.records)
        (record,) = agent.records
        stages = record.stages
        assert stages["silence"] == pytest.approx(0.4, abs=0.05)
        assert stages["rag"] == pytest.approx(0.2, abs=0.05)
        assert 0.09 < stages["lead"] < 0.2
        assert 0.69 < record.gap == sum(stages.values()) < 0.9
        assert (record.number, record.interrupted) == (1, False)
        await client.is_told("turn_record", record.as_message())
