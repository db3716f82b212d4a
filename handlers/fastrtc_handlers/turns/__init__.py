"""Turn-taking: when somebody has begun to speak, is done, or interrupts."""

from .detector import (
    ListeningTurnDetector,
    ModelTurnDetector,
    SilenceTurnDetector,
    TurnDetector,
)
from .options import AlgoOptions, TurnOptions
from .smart_turn import SmartTurn, SmartTurnDetector
from .taking import Action, Bot, TurnTaking
from .text import TextTurnDetector

__all__ = [
    "Action",
    "AlgoOptions",
    "Bot",
    "ListeningTurnDetector",
    "ModelTurnDetector",
    "SilenceTurnDetector",
    "SmartTurn",
    "SmartTurnDetector",
    "TextTurnDetector",
    "TurnDetector",
    "TurnOptions",
    "TurnTaking",
]
