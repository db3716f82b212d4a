"""An error reaches the client, ends nothing, and loses no more than the frame that it is about."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from fastrtc_core import AudioFrame, HandlerError, send_warning
from fastrtc_core.testing import tone

from ..webrtc.support import eventually
from .agent import Agent
from .clients import Transport
from .server import serving

RATE = 24000


async def test_an_error_in_receive_loses_one_frame(
    transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    """The next is delivered; the log has one record, which names the session."""

    class Failing(Agent):
        async def receive(self, frame: AudioFrame) -> None:
            await super().receive(frame)
            if len(self.frames) == 2:
                raise ValueError("in receive")

    async with serving(Failing(), transport) as server:
        client = await server.connect()
        await client.speak(tone(500, 0.2, client.speaks_at))
        await eventually(lambda: len(client.agent.frames) >= 8)
        await client.is_told("error", "The server failed in receive.")
        records = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(records) == 1
        assert client.id in records[0].getMessage()


async def test_an_error_in_emit_loses_nothing_that_is_emitted_later(transport: Transport) -> None:
    """The text of a `HandlerError` is shown, and of any other exception a neutral sentence."""
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        client.agent.emits(HandlerError("No more credit."), ValueError("secret"))
        client.agent.emits(tone(1000, 0.2, RATE))
        await client.hears(0.18)
        await client.is_told("error", "No more credit.", "The server failed in emit.")


async def test_what_cannot_be_played_is_named(transport: Transport) -> None:
    """By shape and dtype, or by what it is; the next frame is played."""
    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        client.agent.emits(np.zeros(480, np.int16))
        client.agent.emits((RATE, np.zeros((480, 2), np.int16)))
        client.agent.emits((RATE, np.zeros(480, np.uint8)))
        client.agent.emits(tone(1000, 0.2, RATE))
        await client.hears(0.18)
        if transport.messages:
            await eventually(lambda: len(client.of_type("error")) == 3)
            bare, turned, unsigned = client.of_type("error")
            assert "expected (sample_rate, array)" in bare
            assert "(480, 2)" in turned
            assert "int16" in turned
            assert "uint8" in unsigned
        else:
            await client.is_told("error")


async def test_an_error_in_what_is_said_leaves_the_voice_to_the_next(transport: Transport) -> None:
    """The generator that fails is reported, and what waits behind it is said."""

    def fails() -> object:
        yield tone(500, 0.1, RATE)
        raise ValueError("no voice")

    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        failing = client.agent.say(fails)
        following = client.agent.say(tone(1000, 0.2, RATE))
        assert isinstance((await failing).error, ValueError)
        assert (await following).error is None
        await client.hears(0.28)
        await client.is_told("error", "The server failed in say.")


async def test_a_task_of_the_handler_that_fails_is_reported(transport: Transport) -> None:
    """It ends alone; a warning is no error."""

    class Busy(Agent):
        async def start_up(self) -> None:
            await super().start_up()
            self.create_task(self.fail())

        async def fail(self) -> None:
            send_warning("It may rain.")
            raise HandlerError("It rains.")

    async with serving(Busy(output_sample_rate=RATE), transport) as server:
        client = await server.connect()
        await client.is_told("error", "It rains.")
        await client.is_told("warning", "It may rain.")
        client.agent.emits(tone(1000, 0.1, RATE))
        await client.hears(0.08)
