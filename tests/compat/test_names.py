"""The one change for an application of FastRTC is its import."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from fastrtc_core import compat
from fastrtc_handlers import ReplyOnPause, ReplyOnStopWords

NAMES = [
    "AsyncStreamHandler",
    "AudioVideoStreamHandler",
    "AudioEmitType",
    "AsyncAudioVideoStreamHandler",
    "AlgoOptions",
    "AdditionalOutputs",
    "aggregate_bytes_to_16bit",
    "async_aggregate_bytes_to_16bit",
    "audio_to_bytes",
    "audio_to_file",
    "audio_to_float32",
    "audio_to_int16",
    "get_hf_turn_credentials",
    "get_twilio_turn_credentials",
    "get_turn_credentials",
    "ReplyOnPause",
    "ReplyOnStopWords",
    "SileroVadOptions",
    "get_stt_model",
    "MoonshineSTT",
    "StreamHandler",
    "Stream",
    "VideoEmitType",
    "WebRTC",
    "WebRTCError",
    "Warning",
    "get_tts_model",
    "KokoroTTSOptions",
    "get_cloudflare_turn_credentials_async",
    "get_hf_turn_credentials_async",
    "get_turn_credentials_async",
    "get_cloudflare_turn_credentials",
    "wait_for_item",
    "UIArgs",
    "ModelOptions",
    "PauseDetectionModel",
    "get_silero_model",
    "VideoStreamHandler",
    "CloseStream",
    "get_current_context",
    "CartesiaTTSOptions",
    "WebRTCData",
]
"""`fastrtc.__all__` of FastRTC 0.0.34."""


def test_every_name_of_fastrtc_is_there() -> None:
    assert len(NAMES) == 42
    assert set(NAMES) <= set(compat.__all__)
    for name in NAMES:
        assert getattr(compat, name) is not None


def test_all_but_the_component_work_without_gradio() -> None:
    """The core does not depend on it; what needs it says how to get it."""
    program = """
import sys
sys.modules["gradio"] = None
from fastrtc_core import ConfigurationError, compat
missing = [name for name in compat.__all__ if name != "WebRTC" and not hasattr(compat, name)]
assert not missing, missing
try:
    from fastrtc_core.compat import WebRTC
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert "fastrtc-core[ui]" in done.stdout, done.stderr


def test_an_unknown_name_is_none() -> None:
    with pytest.raises(ImportError):
        from fastrtc_core.compat import nothing_of_the_kind  # noqa: F401


@pytest.mark.parametrize("owner", [compat, None])
def test_signatures_can_be_read(owner: object) -> None:
    """By `inspect`, so by editors and `help`; in FastRTC's order, so that positions mean the same.

    What makes copies must not hide them.
    """
    order = [
        "startup_fn",
        "algo_options",
        "model_options",
        "can_interrupt",
        "expected_layout",
        "output_sample_rate",
        "output_frame_size",
        "input_sample_rate",
        "model",
        "needs_args",
    ]
    pause, words = (
        (compat.ReplyOnPause, compat.ReplyOnStopWords)
        if owner
        else (ReplyOnPause, ReplyOnStopWords)
    )
    assert list(inspect.signature(pause).parameters)[:11] == ["fn", *order]
    assert list(inspect.signature(words).parameters)[:12] == ["fn", "stop_words", *order]
    assert list(inspect.signature(compat.Stream).parameters)[:15] == [
        "handler",
        "additional_outputs_handler",
        "mode",
        "modality",
        "concurrency_limit",
        "time_limit",
        "allow_extra_tracks",
        "rtp_params",
        "rtc_configuration",
        "server_rtc_configuration",
        "track_constraints",
        "additional_inputs",
        "additional_outputs",
        "ui_args",
        "verbose",
    ]


def test_the_signature_of_a_subclass_is_its_own() -> None:
    class Named(ReplyOnPause):
        def __init__(self, name: str) -> None:
            super().__init__(lambda audio: None)
            self.name = name

    assert list(inspect.signature(Named).parameters) == ["name"]
    assert Named("x").copy().name == "x"
