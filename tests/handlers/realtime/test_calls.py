"""Whole calls at random: whatever callers, models and tools do, what the API demands is kept.

A call that fails is told by its seed.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from fastrtc_core.testing import connect
from fastrtc_handlers.agent import tool
from fastrtc_handlers.realtime import RealtimeLimits

from ...webrtc.support import eventually
from .support import Bridge, Service, bridge_of
from .test_service import began, called, said

ERRORS = {"busy": "conversation_already_has_active_response"}


class StrictModel:
    """Answers as it likes, and refuses what the API refuses."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.number = 0
        self.active: int | None = None
        self.lengths: dict[str, int] = {}
        """What was sent of each item, in ms."""
        self.heard: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        self.wrong: list[Any] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, service: Service, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update":
                await service.send({"type": "session.updated", "session": {}})
            case "response.create":
                if self.active is not None:
                    await self.refuse(service, event, ERRORS["busy"])
                else:
                    self.answer(service, event)
            case "response.cancel":
                if event["response_id"] != f"resp_{self.active}":
                    await self.refuse(service, event, "response_cancel_not_active")
                else:
                    await self.end(service, "cancelled")
            case "conversation.item.truncate":
                self.truncate(event)
            case "conversation.item.create" if event["item"]["type"] == "function_call_output":
                self.calls[event["item"]["call_id"]] -= 1

    def answer(self, service: Service, event: dict[str, Any] | None = None) -> None:
        self.number += 1
        self.active = self.number
        task = asyncio.create_task(self.respond(service, self.number, event))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def respond(self, service: Service, number: int, event: dict[str, Any] | None) -> None:
        """One item or none, at some pace, and tools now and then; it ends when it is cancelled."""
        await service.send(began(number, event))
        for delta in said(number, 0.2 * self.random.integers(0, 12), "some words"):
            await asyncio.sleep(self.random.choice([0.0, 0.02, 0.3]))
            if self.active != number:
                return
            if delta["type"].endswith("audio.delta"):
                self.lengths[delta["item_id"]] = self.lengths.get(delta["item_id"], 0) + 200
            await service.send(delta)
        if self.active == number and self.random.random() < 0.4:
            name = str(self.random.choice(["quick", "slow", "fail", "unknown"]))
            calls = called(number, name)
            for each in calls:
                for one in (each, each.get("item", {})):
                    if "call_id" in one:
                        one["call_id"] = f"call_{number}"
            self.calls[f"call_{number}"] = 1
            await service.send(*calls)
        if self.active == number:
            failed = self.random.random() < 0.1
            await self.end(service, "failed" if failed else "completed")

    async def end(self, service: Service, status: str) -> None:
        number, self.active = self.active, None
        await asyncio.sleep(self.random.choice([0.0, 0.05]))
        response = {"id": f"resp_{number}", "status": status}
        await service.send({"type": "response.done", "response": response})

    def truncate(self, event: dict[str, Any]) -> None:
        id, end = event["item_id"], event["audio_end_ms"]
        if end > self.lengths.get(id, 0) or id in self.heard:
            self.wrong.append((event, self.lengths.get(id)))
        self.heard[id] = end

    async def refuse(self, service: Service, event: dict[str, Any], code: str) -> None:
        error = {"code": code, "message": code, "event_id": event["event_id"]}
        await service.send({"type": "error", "error": error})

    async def hear(self, service: Service) -> None:
        """The user speaks, and the model notices."""
        await service.send({"type": "input_audio_buffer.speech_started"})
        if self.active is not None:
            await self.end(service, "cancelled")
        await asyncio.sleep(self.random.choice([0.1, 0.5]))
        await service.send({"type": "input_audio_buffer.speech_stopped"})
        if self.active is None:
            self.answer(service)


async def quick() -> str:
    return "done"


@tool(on_interrupt="keep")
async def slow() -> str:
    await asyncio.sleep(1.5)
    return "done at last"


def fail() -> str:
    raise ValueError("no")


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(12))
async def test_any_call(seed: int) -> None:
    random = np.random.default_rng(seed)
    model = StrictModel(random)
    async with Service(model).run() as service:
        bridge = Bridge(
            base_url=service.url,
            api_key="secret",
            tools=[quick, slow, fail],
            limits=RealtimeLimits(answer=4.0),
        )
        async with connect(bridge) as peer:
            await eventually(lambda: service.of("session.update"))
            for _ in range(12):
                await asyncio.sleep(random.choice([0.0, 0.1, 0.7, 2.0]))
                match random.choice(["type", "speak", "speak", "interrupt"]):
                    case "type":
                        peer.send({"command": "text", "text": "words"})
                    case "speak":
                        await model.hear(service)
                    case "interrupt":
                        peer.send({"command": "interrupt"})
            handler = bridge_of(peer)
            await eventually(lambda: handler.state == "listening" and not model.tasks, within=60)
            await asyncio.sleep(3.0)
            assert handler.state == "listening"
            assert not handler._conversation._turns, "nothing of any turn is kept"
            assert not model.wrong
            assert not any(model.calls.values()), f"each call has one result: {model.calls}"
            problems = [each for each in peer.of_type("error") if "The model failed" not in each]
            assert not problems, json.dumps(problems)
