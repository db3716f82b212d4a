"""`GStreamerSource` with real pipelines, where GStreamer and PyGObject are installed."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from fastrtc_core import ConfigurationError, SourceError
from fastrtc_core.sources import Block, GStreamerSource
from fastrtc_core.testing import fit_sine

from .files import collect, joined

INSTALLED = importlib.util.find_spec("gi") is not None
needs_gstreamer = pytest.mark.skipif(
    not INSTALLED, reason="PyGObject is not installed: pip install 'fastrtc-core[gstreamer]'"
)
END = "audioconvert ! audioresample ! appsink"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """With pip, and of the system."""
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(ConfigurationError, match=r"gstreamer"):
        GStreamerSource(f"audiotestsrc ! {END}")


@needs_gstreamer
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_a_pipeline_is_read_as_fast_as_it_runs(channels: int) -> None:
    """All of it, in one piece, and again after a restart."""
    source = GStreamerSource(
        "audiotestsrc num-buffers=50 samplesperbuffer=441 freq=440 volume=0.5 "
        f"! audio/x-raw,rate=44100,channels={channels} ! {END}",
        real_time=False,
    )
    for _ in range(2):
        data = joined(collect(source))
        assert data.shape[0] == channels
        assert abs(data.shape[1] - 24000) < 50
        for row in data:
            amplitude, ratio = fit_sine(row[2000:-2000], 440, 48000)
            assert amplitude == pytest.approx(16384, rel=0.02)
            assert ratio > 40


@needs_gstreamer
def test_several_appsinks_are_aligned() -> None:
    """Side by side in the order of the pipeline, sample by sample, also if one ends early."""
    source = GStreamerSource(
        "audiotestsrc num-buffers=20 samplesperbuffer=480 freq=400 "
        f"! audio/x-raw,rate=48000,channels=1 ! {END} name=a "
        "audiotestsrc num-buffers=40 samplesperbuffer=480 freq=800 "
        f"! audio/x-raw,rate=48000,channels=2 ! {END} name=b",
        real_time=False,
    )
    blocks = collect(source)
    data = joined(blocks)
    assert data.shape == (3, 40 * 480)
    assert not any(block.discontinuity for block in blocks)
    assert fit_sine(data[0, :9600], 400, 48000)[1] > 40
    assert not data[0, 9600:].any()
    assert np.array_equal(data[1], data[2])
    assert fit_sine(data[1], 800, 48000)[1] > 40


@needs_gstreamer
def test_a_live_pipeline_keeps_real_time() -> None:
    """And stops at once, whenever it is told to."""
    source = GStreamerSource(f"audiotestsrc is-live=true ! {END}")
    blocks: list[Block] = []
    source.set_callback(blocks.append)
    with source:
        time.sleep(0.6)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    assert 0.2 < blocks[-1].end / 48000 < 0.9


@needs_gstreamer
def test_a_slow_callback_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a hole in the sample clock, which is flagged."""
    monkeypatch.setattr("fastrtc_core.sources.gstreamer.QUEUED_BUFFERS", 3)
    source = GStreamerSource(f"audiotestsrc is-live=true samplesperbuffer=480 ! {END}")
    blocks: list[Block] = []

    def slow(block: Block) -> None:
        blocks.append(block)
        if len(blocks) == 3:
            time.sleep(0.3)

    source.set_callback(slow)
    with source:
        time.sleep(0.8)
    flagged = [index for index, block in enumerate(blocks) if block.discontinuity]
    assert flagged
    for index in flagged:
        assert blocks[index].pts > blocks[index - 1].end


@needs_gstreamer
@pytest.mark.parametrize(
    ("pipeline", "text"),
    [
        ("nosuchelement ! appsink", 'no element "nosuchelement".*gst-inspect'),
        ("audiotestsrc ! fakesink", "no appsink"),
        ("audiotestsrc ! ! appsink", "cannot be made"),
    ],
)
def test_a_mistake_in_the_pipeline_is_told_at_once(pipeline: str, text: str) -> None:
    """Before anything starts."""
    with pytest.raises(ConfigurationError, match=text):
        GStreamerSource(pipeline)


@needs_gstreamer
def test_what_fails_later_is_told(tmp_path: Path) -> None:
    """At `on_error`, and at `stop`; the text is GStreamer's, with the element."""
    source = GStreamerSource(f"filesrc location={tmp_path}/none.wav ! wavparse ! {END}")
    ended = threading.Event()
    source.on_end = ended.set
    source.start()
    assert ended.wait(10)
    with pytest.raises(SourceError, match=r"the pipeline has failed: filesrc\d+: "):
        source.stop()
