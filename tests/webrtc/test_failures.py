"""Senders outlive what they cannot send, and somebody hears of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastrtc_core import Stream
from fastrtc_core.client import Client
from fastrtc_core.media.libopus import OpusError
from fastrtc_core.testing import tone
from fastrtc_core.webrtc.failures import INTERVAL, Failures
from fastrtc_handlers import Echo

from .support import gone, hear, message_of_type, speak
from .test_contract import only_connection


@pytest.mark.virtual_clock
async def test_the_first_error_is_reported_at_once_and_the_rest_by_their_number() -> None:
    reports: list[tuple[str, str]] = []
    failures = Failures("sending video", lambda error, what: reports.append((str(error), what)))
    for number in range(31):
        failures.note(ValueError(f"error {number}"))
    assert reports == [("error 0", "sending video")]
    await asyncio.sleep(INTERVAL)
    failures.note(ValueError("error 31"))
    assert reports[1:] == [("error 31", "sending video (31 times)")]
    assert failures.count == 32
    await asyncio.sleep(INTERVAL)
    failures.note(ValueError("error 32"))
    assert reports[2:] == [("error 32", "sending video")]


@pytest.mark.parametrize("where", ["encoder", "transport"])
async def test_audio_goes_on_after_a_frame_that_cannot_be_sent(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told; what comes next is heard."""
    stream = Stream(Echo())
    failing = 3

    def fail(real: Any) -> Any:
        def work(*args: Any) -> Any:
            nonlocal failing
            if failing:
                failing -= 1
                raise OpusError("broken") if where == "encoder" else ValueError("broken")
            return real(*args)

        return work

    async with Client(stream.offer) as client:
        sender: Any = only_connection(stream).getSenders()[0]
        if where == "encoder":
            encoder = sender.track.encoder
            monkeypatch.setattr(encoder, "encode", fail(encoder.encode))
        else:
            monkeypatch.setattr(sender.transport, "_send_rtp", fail(sender.transport._send_rtp))
        assert client.audio_stream is not None
        await speak(client, tone(duration=0.4))
        assert await message_of_type(client, "error") == "The server failed in sending audio."
        await hear(client.audio_stream, 0.1)
        assert failing == 0
    await gone(stream)
