"""Input sources: producers of audio outside WebRTC."""

from .aligner import AlignerStatistics, ChannelAligner
from .block import Block
from .callback import CallbackSource
from .channels import Channels, select_channels
from .file import FileSource
from .gstreamer import GStreamerSource
from .interface import SourceInterface
from .iterator import SourceIterator, aiter_source
from .microphone import MicrophoneSource
from .rtp import RtpSource
from .source import Source
from .source_track import SourceTrack
from .tone import ToneSource

__all__ = [
    "AlignerStatistics",
    "Block",
    "CallbackSource",
    "ChannelAligner",
    "Channels",
    "FileSource",
    "GStreamerSource",
    "MicrophoneSource",
    "RtpSource",
    "Source",
    "SourceInterface",
    "SourceIterator",
    "SourceTrack",
    "ToneSource",
    "aiter_source",
    "select_channels",
]
