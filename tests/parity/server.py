"""One stream, and clients of any transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastrtc_core import CloseReason, Context, Stream

from ..webrtc.support import app_of, eventually, gone
from ..webrtc.support import serving as on_network
from .agent import Agent
from .clients import Client, Transport, Wishes


class Server:
    """Serves an agent, and notes who came and why they went.

    Attributes:
        agent: The prototype.
        stream: The stream that serves it.
        url: Of the server, where one is needed.
        begun: The context of every session that was connected.
        ended: Why each of them ended, in the order of their ends.
    """

    url = ""

    def __init__(self, agent: Agent, transport: Transport, **options: Any) -> None:
        self.agent = agent
        self.begun: list[Context] = []
        self.ended: list[CloseReason] = []
        self.stream = Stream(
            agent, on_connect=self.note_begin, on_disconnect=self.note_end, **options
        )
        self._transport = transport
        self._clients = AsyncExitStack()

    async def connect(self, transport: Transport | None = None, **wishes: Any) -> Client:
        """Connect a client, over the first transport unless another is named.

        It is closed in the end. Clients connect one after the other.

        Raises:
            OfferError: If it is refused.
        """
        known = len(self.begun)
        transport = transport or self._transport
        client = await self._clients.enter_async_context(transport.open(self, Wishes(**wishes)))
        await eventually(lambda: client.refusal or len(self.begun) > known, "a session")
        if client.refusal:
            raise client.refusal
        client.id = self.begun[-1].webrtc_id
        newest = self.agent.copies[-1]
        assert isinstance(newest, Agent)
        client.agent = newest
        return client

    async def close(self) -> None:
        """Close every client."""
        await self._clients.aclose()

    async def note_begin(self, context: Context) -> None:
        """A session is connected."""
        self.begun.append(context)

    async def note_end(self, reason: CloseReason) -> None:
        """A session is over."""
        self.ended.append(reason)


@asynccontextmanager
async def serving(
    agent: Agent, transport: Transport, *others: Transport, **options: Any
) -> AsyncIterator[Server]:
    """Serve an agent to clients of these transports; in the end nothing of them is left.

    Args:
        agent: The prototype.
        transport: How clients connect.
        others: How else.
        options: Of the `Stream`.
    """
    server = Server(agent, transport, **options)
    async with AsyncExitStack() as stack:
        if any(each.on_network for each in (transport, *others)):
            server.url = await stack.enter_async_context(on_network(app_of(server.stream)))
        try:
            yield server
        finally:
            await server.close()
        await gone(server.stream)
