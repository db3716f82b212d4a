"""What a session says: a text, its sentences, its words, and how much of it was heard."""

from .speech import Playback, Speech, SpeechWords, TextToSpeech
from .words import SpokenFrame, WordTime

__all__ = ["Playback", "Speech", "SpeechWords", "SpokenFrame", "TextToSpeech", "WordTime"]
