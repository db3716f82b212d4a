"""Tracks, what they play (sources), and iterators over them (streams)."""

from .audio_mixer import AudioMixer
from .audio_source import AudioSource
from .audio_stream import AudioFrameEvent, AudioStream
from .local import LocalAudioTrack, LocalVideoTrack, TimedAudioFrame
from .participant import Participant, TrackSource
from .recording import Recorder
from .remote import RemoteAudioTrack, RemoteVideoTrack
from .stats import StreamState, TrackKind, TrackStats
from .synchronizer import AVSynchronizer
from .track import Track
from .track_stream import StreamStatistics
from .video_source import VideoSource
from .video_stream import VideoFrameEvent, VideoStream

__all__ = [
    "AVSynchronizer",
    "AudioFrameEvent",
    "AudioMixer",
    "AudioSource",
    "AudioStream",
    "LocalAudioTrack",
    "LocalVideoTrack",
    "Participant",
    "Recorder",
    "RemoteAudioTrack",
    "RemoteVideoTrack",
    "StreamState",
    "StreamStatistics",
    "TimedAudioFrame",
    "Track",
    "TrackKind",
    "TrackSource",
    "TrackStats",
    "VideoFrameEvent",
    "VideoSource",
    "VideoStream",
]
