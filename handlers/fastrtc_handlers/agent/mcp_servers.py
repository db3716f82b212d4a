"""Tools of MCP servers (Model Context Protocol), through the package `mcp`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastrtc_core import ConfigurationError
from fastrtc_core.toolkit import import_extra

from .tools import OnInterrupt, Tool, ToolError, in_words


@dataclass(frozen=True)
class MCPServer:
    """An MCP server: a program that is started, or the address of one that runs.

    Each session has a connection of its own, and so a process of its own of a program.

    Attributes:
        command: The program and its arguments.
        url: Of a server that speaks Streamable HTTP.
        env: More environment variables of the program.
        filler: What is said while one of its tools takes long; see `Tool`.
        on_interrupt: Whether its tools are cancelled or kept when the user speaks.

    Raises:
        ConfigurationError: If it is neither or both, or the extra `mcp` is missing.
    """

    command: Sequence[str] = ()
    url: str = ""
    env: Mapping[str, str] | None = None
    filler: str | Sequence[str] = ()
    on_interrupt: OnInterrupt = "cancel"

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise ConfigurationError("an MCPServer has a command or a url")
        import_extra("mcp", extra="mcp", used_by="MCPServer")


class MCPConnection:
    """One session's connection to a server.

    Args:
        server: The server; or one of the package `mcp`, in this process.
    """

    def __init__(self, server: MCPServer | Any) -> None:
        self._mcp = import_extra("mcp", extra="mcp", used_by="MCPServer")
        self._server = server
        self._ready: asyncio.Future[list[Tool]] = asyncio.get_running_loop().create_future()

    async def tools(self) -> list[Tool]:
        """Wait until it is connected.

        Raises:
            Exception: Whatever keeps it from that.
        """
        return await asyncio.shield(self._ready)

    async def run(self) -> None:
        """Be connected, until this is cancelled."""
        try:
            async with self._mcp.Client(self._target()) as client:
                self._ready.set_result(await self._list(client))
                await asyncio.Event().wait()
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
        finally:
            self._ready.cancel()

    def _target(self) -> Any:
        server = self._server
        if not isinstance(server, MCPServer):
            return server
        if server.url:
            return server.url
        program, *arguments = server.command
        environment = None if server.env is None else dict(server.env)
        return self._mcp.StdioServerParameters(command=program, args=arguments, env=environment)

    async def _list(self, client: Any) -> list[Tool]:
        found: list[Tool] = []
        cursor = None
        while True:
            page = await client.list_tools(cursor=cursor)
            found += [self._tool(client, each) for each in page.tools]
            cursor = page.next_cursor
            if not cursor:
                return found

    def _tool(self, client: Any, described: Any) -> Tool:
        async def call(**arguments: Any) -> str:
            return _text_of(await client.call_tool(described.name, arguments))

        server = self._server
        own = isinstance(server, MCPServer)
        return Tool(
            call,
            described.name,
            described.description or "",
            described.input_schema,
            filler=server.filler if own else (),
            on_interrupt=server.on_interrupt if own else "cancel",
        )


def _text_of(result: Any) -> str:
    """What a model is told of a result.

    Raises:
        ToolError: If the tool failed.
    """
    parts = [
        part.text if part.type == "text" else f"({part.type}, which cannot be said)"
        for part in result.content
    ]
    text = "\n".join(parts)
    if result.is_error:
        raise ToolError(text or "it failed")
    if not text and result.structured_content is not None:
        return in_words(result.structured_content)
    return text
