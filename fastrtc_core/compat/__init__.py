"""FastRTC's names: `from fastrtc_core.compat import …` in place of `from fastrtc import …`.

Everything in `fastrtc.__all__` of FastRTC 0.0.34 is here. What differs is on the page "Coming from
FastRTC". Where an argument has no effect, a warning says so, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastrtc_handlers import AlgoOptions
from fastrtc_handlers.stt import MoonshineSTT

from ..context import get_current_context
from ..errors import ConfigurationError
from ..handler import AudioVideoStreamHandler, StreamHandler
from ..handler.functions import VideoStreamHandler
from ..outputs import AdditionalOutputs, CloseStream, VideoEmitType
from ..outputs import EmitType as AudioEmitType
from .audio import (
    aggregate_bytes_to_16bit,
    async_aggregate_bytes_to_16bit,
    audio_to_bytes,
    audio_to_file,
    audio_to_float32,
    audio_to_int16,
)
from .data import Warning, WebRTCData, WebRTCError, wait_for_item
from .handlers import AsyncAudioVideoStreamHandler, AsyncStreamHandler
from .pauses import ModelOptions, PauseDetectionModel, SileroVadOptions, get_silero_model
from .replies import ReplyOnPause, ReplyOnStopWords
from .stream import Stream, UIArgs
from .turn_credentials import (
    TurnCredentialsError,
    get_cloudflare_turn_credentials,
    get_cloudflare_turn_credentials_async,
    get_hf_turn_credentials,
    get_hf_turn_credentials_async,
    get_turn_credentials,
    get_turn_credentials_async,
    get_twilio_turn_credentials,
    get_twilio_turn_credentials_async,
)
from .voices import CartesiaTTSOptions, KokoroTTSOptions, get_stt_model, get_tts_model

if TYPE_CHECKING:
    from .webrtc import WebRTC

__all__ = [
    "AdditionalOutputs",
    "AlgoOptions",
    "AsyncAudioVideoStreamHandler",
    "AsyncStreamHandler",
    "AudioEmitType",
    "AudioVideoStreamHandler",
    "CartesiaTTSOptions",
    "CloseStream",
    "KokoroTTSOptions",
    "ModelOptions",
    "MoonshineSTT",
    "PauseDetectionModel",
    "ReplyOnPause",
    "ReplyOnStopWords",
    "SileroVadOptions",
    "Stream",
    "StreamHandler",
    "TurnCredentialsError",
    "UIArgs",
    "VideoEmitType",
    "VideoStreamHandler",
    "Warning",
    "WebRTC",
    "WebRTCData",
    "WebRTCError",
    "aggregate_bytes_to_16bit",
    "async_aggregate_bytes_to_16bit",
    "audio_to_bytes",
    "audio_to_file",
    "audio_to_float32",
    "audio_to_int16",
    "get_cloudflare_turn_credentials",
    "get_cloudflare_turn_credentials_async",
    "get_current_context",
    "get_hf_turn_credentials",
    "get_hf_turn_credentials_async",
    "get_silero_model",
    "get_stt_model",
    "get_tts_model",
    "get_turn_credentials",
    "get_turn_credentials_async",
    "get_twilio_turn_credentials",
    "get_twilio_turn_credentials_async",
    "wait_for_item",
]


def __getattr__(name: str) -> Any:
    # It needs gradio, which is slow to import and no dependency of the core.
    if name != "WebRTC":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from .webrtc import WebRTC
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise ConfigurationError("WebRTC needs gradio: pip install 'fastrtc-core[ui]'") from None
    return WebRTC
