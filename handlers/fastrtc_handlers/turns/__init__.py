"""Turn-taking: when somebody has begun to speak, is done, or interrupts."""

from .detector import (
    JudgingTurnDetector,
    ListeningTurnDetector,
    ModelTurnDetector,
    ReadingTurnDetector,
    SilenceTurnDetector,
    TurnDetector,
)
from .observation import EndReason, Observation, TurnEnd
from .options import AlgoOptions, TurnOptions
from .smart_turn import SmartTurn, SmartTurnDetector
from .taking import Action, Bot, TurnTaking
from .text import TextTurnDetector

__all__ = [
    "Action",
    "AlgoOptions",
    "Bot",
    "EndReason",
    "JudgingTurnDetector",
    "ListeningTurnDetector",
    "ModelTurnDetector",
    "Observation",
    "ReadingTurnDetector",
    "SilenceTurnDetector",
    "SmartTurn",
    "SmartTurnDetector",
    "TextTurnDetector",
    "TurnDetector",
    "TurnEnd",
    "TurnOptions",
    "TurnTaking",
]
