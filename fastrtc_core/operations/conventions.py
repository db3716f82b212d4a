"""What spans and their attributes are called: the one place that knows.

After the semantic conventions of OpenTelemetry for sessions (`session.id`), errors (`error.type`)
and generative AI (`gen_ai.*`: spans of agents, of models and of tools), of which the last are still
in development and may change. What they do not name is called `fastrtc.*`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..speech import TurnRecord

SESSION = "fastrtc.session"
"""The span of a session."""

SESSION_ID = "session.id"
TRANSPORT = "fastrtc.transport"
CLOSE_REASON = "fastrtc.close_reason"
DISCARDED = "fastrtc.turn.discarded"
ERROR_TYPE = "error.type"

_OPERATION = "gen_ai.operation.name"
_MODEL = "gen_ai.request.model"
_STAGE = "fastrtc.stage"


def turn_span(session_id: str, agent: str) -> tuple[str, dict[str, Any]]:
    """Name and attributes of the span of a turn, when it begins."""
    return f"invoke_agent {agent}", {
        _OPERATION: "invoke_agent",
        "gen_ai.agent.name": agent,
        "gen_ai.conversation.id": session_id,
    }


def turn_result(record: TurnRecord) -> dict[str, Any]:
    """Attributes of the span of a turn, when it is over."""
    gap = {"fastrtc.turn.gap": record.gap} if record.answered else {}
    stages = {f"fastrtc.turn.{name}": seconds for name, seconds in record.stages.items()}
    return {
        "fastrtc.turn.number": record.number,
        "fastrtc.turn.ending": record.ending,
        "fastrtc.turn.interrupted": record.interrupted,
        "fastrtc.turn.head_start": record.head_start,
        **gap,
        **stages,
        **_usage(record.tokens),
    }


def stage_span(stage: str, detail: str = "") -> tuple[str, dict[str, Any]]:
    """Name and attributes of the span of a stage; `detail` is the tool that is called."""
    if stage == "tool" and detail:
        tool = {_OPERATION: "execute_tool", "gen_ai.tool.name": detail}
        return f"execute_tool {detail}", {_STAGE: stage, **tool}
    return stage, {_STAGE: stage}


def stage_of(record: TurnRecord, stage: str) -> tuple[str, dict[str, Any]]:
    """The same of a stage that is over, with the model that worked in it."""
    model = record.models.get(stage)
    if model is None:
        return stage_span(stage)
    if stage == "model":
        chat = {_OPERATION: "chat", _MODEL: model, **_usage(record.tokens)}
        return f"chat {model}", {_STAGE: stage, **chat}
    return f"{stage} {model}", {_STAGE: stage, _MODEL: model}


def _usage(tokens: Mapping[str, int]) -> dict[str, int]:
    return {f"gen_ai.usage.{kind}_tokens": number for kind, number in tokens.items()}
