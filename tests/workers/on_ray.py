"""The demo on Ray Serve, as a program: its figures as JSON on the last line.

python -m tests.workers.on_ray update 20    a rolling update with a drain time of 20 s
python -m tests.workers.on_ray batching     a model whose calls are batched, and one that is not
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from fastrtc_core.client import Client

DEMO = Path(__file__).parents[2] / "demo"
PORT = 8123
URL = f"http://127.0.0.1:{PORT}"
CALLS = 20
SESSIONS = 32
MODEL_TIME = 0.02
SECONDS = 5.0


async def update(serve: Any, demo: Any, drain_timeout: float) -> dict[str, Any]:
    """What becomes of calls while both replicas are replaced."""

    def release(name: str) -> Any:
        environment = {"RELEASE": name, "DRAIN_TIMEOUT": str(drain_timeout)}
        calls = demo.Calls.options(
            graceful_shutdown_timeout_s=drain_timeout + 30,
            ray_actor_options={"runtime_env": {"env_vars": environment}},
        )
        return calls.bind(demo.Model.bind())

    serve.run(release("1"), blocking=False)
    clients = [Client(URL, modality=None) for _ in range(CALLS)]
    for client in clients:
        await client.__aenter__()
    told: list[float] = []

    async def listen(client: Client) -> None:
        async for message in client.messages():
            if message.type == "draining":
                told.append(time.monotonic())

    begun = time.monotonic()
    listening = [asyncio.create_task(listen(client)) for client in clients]
    closing = [asyncio.create_task(client.wait_closed()) for client in clients]
    updating = asyncio.create_task(asyncio.to_thread(serve.run, release("2"), blocking=False))
    fresh = 0
    while not told or time.monotonic() < min(told) + 0.9 * drain_timeout:
        async with Client(URL, modality=None):
            fresh += 1
        await asyncio.sleep(0.5)
    cut = sum(task.done() for task in closing)
    reasons = [(await task).name for task in closing]
    await updating
    for task in listening:
        task.cancel()
    return {
        "calls": CALLS,
        "told": len(told),
        "cut": cut,
        "reasons": sorted(set(reasons)),
        "new calls meanwhile": fresh,
        "took": time.monotonic() - begun,
    }


async def batching(serve: Any, demo: Any) -> dict[str, Any]:
    """How many answers there are in a second, of all sessions together.

    The sessions are handlers alone: what their clients cost is not what is asked.
    """

    class Single:
        """Takes one question at a time, as long as for a batch."""

        def __init__(self) -> None:
            self.lock = asyncio.Lock()

        async def __call__(self, questions: list[str]) -> list[str]:
            async with self.lock:
                await asyncio.sleep(MODEL_TIME)
            return questions

    single = serve.deployment(Single, name="Model", max_ongoing_requests=256)
    model = serve.run(single.bind(), blocking=False)
    rates = {"unbatched": await rate(demo, [demo.Questions(model) for _ in range(SESSIONS)])}
    serve.delete("default")
    model = serve.run(demo.Model.bind(), blocking=False)
    rates["batched by Serve"] = await rate(demo, [demo.Questions(model) for _ in range(SESSIONS)])
    rates["batched"] = await rate(demo, [demo.Questions(model)] * SESSIONS)
    serve.delete("default")
    return rates


async def rate(demo: Any, questions: list[Any]) -> float:
    """Answers in a second; each session asks again when it was answered."""
    answers = 0
    end = time.monotonic() + SECONDS

    async def ask(handler: Any) -> None:
        nonlocal answers

        async def note(answer: str) -> None:
            nonlocal answers
            answers += 1

        handler.send_message = note
        while time.monotonic() < end:
            await handler.on_message("Why")

    await asyncio.gather(*(ask(demo.Adviser(one)) for one in questions))
    return answers / SECONDS


def load_demo() -> Any:
    """The demo; replicas import it by its name."""
    sys.path.insert(0, str(DEMO))
    return importlib.import_module("ray_serve")


def main() -> None:
    """Start Ray, measure, and stop it."""
    import ray
    from ray import serve

    path = os.pathsep.join(map(str, (DEMO, DEMO.parent)))
    ray.init(
        num_cpus=8,
        object_store_memory=200 << 20,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": path, "DRAIN_TIMEOUT": "1"}},
    )
    try:
        serve.start(http_options={"port": PORT})
        demo = load_demo()
        if sys.argv[1] == "update":
            figures = asyncio.run(update(serve, demo, float(sys.argv[2])))
        else:
            figures = asyncio.run(batching(serve, demo))
        serve.shutdown()
    finally:
        ray.shutdown()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
