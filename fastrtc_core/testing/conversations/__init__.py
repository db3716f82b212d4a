"""Conversations of real speech, the same for the same seed, of which the truth is known.

A folder of recordings is cut into phrases at the pauses of the readers (`Recordings`). A seed draws
up who says what when (`script`), and `render` makes the sound that a microphone hears: pauses of a
known length in the middle of sentences, noise, other voices, music, rooms, telephones, the echo of
the agent, coughs and other sounds between. `shrink` reduces a conversation that fails to the
shortest one that still does. It needs numpy alone.
"""

from .recordings import LEVEL, RATE, Recordings, Samples, read_sound, sound_files, trimmed
from .rendering import Conversation, Segment, render
from .scripts import Agent, Item, Noise, Script, Setting, Sound, Utterance, script
from .shrinking import shrink

__all__ = [
    "LEVEL",
    "RATE",
    "Agent",
    "Conversation",
    "Item",
    "Noise",
    "Recordings",
    "Samples",
    "Script",
    "Segment",
    "Setting",
    "Sound",
    "Utterance",
    "read_sound",
    "render",
    "script",
    "shrink",
    "sound_files",
    "trimmed",
]
