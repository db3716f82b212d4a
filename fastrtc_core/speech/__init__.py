"""What a session says: a text, its sentences, its words, how much of it was heard, and when."""

from .live_turn import LiveTurn, get_current_turn, stage
from .speech import Playback, Speech, SpeechWords, TextToSpeech
from .turn_record import ToolRecord, TurnRecord
from .words import SpokenFrame, WordTime

__all__ = [
    "LiveTurn",
    "Playback",
    "Speech",
    "SpeechWords",
    "SpokenFrame",
    "TextToSpeech",
    "ToolRecord",
    "TurnRecord",
    "WordTime",
    "get_current_turn",
    "stage",
]
