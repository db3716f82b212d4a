"""A voice agent: what was said is recognised, a language model answers, and a voice says it."""

from fastrtc_core import ToolRecord, TurnRecord

from .history import History
from .limits import AgentLimits
from .mcp_servers import MCPServer
from .memory import FileMemory, Memory
from .models import Model, ModelError, OpenAIModel, ToolCall
from .tools import Tool, ToolError, tool
from .voice_agent import VoiceAgent

__all__ = [
    "AgentLimits",
    "FileMemory",
    "History",
    "MCPServer",
    "Memory",
    "Model",
    "ModelError",
    "OpenAIModel",
    "Tool",
    "ToolCall",
    "ToolError",
    "ToolRecord",
    "TurnRecord",
    "VoiceAgent",
    "tool",
]
