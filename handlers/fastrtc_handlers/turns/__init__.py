"""Turn-taking: when somebody has begun to speak, is done, or interrupts."""

from .detector import ModelTurnDetector, SilenceTurnDetector, TurnDetector
from .options import AlgoOptions, TurnOptions
from .taking import Action, Bot, TurnTaking

__all__ = [
    "Action",
    "AlgoOptions",
    "Bot",
    "ModelTurnDetector",
    "SilenceTurnDetector",
    "TurnDetector",
    "TurnOptions",
    "TurnTaking",
]
