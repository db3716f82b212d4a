"""Ready-made handlers, built on the public names of `fastrtc_core` alone."""

from .agent import VoiceAgent
from .ear import Ear
from .echo import AudioVideoEcho, Echo
from .reply_on_pause import ReplyOnPause
from .reply_on_stop_words import ReplyOnStopWords
from .transcriber import Transcriber
from .turns import AlgoOptions, TurnOptions

__all__ = [
    "AlgoOptions",
    "AudioVideoEcho",
    "Ear",
    "Echo",
    "ReplyOnPause",
    "ReplyOnStopWords",
    "Transcriber",
    "TurnOptions",
    "VoiceAgent",
]
