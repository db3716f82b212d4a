"""Whatever form `emit` gives it, what is emitted arrives: all of it, once, and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastrtc_core import AdditionalOutputs, AudioFrame, CloseReason, CloseStream
from fastrtc_core.testing import tone

from ..webrtc.support import eventually, gone
from .agent import Agent
from .clients import Client, Transport
from .meters import LOUD, pieces, purity
from .server import Server, serving

pytestmark = pytest.mark.sound

RATE = 24000
LEAD = 7200
"""Samples that go before, in which codecs settle."""

PIECE = 960
"""Samples of each form: 40 ms."""

Row = NDArray[np.int16]

FORMS: dict[str, Callable[[Row], Any]] = {
    "a frame": lambda row: AudioFrame(RATE, row[None]),
    "a tuple": lambda row: (RATE, row),
    "one row": lambda row: (RATE, row[None]),
    "two rows": lambda row: (RATE, np.stack([row, row])),
    "mono by name": lambda row: (RATE, row, "mono"),
    "interleaved": lambda row: (RATE, np.repeat(row, 2)[None], "stereo"),
    "int32": lambda row: (RATE, row.astype(np.int32) << 16),
    "float32": lambda row: (RATE, (row / 32768).astype(np.float32)),
    "float64": lambda row: (RATE, row / 32768),
    "with outputs": lambda row: ((RATE, row), AdditionalOutputs("with")),
    "outputs, then nothing, then sound": lambda row: [
        AdditionalOutputs("alone"),
        None,
        (RATE, row),
    ],
}


async def test_every_form_is_heard_as_the_sound_that_it_is(transport: Transport) -> None:
    """One sine, each piece of it in another form, is heard as one sine; outputs come in order."""
    sound = tone(1000, (LEAD + PIECE * len(FORMS)) / RATE, RATE)
    lead, *rows = pieces(sound, [LEAD] + [PIECE] * (len(FORMS) - 1))
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        outputs = server.stream.output_stream(client.id)
        client.agent.emits((RATE, lead))
        for form, row in zip(FORMS.values(), rows, strict=True):
            emitted = form(row[0])
            client.agent.emits(*(emitted if isinstance(emitted, list) else [emitted]))
        await client.hears(sound.duration - 0.02)
        assert [(await anext(outputs)).args for _ in range(2)] == [("with",), ("alone",)]
        assert (await server.stream.fetch_latest_output(client.id)).args == ("alone",)
        await client.is_told("fetch_output", [], [])
        await client.is_told("error")
        assert client.has_heard(sound.duration)
        if not client.disturbed:
            assert purity(client.heard(), 1000, sound.duration) > transport.snr


async def test_pieces_of_any_length_come_out_complete(transport: Transport) -> None:
    """From one sample to more than the playout holds: one sine all the while."""
    longest = round((0.5 if transport.on_network else 5.0) * RATE)
    lengths = [LEAD, *[1] * 50, 7, 160, 479, 481, 5000, longest, 1, 959]
    sound = tone(1000, sum(lengths) / RATE, RATE)
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        client.agent.emits(*((RATE, piece) for piece in pieces(sound, lengths[:-1])))
        await client.hears(sound.duration - 0.02)
        await asyncio.sleep(0.1)
        assert client.has_heard(sound.duration)
        if not client.disturbed:
            assert purity(client.heard(), 1000, sound.duration) > transport.snr


async def test_nothing_is_sent_while_there_is_nothing_to_say(transport: Transport) -> None:
    """`None` is silence of any length; what comes after it is heard from its first sample."""
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        client.agent.emits(*[None] * 5)
        await asyncio.sleep(0.15)
        assert client.heard().samples_per_channel == 0
        for _ in range(2):
            client.agent.emits(tone(1000, 0.2, RATE))
            await asyncio.sleep(0.3)
        await client.hears(0.38)
        assert client.has_heard(0.4, sounds=2)


async def test_the_last_sample_of_a_sound_arrives(transport: Transport) -> None:
    """However it is converted on its way, and though nothing follows that would push it out."""
    silence = np.zeros(RATE // 10, np.int16)
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        for _ in range(2):
            silence[-8:] = 16000
            client.agent.emits((RATE, silence))
            await asyncio.sleep(0.25)
        clicks = np.flatnonzero(np.abs(client.heard().data[0]) > LOUD)
        if transport.name != "webrtc":
            # Opus hands out the last 6.5 ms with the packet that follows (RFC 6716 section 2).
            assert clicks[-1] - clicks[0] > 0.09 * client.hears_at


@pytest.mark.parametrize("form", ["alone", "with a frame", "said"])
async def test_close_stream_ends_after_the_last_sample(transport: Transport, form: str) -> None:
    """All of it is heard, the client gets the text, and the reason is told."""
    sound, end = tone(1000, 0.31, RATE), CloseStream("That is all.")
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        if form == "alone":
            client.agent.emits(sound, end)
        elif form == "with a frame":
            client.agent.emits((sound, end))
        else:
            client.agent.say([sound, end])
        await heard_to_the_end(server, client, 0.31)
        await client.is_told("end_stream", "That is all.")
        assert server.ended == [CloseReason.CLOSE_STREAM]


async def heard_to_the_end(server: Server, client: Client, duration: float) -> None:
    """Wait for the end of a session, by when so much must have been heard."""
    await asyncio.wait_for(client.ended(), 5)
    await gone(server.stream)
    await eventually(lambda: client.agent.calls[-1] == "shutdown")
    assert client.has_heard(duration)
