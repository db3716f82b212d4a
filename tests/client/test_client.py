"""The headless client."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from fastrtc_core import (
    AudioFrame,
    ChannelClosedError,
    CloseReason,
    ConfigurationError,
    ConnectionFailedError,
    Context,
    DuplicateSessionError,
    ModalityError,
    Stream,
    get_current_context,
)
from fastrtc_core.client import Client
from fastrtc_core.testing import fit_sine, tone
from fastrtc_core.webrtc import peer
from fastrtc_handlers import Echo
from tests.webrtc.support import Silent, app_of, eventually, gone, hear, serving, speak


async def test_refusals_are_raised_as_the_errors_that_they_are() -> None:
    """Over HTTP and in process; nothing is left open."""
    stream = Stream(Silent())
    async with serving(app_of(stream)) as url:
        for target in (url, stream.offer):
            with pytest.raises(ModalityError, match="audio"):
                async with Client(target, modality="video"):
                    pass
            async with Client(target, modality=None, webrtc_id="taken"):
                with pytest.raises(DuplicateSessionError):
                    async with Client(target, modality=None, webrtc_id="taken"):
                        pass
            await gone(stream)


async def test_servers_that_are_none() -> None:
    """Nobody there, no stream there, and an answer that leads nowhere."""
    with pytest.raises(ConnectionFailedError, match="cannot be reached"):
        async with Client("http://127.0.0.1:9", modality=None):
            pass
    async with serving(FastAPI()) as url:
        with pytest.raises(ConnectionFailedError, match="404"):
            async with Client(url, modality=None):
                pass
    with pytest.raises(ConfigurationError):
        Client("http://127.0.0.1:9", modality="smell")  # type: ignore[arg-type]


async def test_an_answer_without_a_path_for_media(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is in the way."""
    monkeypatch.setattr(peer, "CONNECT_TIMEOUT", 0.3)
    stream = Stream(Silent())

    async def unreachable(body: dict[str, Any]) -> dict[str, Any]:
        answer = await stream.offer(body)
        lines = [x for x in answer["sdp"].splitlines() if not x.startswith("a=candidate")]
        # The client's own checks must fail as well.
        stream.close(answer["webrtc_id"])
        await gone(stream)
        return {**answer, "sdp": "\r\n".join(lines) + "\r\n"}

    with pytest.raises(ConnectionFailedError, match="TURN"):
        async with Client(unreachable, modality=None):
            pass


async def test_args_params_and_headers_reach_the_handler() -> None:
    """They are there before the first frame."""
    contexts: list[Context] = []

    class Curious(Silent):
        async def start_up(self) -> None:
            contexts.append(get_current_context())

    handler = Curious()
    stream = Stream(handler)
    async with (
        serving(app_of(stream)) as url,
        Client(url, modality=None, args=[1], params={"a": 2}, headers={"X-User": "eve"}) as client,
    ):
        await eventually(lambda: contexts)
        assert handler.only.args == (1,)
        assert contexts[0].params == {"a": 2}
        assert contexts[0].headers["x-user"] == "eve"
        await client.send_input("new")
        await eventually(lambda: handler.only.args == ("new",))
    await gone(stream)


async def test_a_question_for_the_inputs_is_answered() -> None:
    """A handler that forgets its arguments gets them again."""

    class Forgetful(Silent):
        async def start_up(self) -> None:
            self.reset()
            await self.wait_for_args()
            self.calls.append("got args")

    handler = Forgetful()
    stream = Stream(handler)
    async with Client(stream.offer, modality=None, args=["x"]):
        await eventually(lambda: "got args" in handler.only.calls)
    await gone(stream)


async def test_the_end_is_told_and_nothing_works_after_it() -> None:
    """Whichever side closes, messages end and sending raises."""
    stream = Stream(Silent())
    async with Client(stream.offer, modality=None) as client:
        assert client.webrtc_id is not None
        await client.send("the channel is open")
        stream.close(client.webrtc_id)
        assert await client.wait_closed() is CloseReason.CLOSED
        assert [m.type async for m in client.messages()] == ["closing"]
        with pytest.raises(ChannelClosedError):
            await client.send("late")
    await gone(stream)
    await client.aclose()


async def test_an_exception_in_the_body_closes_everything() -> None:
    """It arrives as it was raised, and the session is gone."""
    stream = Stream(Silent())
    with pytest.raises(ValueError, match="mine"):
        async with Client(stream.offer):
            raise ValueError("mine")
    await gone(stream)


@pytest.mark.parametrize("rate", [16000, 44100])
async def test_audio_at_the_rate_of_the_client(rate: int) -> None:
    """The client speaks and hears at its own rate, whatever the handler's."""
    stream = Stream(Echo(24000))
    async with Client(stream.offer, sample_rate=rate) as client:
        assert client.audio_stream is not None
        speaking = asyncio.create_task(speak(client, tone(700, 2.5, sample_rate=rate)))
        heard = await hear(client.audio_stream, 2.0)
        speaking.cancel()
        assert fit_sine(heard[0][rate:], 700, rate).snr > 30
    await gone(stream)


async def test_audio_that_does_not_fit_is_refused() -> None:
    """The source takes its own rate and layout."""
    stream = Stream(Echo())
    async with Client(stream.offer, stereo=True) as client:
        assert client.audio_source is not None
        with pytest.raises(ValueError, match="2 channel"):
            await client.audio_source.capture_frame(AudioFrame(48000, np.ones((1, 960), np.int16)))
    await gone(stream)
