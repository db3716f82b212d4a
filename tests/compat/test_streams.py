"""`Stream`, and what handlers of FastRTC rely on, over a real peer."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest
from pydantic import BaseModel

from fastrtc_core import ConfigurationError, UnknownSessionError
from fastrtc_core.client import Client
from fastrtc_core.compat import (
    AdditionalOutputs,
    AsyncStreamHandler,
    Stream,
    Warning,
    WebRTCError,
    get_current_context,
    wait_for_item,
)
from tests.webrtc.support import eventually, gone


class Service(AsyncStreamHandler):
    """As handlers for live services are written: their connection is open in `start_up`."""

    def __init__(self) -> None:
        super().__init__(input_sample_rate=16000)
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.connected = False
        self.failure: Exception | None = None

    def copy(self) -> Service:
        made = type(self)()
        made.failure = self.failure
        return made

    async def start_up(self) -> None:
        self.connected = True
        Warning("connected")
        if self.failure is not None:
            raise self.failure
        await asyncio.Event().wait()

    async def receive(self, frame: Any) -> None:
        if self.connected:
            self.queue.put_nowait(AdditionalOutputs(get_current_context().webrtc_id))

    async def emit(self) -> Any:
        return await wait_for_item(self.queue, 0.01)


def audio(handler: Any = None, **options: Any) -> Stream:
    return Stream(handler or Service(), modality="audio", **options)


def test_the_defaults_are_those_of_fastrtc() -> None:
    """Video, and one session whether the limit is left out or `None`."""
    assert Stream(lambda picture: picture).modality == "video"
    for limit in ("default", None, 1):
        assert audio(concurrency_limit=limit).concurrency_limit == 1
    assert audio(concurrency_limit=7).concurrency_limit == 7


def test_one_warning_says_what_to_do_instead() -> None:
    with pytest.warns(UserWarning, match="ignored") as caught:
        audio(rtp_params={"degradationPreference": "maintain-framerate"})
    [warning] = caught
    assert "Stream(rtp_params): ignored" in str(warning.message)
    assert "setParameters" in str(warning.message)
    assert warning.filename == __file__
    with pytest.warns(UserWarning, match="ignored") as caught:
        audio(ui_args={"send_input_on": "submit", "title": "T", "hide_title": True})
    [warning] = caught
    assert "ui_args(send_input_on)" in str(warning.message)
    assert warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audio(verbose=False, allow_extra_tracks=True, ui_args={"title": "T", "full_screen": False})
        stream = audio(ui_args={"pulse_color": "red", "icon": "x.svg", "variant": "textbox"})
    assert stream.ui_args == {"answer_color": "red", "icon": "x.svg", "text_box": True}


async def test_a_start_up_that_does_not_return_delays_nothing() -> None:
    """Nor does it warn the client that the server is still starting."""
    stream = audio()
    async with Client(stream.offer, webrtc_id="mine"):
        handler: Any = await eventually(lambda: stream.handlers.get("mine"))
        await eventually(lambda: handler.connected, within=1.0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        outputs = stream.output_stream("mine")
        handler.queue.put_nowait(AdditionalOutputs("said"))
        assert (await anext(outputs)).args == ("said",)
        assert loop.time() - began < 1.5
    await gone(stream)


async def test_an_error_in_start_up_leaves_the_session() -> None:
    """As in FastRTC; its text is shown."""
    handler = Service()
    handler.failure = WebRTCError("no key")
    stream = audio(handler)
    async with Client(stream.offer, webrtc_id="mine"):
        running = await eventually(lambda: stream.handlers.get("mine"))
        await asyncio.sleep(0.3)
        assert stream.handlers["mine"] is running
    await gone(stream)


class Derived(Service):
    async def start_up(self) -> None:
        self.before = self.connected
        await super().start_up()
        raise AssertionError("that of the base class has not returned")


async def test_super_start_up_is_waited_for() -> None:
    stream = audio(Derived())
    async with Client(stream.offer, webrtc_id="mine"):
        handler = await eventually(lambda: stream.handlers.get("mine"))
        await eventually(lambda: handler.connected)
        await asyncio.sleep(0.3)
        assert handler.before is False
    await gone(stream)


async def test_views_of_the_sessions() -> None:
    stream = audio()
    views = stream.handlers
    assert dict(views) == {}
    assert len(stream.connections) == 0
    async with Client(stream.offer, webrtc_id="mine"):
        handler = views["mine"]
        assert list(views) == ["mine"]
        assert stream.connections == {"mine": [handler]}
        stream.set_input("mine", 1, 2)
        await eventually(lambda: handler.args == (1, 2))
    await gone(stream)
    assert len(views) == 0
    with pytest.raises(KeyError):
        views["mine"]
    stream.set_input("mine", 3)  # in FastRTC, too, no error


async def test_outputs_may_be_asked_for_before_the_offer() -> None:
    stream = audio()

    async def first() -> Any:
        async for outputs in stream.output_stream("later"):
            return outputs.args

    waiting = asyncio.create_task(first())
    await asyncio.sleep(0.05)
    async with Client(stream.offer, webrtc_id="later"):
        stream.handlers["later"].publish("here")
        assert await asyncio.wait_for(waiting, 5) == ("here",)
    await gone(stream)
    stream.wait_for_output_stream = _nobody  # type: ignore[method-assign]
    with pytest.raises(UnknownSessionError):
        await anext(stream.output_stream("never"))


async def _nobody(webrtc_id: str, timeout: float = 0) -> Any:
    raise UnknownSessionError(webrtc_id)


class Body(BaseModel):
    sdp: str | None = None
    candidate: dict[str, Any] | None = None
    type: str
    webrtc_id: str


async def test_an_offer_may_be_a_model() -> None:
    """As routes of one's own get it."""
    stream = audio()

    async def offer(body: dict[str, Any]) -> dict[str, Any]:
        return await stream.offer(Body(**{"webrtc_id": "mine", **body}))

    async with Client(offer, webrtc_id="mine") as client:
        assert client.webrtc_id == "mine"
        assert "mine" in stream.handlers
    await gone(stream)


def test_fastphone_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="/telephone/incoming"):
        audio().fastphone(port=8000)


def test_outside_of_a_session_a_warning_is_nothing() -> None:
    Warning()


async def test_wait_for_item() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    assert await wait_for_item(queue, 0.01) is None
    queue.put_nowait(0)
    assert await wait_for_item(queue) == 0
