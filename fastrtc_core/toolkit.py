"""Tools for those who write handlers, detectors, recognisers and voices for others to use.

The ready-made ones are made of these and of the public names of `fastrtc_core`, of nothing else.
"""

from .extras import import_extra
from .frames import Layout, channels_of, to_audio_frame, to_float32, to_int16, with_channels
from .handler.functions import Function
from .media.converter import Converter
from .media.g711 import decode_mulaw, encode_mulaw
from .media.resampler import Resampler
from .session.pieces import pieces_of
from .session.session_thread import SessionThread
from .speech.live_turn import model_name
from .speech.sentences import Sentences
from .usercode import guarded

__all__ = [
    "Converter",
    "Function",
    "Layout",
    "Resampler",
    "Sentences",
    "SessionThread",
    "channels_of",
    "decode_mulaw",
    "encode_mulaw",
    "guarded",
    "import_extra",
    "model_name",
    "pieces_of",
    "to_audio_frame",
    "to_float32",
    "to_int16",
    "with_channels",
]
