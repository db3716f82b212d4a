"""A client that comes back."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from fastrtc_core import (
    CloseReason,
    ConnectionFailedError,
    ModalityError,
    Stream,
    UnavailableError,
    get_current_context,
)
from fastrtc_core.client import Client, keep_connected
from tests.webrtc.support import Silent, eventually, gone


class Greeter(Silent):
    """Says who it greets, and how often its server has."""

    async def start_up(self) -> None:
        await self.send_message(get_current_context().params["name"])

    def copy(self) -> Greeter:
        return Greeter()


def client_of(stream: Stream) -> Client:
    return Client(stream.offer, modality=None, params={"name": "Ada"})


async def test_a_server_that_shuts_down_and_another_in_its_place() -> None:
    """The next connection is a session of its own, with the same parameters."""
    streams = [Stream(Greeter()), Stream(Greeter())]
    greeted: list[Any] = []

    async def use(client: Client) -> str:
        greeted.append((await client.receive()).data)
        if len(greeted) == 2:
            return "done"
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.TaskGroup() as tasks:
        result = tasks.create_task(keep_connected(lambda: client_of(streams[0]), use))
        await eventually(lambda: greeted, "the first session")
        old = streams.pop(0)
        await old.drain(5)
    assert result.result() == "done"
    assert greeted == ["Ada", "Ada"]
    await gone(streams[0])


@pytest.mark.parametrize("reason", [CloseReason.LOST, CloseReason.TIME_LIMIT])
async def test_only_what_was_lost_is_sought_again(reason: CloseReason) -> None:
    """What the server has ended for good stays so."""
    stream = Stream(Silent())
    used: list[Client] = []

    async def use(client: Client) -> int:
        used.append(client)
        if len(used) == 1:
            client.stop(reason)
            async for _ in client.messages():  # ends with the connection
                pass
            return 1
        return 2

    result = await keep_connected(lambda: client_of(stream), use)
    lost = reason is CloseReason.LOST
    assert (len(used), result) == ((2, 2) if lost else (1, 1))
    await gone(stream)


async def test_using_what_is_closed_is_no_error() -> None:
    """What ends `use` is that the connection has ended."""
    stream = Stream(Silent())
    used: list[Client] = []

    async def use(client: Client) -> bool:
        used.append(client)
        if len(used) == 1:
            client.stop(CloseReason.LOST)
            await client.receive()
        return True

    assert await keep_connected(lambda: client_of(stream), use)
    assert len(used) == 2
    await gone(stream)


async def test_an_error_of_the_caller_is_the_callers() -> None:
    """It ends everything, even one that could mean that the server is away."""
    stream = Stream(Silent())

    async def use(client: Client) -> None:
        raise ConnectionFailedError("to some other server")

    with pytest.raises(ConnectionFailedError, match="other server"):
        await keep_connected(lambda: client_of(stream), use)
    await gone(stream)


async def test_pauses_grow() -> None:
    """Each up to twice as long as the one before, at least half of that, up to the longest."""
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def offer(body: Any) -> Any:
        times.append(loop.time())
        raise UnavailableError("draining")

    async def use(client: Client) -> None:
        raise AssertionError

    with pytest.raises(UnavailableError):
        await keep_connected(
            lambda: Client(offer, modality=None), use, first_pause=1, longest_pause=4, patience=30
        )
    pauses = [after - before for before, after in itertools.pairwise(times)]
    bounds = [1.0, 2.0, *[4.0] * (len(pauses) - 2)]
    # Less than the time that it takes to gather candidates.
    assert all(most / 2 <= pause < most + 0.5 for pause, most in zip(pauses, bounds, strict=True))
    assert 30 <= times[-1] - times[0] < 35


async def test_a_refusal_is_final() -> None:
    """Asking again would not help."""
    stream, asked = Stream(Silent()), 0

    def make() -> Client:
        nonlocal asked
        asked += 1
        return Client(stream.offer, modality="video")

    async def use(client: Client) -> None:
        raise AssertionError

    with pytest.raises(ModalityError):
        await keep_connected(make, use)
    assert asked == 1
