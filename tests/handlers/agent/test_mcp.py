"""Tools of MCP servers: in this process, and once a real program over its standard streams."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from fastrtc_core import ConfigurationError
from fastrtc_core.testing import connect
from fastrtc_handlers.agent import AgentLimits, MCPServer, ToolCall

from .support import Script, agent_of, make, said, turns, until, write

pytestmark = pytest.mark.soak  # the package takes a second to be imported

SERVER = '''
from mcp.server import MCPServer

server = MCPServer("shop")

@server.tool()
def price(item: str, count: int = 1) -> str:
    """What something costs."""
    if item == "nothing":
        raise ValueError("there is nothing")
    return f"{count} {item}: {2 * count} euros"

if __name__ == "__main__":
    server.run("stdio")
'''


def server_here() -> Any:
    namespace: dict[str, Any] = {"__name__": "server"}
    exec(SERVER, namespace)
    return namespace["server"]


def results(peer: Any) -> list[str]:
    return [m["content"] for m in agent_of(peer).history if m["role"] == "tool"]


async def ask(server: Any) -> None:
    calls = [
        ToolCall("price", {"item": "eggs", "count": 3}),
        ToolCall("price", {"item": "nothing"}),
    ]
    model = Script(calls, "There.")
    async with connect(make(model, mcp_servers=[server])) as peer:
        write(peer, "Eggs?")
        await turns(peer, 1)
        good, bad = results(peer)
        assert good == "3 eggs: 6 euros"
        assert bad.startswith("Error: Error executing tool price")
        assert said(peer)[-1] == ("assistant", "There.")
        schema = agent_of(peer).toolbox["price"].schema["function"]
        assert schema["description"] == "What something costs."
        assert schema["parameters"]["required"] == ["item"]
    assert model.tools[0] == ["price"]
    assert not peer.of_type("error")


async def test_tools_of_a_server() -> None:
    """The first turn waits until they are known; their errors are told in words."""
    await ask(server_here())


@pytest.mark.real_time
async def test_tools_of_a_program(tmp_path: Path) -> None:
    """It ends with the session."""
    (tmp_path / "server.py").write_text(SERVER, "utf-8")
    await ask(MCPServer([sys.executable, str(tmp_path / "server.py")]))


@pytest.mark.real_time
async def test_a_server_that_is_not_there_is_reported() -> None:
    """And the agent does without."""
    model = Script("Yes.")
    server = MCPServer(["/nonexistent/program"])
    agent = make(model, mcp_servers=[server], limits=AgentLimits(start=5))
    async with connect(agent) as peer:
        await until(lambda: peer.of_type("error"))
        write(peer, "Hi")
        await turns(peer, 1)
        assert said(peer) == [("user", "Hi"), ("assistant", "Yes.")]


def test_a_server_has_a_command_or_a_url() -> None:
    with pytest.raises(ConfigurationError, match="a command or a url"):
        MCPServer()
    with pytest.raises(ConfigurationError, match="a command or a url"):
        MCPServer(["a"], url="http://a")
    assert make(Script(), mcp_servers=["http://a/mcp"])._mcp_servers == [
        MCPServer(url="http://a/mcp")
    ]
