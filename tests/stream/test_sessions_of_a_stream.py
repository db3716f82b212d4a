"""What an application asks a stream about its sessions, and how a stream is set up."""

from __future__ import annotations

import asyncio
import builtins
import sys
from typing import Any

import numpy as np
import pytest

from fastrtc_core import (
    AdditionalOutputs,
    AsyncStreamHandler,
    ConfigurationError,
    Stream,
)
from fastrtc_core.client import Client
from fastrtc_core.testing import tone
from tests.webrtc.support import Silent, eventually, gone, speak


async def test_inputs_and_outputs_of_a_live_session() -> None:
    """`set_input` from another thread, outputs streamed in order until the session ends."""
    handler = Silent()
    stream = Stream(handler)
    got: list[Any] = []
    async with Client(stream.offer) as client:
        assert client.webrtc_id is not None
        with pytest.raises(TimeoutError, match="nothing within 0 s"):
            await stream.fetch_latest_output(client.webrtc_id, timeout=0)
        outputs = stream.output_stream(client.webrtc_id)

        async def collect() -> None:
            async for output in outputs:
                got.append(output.args)

        collecting = asyncio.create_task(collect())
        await asyncio.to_thread(stream.set_input, client.webrtc_id, 1, "two")
        copy = handler.only
        await copy.wait_for_args()
        assert copy.args == (1, "two")
        for number in range(3):
            copy.to_emit.put_nowait(AdditionalOutputs(number))
        await eventually(lambda: len(got) == 3)
        assert (await stream.fetch_latest_output(client.webrtc_id)).args == (2,)
    await collecting
    await gone(stream)
    assert got == [(0,), (1,), (2,)]


async def test_what_the_network_did_to_a_session() -> None:
    """Packets are counted while they come in; a session of messages has none."""
    stream = Stream(Silent())
    async with Client(stream.offer) as client:
        assert client.webrtc_id is not None
        speaking = asyncio.create_task(speak(client, tone(duration=2)))
        network = stream.network_statistics(client.webrtc_id)
        assert network is not None
        await eventually(lambda: network.received > 20)
        assert network.lost == network.late == network.duplicated == 0
        speaking.cancel()
    async with Client(stream.offer, modality=None) as client:
        assert client.webrtc_id is not None
        assert stream.network_statistics(client.webrtc_id) is None
    await gone(stream)


class NoEmit(AsyncStreamHandler):
    """A handler of audio alone."""

    async def receive(self, frame: Any) -> None: ...
    async def emit(self) -> None: ...
    def copy(self) -> NoEmit:
        return NoEmit()


def generator() -> Any:
    yield 24000, np.zeros(480, np.int16)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"modality": "smell"}, "modality must be one of"),
        ({"mode": "both"}, "mode must be one of"),
        ({"concurrency_limit": 0}, "at least 1"),
        ({"concurrency_limit": "many"}, "at least 1"),
        ({"time_limit": 0}, "positive"),
        ({"udp_port_range": (2, 1)}, "udp_port_range"),
        ({"udp_port_range": (0, 70000)}, "udp_port_range"),
        ({"handler": NoEmit}, "instance"),
        ({"handler": 5}, "handler"),
        ({"modality": "video"}, "video_receive"),
        ({"modality": "audio-video"}, "video"),
        ({"handler": generator}, "receive"),
        ({"handler": len, "mode": "receive"}, "generator"),
        ({"handler": lambda f: f, "modality": "audio-video"}, "class"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_built(arguments: Any, words: str) -> None:
    """The error says what to change."""
    with pytest.raises(ConfigurationError, match=words):
        Stream(**{"handler": NoEmit(), **arguments})


def test_without_gradio_the_ui_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the stream works without it."""
    stream = Stream(NoEmit())
    for name in [name for name in sys.modules if name.startswith("fastrtc_core.ui")]:
        monkeypatch.delitem(sys.modules, name)
    original = builtins.__import__

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "gradio":
            raise ModuleNotFoundError("No module named 'gradio'", name="gradio")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(ConfigurationError, match=r"fastrtc-core\[ui\]"):
        _ = stream.ui
