"""`run_handler`, as applications use it in their own tests."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fastrtc_core import (
    AdditionalOutputs,
    AsyncStreamHandler,
    AudioFrame,
    CloseReason,
    CloseStream,
    StreamHandler,
    get_current_context,
)
from fastrtc_core.testing import delay_of, fit_sine, run_handler, speech_like, tone
from fastrtc_handlers import Echo


def test_what_is_said_comes_back() -> None:
    """In the place where it was heard, with silence before and between."""
    spoken = speech_like(5.0)
    result = run_handler(Echo(), spoken)
    delay, correlation = delay_of(result.audio.data, spoken.data, 48000)
    assert correlation > 0.99
    assert 0 <= delay < 0.1
    assert result.audio.sample_rate == 48000
    assert result.close_reason is CloseReason.CLIENT
    assert (result.messages, result.outputs, result.errors) == ([], [], [])


class Late(AsyncStreamHandler):
    """Answers a message a second later, and ends the session."""

    async def receive(self, frame: AudioFrame) -> None: ...

    async def emit(self) -> Any:
        await asyncio.Event().wait()

    async def on_message(self, message: Any) -> None:
        await asyncio.sleep(1.0)
        self.publish(message, self.args, get_current_context().params)
        await self.say(tone(500, 0.5, 24000))
        self.say(self.farewell)

    async def farewell(self) -> CloseStream:
        return CloseStream("bye")

    def copy(self) -> Late:
        return Late()


def test_messages_inputs_and_the_end() -> None:
    """Everything that a client may give, and all that came of it."""
    result = run_handler(Late(), tail=10, messages=["hello"], args=[1], params={"name": "Ada"})
    assert [output.args for output in result.outputs] == [("hello", (1,), {"name": "Ada"})]
    assert result.close_reason is CloseReason.CLOSE_STREAM
    assert [message.data for message in result.messages if message.type == "end_stream"] == ["bye"]
    onset = int(np.flatnonzero(result.audio.data[0])[0]) / 24000
    assert onset == pytest.approx(1.0, abs=0.1)
    assert result.audio.duration == pytest.approx(1.5, abs=0.1)


class Broken(StreamHandler):
    """Works with every second frame."""

    def start_up(self) -> None:
        self.count = 0

    def receive(self, frame: AudioFrame) -> None:
        self.count += 1
        if self.count % 2:
            raise ValueError("private")

    def emit(self) -> Any:
        return tone(500, 0.02, 24000), AdditionalOutputs(1)

    def copy(self) -> Broken:
        return Broken()


def test_exceptions_fail_the_test() -> None:
    """Unless it says that it expects them."""
    with pytest.raises(AssertionError, match="failed in receive"):
        run_handler(Broken(), tone(500, 0.1), tail=0)
    result = run_handler(Broken(), tone(500, 0.1), tail=0.2, allow_errors=True, real_time=True)
    assert result.errors == [
        "The server failed in receive.",
        "The handler failed on 3 frames: The log of the server says why.",
    ]
    assert len(result.outputs) > 5
    assert fit_sine(result.audio.data[0, 480:4000], 500, 24000).snr > 20


async def test_not_on_an_event_loop() -> None:
    """The text says what to use there."""
    with pytest.raises(RuntimeError, match="connect"):
        run_handler(Echo())
