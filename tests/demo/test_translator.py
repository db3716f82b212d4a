"""The demo `translator`: offline, and with a key."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import numpy as np
import pytest

from fastrtc_core.testing import InProcessPeer, connect

from ..browser.support import ROOT
from ..handlers.realtime.support import Service
from ..handlers.realtime.test_service import Model
from ..webrtc.support import eventually


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    """The program, as it is with these variables."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "TRANSLATOR_LANGUAGES", "REALTIME_MODEL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(ROOT / "demo"))
    spec = importlib.util.spec_from_file_location("translator", ROOT / "demo/translator.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(peer: InProcessPeer, text: str) -> None:
    peer.send({"command": "text", "text": text})


@pytest.mark.virtual_clock
async def test_a_phrase_is_said_in_german(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(load(monkeypatch).handler) as peer:
        write(peer, "Where is the station?")
        await eventually(lambda: len(peer.of_type("transcript")) == 1)
        assert peer.of_type("transcript")[0]["text"] == "Wo ist der Bahnhof?"
        await eventually(lambda: any(np.abs(each.data).max() > 1000 for _, each in peer.heard))
        write(peer, "What is love?")
        await eventually(lambda: "Wörterbuch" in peer.of_type("transcript")[-1]["text"])


@pytest.mark.virtual_clock
async def test_with_a_key_a_model_interprets(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Service(Model([])).run() as service:
        demo = load(
            monkeypatch,
            OPENAI_API_KEY="secret",
            OPENAI_BASE_URL=service.url,
            TRANSLATOR_LANGUAGES="French, Greek",
        )
        async with connect(demo.handler):
            [update] = await eventually(lambda: service.of("session.update"))
            assert "between French and Greek." in update["session"]["instructions"]
            turns = update["session"]["audio"]["input"]["turn_detection"]
            assert turns == {"type": "semantic_vad", "eagerness": "low"}
        assert service.requests[0]["authorization"] == "Bearer secret"
