"""Ray Serve: replicas that take calls, and one model for all of them, whose calls are batched.

pip install "ray[serve]" fastrtc-core, then: serve run ray_serve:app
"""

import asyncio
import os
from typing import Any

from fastapi import FastAPI

from fastrtc_core import AsyncStreamHandler, AudioFrame, Stream

try:
    from ray import serve
except ModuleNotFoundError:
    raise SystemExit('This demo needs Ray: pip install "ray[serve]"') from None

DRAIN_TIMEOUT = float(os.environ.get("DRAIN_TIMEOUT", "300"))
"""How long in s calls may go on in a replica that is to stop."""


@serve.deployment(max_ongoing_requests=256)
class Model:
    """Stands for a model on a GPU, which takes as long for 32 questions as for one."""

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.005)  # type: ignore[untyped-decorator]
    async def __call__(self, asked: list[list[str]]) -> list[list[str]]:
        """Answer what all replicas ask, each a few questions."""
        await asyncio.sleep(0.02)
        return [[f"{question}? It depends." for question in questions] for questions in asked]


class Questions:
    """What the sessions of one replica ask: one remote call for all that came in the meantime.

    A remote call costs some milliseconds of CPU, on both sides, whatever is in it.
    """

    def __init__(self, model: Any = None) -> None:
        self.model = model
        self.waiting: list[tuple[str, asyncio.Future[str]]] = []
        self.sender: asyncio.Task[None] | None = None

    async def ask(self, question: str) -> str:
        """The model's answer."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.waiting.append((question, answer))
        if self.sender is None:
            self.sender = asyncio.create_task(self.send())
        return await answer

    async def send(self) -> None:
        """Send what waits, until nothing does."""
        while self.waiting:
            await asyncio.sleep(0.002)
            batch, self.waiting = self.waiting[:32], self.waiting[32:]
            try:
                if self.model is None:  # in a replica
                    self.model = serve.get_deployment_handle("Model")
                answers = await self.model.remote([question for question, _ in batch])
            except Exception as error:
                answers = [error] * len(batch)
            for (_, answer), value in zip(batch, answers, strict=True):
                if answer.done():
                    continue  # its session has ended
                if isinstance(value, Exception):
                    answer.set_exception(value)
                else:
                    answer.set_result(value)
        self.sender = None


class Adviser(AsyncStreamHandler):
    """Answers each message of a client with what the model says, and echoes what it hears."""

    def __init__(self, questions: Questions) -> None:
        super().__init__(input_sample_rate=24000, output_sample_rate=24000)
        self.questions = questions
        self.queue: asyncio.Queue[AudioFrame] = asyncio.Queue()

    async def on_message(self, message: Any) -> None:
        await self.send_message(await self.questions.ask(str(message)))

    async def receive(self, frame: AudioFrame) -> None:
        self.queue.put_nowait(frame)

    async def emit(self) -> AudioFrame:
        return await self.queue.get()

    def copy(self) -> "Adviser":
        return Adviser(self.questions)


def build() -> FastAPI:
    """Make the app; Serve calls it in each replica. An app itself cannot be sent there."""
    stream = Stream(Adviser(Questions()), concurrency_limit=100, drain_timeout=DRAIN_TIMEOUT)
    app = FastAPI()
    stream.mount(app, health=True)
    return app


# A replica that is to stop takes no more offers, and waits for its calls, but no longer than this.
@serve.deployment(
    num_replicas=2,
    max_ongoing_requests=200,
    graceful_shutdown_timeout_s=DRAIN_TIMEOUT + 30,
)
@serve.ingress(build)
class Calls:
    """A replica that takes calls."""

    def __init__(self, model: Any) -> None:
        """Its handlers ask for the model by its name; to be given it here has Serve start it."""


app = Calls.bind(Model.bind())  # type: ignore[attr-defined]

if __name__ == "__main__":
    serve.run(app, blocking=True)
