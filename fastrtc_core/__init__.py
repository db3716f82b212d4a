"""Real-time audio and video in Python: subclass a handler, mount it, talk to it in a browser."""

from .context import Context, get_current_context, send_warning
from .errors import (
    ChannelClosedError,
    ConcurrencyLimitError,
    ConfigurationError,
    ConnectionFailedError,
    DuplicateSessionError,
    EndOfStreamError,
    FastRTCError,
    HandlerError,
    InvalidFrameError,
    MalformedCandidateError,
    MalformedOfferError,
    MessageError,
    ModalityError,
    OfferError,
    QueueFullError,
    SourceClosedError,
    UnavailableError,
    UnknownSessionError,
)
from .frames import AudioFrame
from .functions import Modality, Mode, VideoStreamHandler
from .handler import (
    AsyncAudioVideoStreamHandler,
    AsyncStreamHandler,
    AudioVideoStreamHandler,
    StreamHandler,
    StreamHandlerBase,
)
from .media.jitter import JitterStatistics
from .outputs import AdditionalOutputs, CloseStream, EmitType, VideoEmitType
from .session import CloseReason
from .speech import Playback, Speech, TextToSpeech
from .stream import Stream, UIArgs
from .tracks import AudioFrameEvent, AudioSource, AudioStream, VideoSource, VideoStream
from .webrtc.options import AudioOptions, VideoOptions
from .websocket.options import TelephoneOptions

__all__ = [
    "AdditionalOutputs",
    "AsyncAudioVideoStreamHandler",
    "AsyncStreamHandler",
    "AudioFrame",
    "AudioFrameEvent",
    "AudioOptions",
    "AudioSource",
    "AudioStream",
    "AudioVideoStreamHandler",
    "ChannelClosedError",
    "CloseReason",
    "CloseStream",
    "ConcurrencyLimitError",
    "ConfigurationError",
    "ConnectionFailedError",
    "Context",
    "DuplicateSessionError",
    "EmitType",
    "EndOfStreamError",
    "FastRTCError",
    "HandlerError",
    "InvalidFrameError",
    "JitterStatistics",
    "MalformedCandidateError",
    "MalformedOfferError",
    "MessageError",
    "Modality",
    "ModalityError",
    "Mode",
    "OfferError",
    "Playback",
    "QueueFullError",
    "SourceClosedError",
    "Speech",
    "Stream",
    "StreamHandler",
    "StreamHandlerBase",
    "TelephoneOptions",
    "TextToSpeech",
    "UIArgs",
    "UnavailableError",
    "UnknownSessionError",
    "VideoEmitType",
    "VideoOptions",
    "VideoSource",
    "VideoStream",
    "VideoStreamHandler",
    "get_current_context",
    "send_warning",
]
