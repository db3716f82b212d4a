"""The shared port and its agents, whatever is sent to them: see `datagrams.py`."""

from __future__ import annotations

import random

import pytest

from fastrtc_core.webrtc.connectivity.agent import Agent, Transmit
from fastrtc_core.webrtc.port import UdpPort

from .datagrams import Story

STORIES = 150
LENGTH = 2000  # bytes, some 40 datagrams


def test_stories_by_chance() -> None:
    """The same ones each time."""
    dice = random.Random(1)
    datagrams = 0
    for _ in range(STORIES):
        story = Story(dice.randbytes(LENGTH))
        story.play()
        datagrams += story.datagrams
    assert datagrams > 20 * STORIES


@pytest.mark.parametrize("fault", ["trusts", "answers", "hands on", "keeps"])
def test_what_must_not_happen_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that trusts everybody, one that answers, a port that hands on, one that keeps."""
    if fault == "trusts":
        monkeypatch.setattr(
            "fastrtc_core.webrtc.connectivity.stun.StunMessage.has_integrity", lambda *_: True
        )
    elif fault == "answers":
        original = Agent._drop

        def drop(agent: Agent, what: str) -> bool:
            agent._queue(Transmit(b"\1\1\0\0!\x12\xa4B" + bytes(12), ("192.0.2.1", 40000), FAR))
            return original(agent, what)

        monkeypatch.setattr(Agent, "_drop", drop)
    elif fault == "hands on":

        class All(dict):  # type: ignore[type-arg]
            def get(self, *_: object) -> object:
                return next(iter(self.values()), None)

        made = UdpPort.__init__

        def init(port: UdpPort, *args: object) -> None:
            made(port, *args)  # type: ignore[arg-type]
            port._by_address = All()

        monkeypatch.setattr(UdpPort, "__init__", init)
    else:
        monkeypatch.setattr(
            Agent, "_end", lambda agent, transaction: agent._checks.pop(transaction)
        )
    with pytest.raises(AssertionError):
        test_stories_by_chance()


FAR = ("203.0.113.200", 1)
