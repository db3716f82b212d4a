"""Tracks, what they play (sources), and iterators over them (streams)."""

from .audio_source import AudioSource
from .audio_stream import AudioFrameEvent, AudioStream
from .local import LocalAudioTrack, LocalVideoTrack, TimedAudioFrame
from .remote import RemoteAudioTrack, RemoteVideoTrack
from .video_source import VideoSource
from .video_stream import VideoFrameEvent, VideoStream

__all__ = [
    "AudioFrameEvent",
    "AudioSource",
    "AudioStream",
    "LocalAudioTrack",
    "LocalVideoTrack",
    "RemoteAudioTrack",
    "RemoteVideoTrack",
    "TimedAudioFrame",
    "VideoFrameEvent",
    "VideoSource",
    "VideoStream",
]
