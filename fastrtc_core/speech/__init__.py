"""What a session says: a text, its sentences, and how much of it was heard."""

from .speech import Playback, Speech, TextToSpeech

__all__ = ["Playback", "Speech", "TextToSpeech"]
