"""`MicrophoneSource` against a stand-in for the module `sounddevice`, and against a null device.

There is no sound card where tests run. The stand-in has the calls of the real module that are used;
the last test runs the real one, with PortAudio, on ALSA's null device.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastrtc_core import ConfigurationError, SourceError
from fastrtc_core.sources import Block, MicrophoneSource

from .files import joined, ramp


class StandIn(SimpleNamespace):
    """The module `sounddevice`, as far as `MicrophoneSource` uses it. No sound is recorded."""

    class PortAudioError(Exception):
        """As in the module."""

    def __init__(self, missing: bool = False) -> None:
        super().__init__()
        self.missing = missing
        self.streams: list[StandInStream] = []
        self.opened = threading.Event()

    def InputStream(self, **options: Any) -> StandInStream:
        """As in the module."""
        if self.missing:
            raise self.PortAudioError("Error querying device -1")
        stream = StandInStream(**options)
        self.streams.append(stream)
        self.opened.set()
        return stream


class StandInStream:
    """A stream whose callback the test calls."""

    def __init__(self, callback: Callable[..., None], **options: Any) -> None:
        self.callback = callback
        self.options = options
        self.active = False
        self.pts = 0

    def __enter__(self) -> StandInStream:
        self.active = True
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.active = False

    def record(self, samples: int, *, lost: int = 0) -> None:
        """Hand over some samples, after losing some."""
        self.pts += lost
        data = np.ascontiguousarray(ramp(samples, self.options["channels"], start=self.pts).T)
        moment = SimpleNamespace(inputBufferAdcTime=100 + self.pts / self.options["samplerate"])
        self.callback(data, samples, moment, SimpleNamespace(input_overflow=bool(lost)))
        data[:] = 0  # PortAudio uses its buffer again
        self.pts += samples


@pytest.fixture
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    module = StandIn()
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


class Recorded:
    """A microphone that runs, and what came of it."""

    def __init__(self, module: StandIn, **options: Any) -> None:
        self.source = MicrophoneSource(**options)
        self.blocks: list[Block] = []
        self.source.set_callback(self.blocks.append)
        self.source.start()
        assert module.opened.wait(5)
        self.stream = module.streams[-1]
        while not self.stream.active:
            time.sleep(0.001)

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 5
        while len(self.blocks) < count:
            assert time.monotonic() < deadline
            time.sleep(0.001)


def test_what_is_recorded_comes(sounddevice: StandIn) -> None:
    """In the order and number of channels, on a thread that is not PortAudio's."""
    recorded = Recorded(sounddevice, device="USB", sample_rate=16000, num_channels=4)
    for _ in range(5):
        recorded.stream.record(320)
    recorded.wait_for(5)
    recorded.source.stop()
    assert joined(recorded.blocks).tolist() == ramp(1600, 4).tolist()
    options = recorded.stream.options
    assert (options["device"], options["samplerate"], options["channels"]) == ("USB", 16000, 4)
    assert (options["blocksize"], options["dtype"]) == (320, "int16")
    assert not recorded.stream.active


def test_what_the_system_lost_is_a_hole(sounddevice: StandIn) -> None:
    """Of the length that the clock of the device tells."""
    recorded = Recorded(sounddevice)
    recorded.stream.record(960)
    recorded.stream.record(960, lost=4800)
    recorded.stream.record(960)
    recorded.wait_for(3)
    recorded.source.stop()
    assert [(block.pts, block.discontinuity) for block in recorded.blocks] == [
        (0, False),
        (5760, True),
        (6720, False),
    ]
    assert recorded.source.overflows == 1


def test_a_slow_callback_loses_the_oldest(sounddevice: StandIn) -> None:
    """Counted and flagged, and the clock is right."""
    recorded = Recorded(sounddevice)
    go = threading.Event()

    def slow(block: Block) -> None:
        go.wait(5)
        recorded.blocks.append(block)

    recorded.source.set_callback(slow)
    for _ in range(100):
        recorded.stream.record(960)
    go.set()
    recorded.wait_for(50)
    recorded.source.stop()
    assert recorded.source.dropped == 100 - len(recorded.blocks)
    for before, after in zip(recorded.blocks, recorded.blocks[1:], strict=False):
        assert (after.pts != before.end) == after.discontinuity
        assert after.data[0, 0] == ramp(1, start=after.pts)[0, 0]


def test_a_device_that_goes_is_an_error(sounddevice: StandIn) -> None:
    """Noticed within a moment."""
    recorded = Recorded(sounddevice)
    ended = threading.Event()
    recorded.source.on_end = ended.set
    recorded.stream.active = False
    assert ended.wait(2)
    with pytest.raises(SourceError, match="unplugged"):
        recorded.source.stop()


def test_stop_does_not_wait_for_sound(sounddevice: StandIn) -> None:
    """Nothing comes, and it stops at once; then it starts again."""
    for _ in range(2):
        sounddevice.opened.clear()
        recorded = Recorded(sounddevice)
        began = time.monotonic()
        recorded.source.stop()
        assert time.monotonic() - began < 0.5


def test_a_device_that_is_not_there(sounddevice: StandIn) -> None:
    """The text says how to find those that are."""
    sounddevice.missing = True
    source = MicrophoneSource("USB")
    source.start()
    while source.running:
        time.sleep(0.001)
    with pytest.raises(SourceError, match=r"'USB' cannot be opened: .*python -m sounddevice"):
        source.stop()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, and the library."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ConfigurationError, match=r"fastrtc-core\[microphone\].*libportaudio2"):
        MicrophoneSource()


NULL_DEVICE = """
import time
from fastrtc_core.sources import MicrophoneSource
source = MicrophoneSource(num_channels=2)
blocks = []
source.set_callback(lambda block: (blocks.append(block), time.sleep(0.001)))
with source:
    time.sleep(0.5)
assert len(blocks) > 10, len(blocks)
assert blocks[0].data.shape == (2, 960)
assert source.dropped > 0  # the null device is faster than time
print("recorded", len(blocks))
"""


@pytest.mark.skipif(
    importlib.util.find_spec("sounddevice") is None, reason="sounddevice is not installed"
)
def test_the_real_module_with_a_null_device(tmp_path: Path) -> None:
    """PortAudio itself opens, runs and closes; in a process of its own, with its own settings."""
    (tmp_path / ".asoundrc").write_text("pcm.!default { type null }\nctl.!default { type null }\n")
    run = subprocess.run(
        [sys.executable, "-c", NULL_DEVICE],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if "libportaudio2" in run.stderr or "PortAudio library not found" in run.stderr:
        pytest.skip("PortAudio is not installed: apt-get install libportaudio2")
    assert run.returncode == 0, run.stderr
    assert "recorded" in run.stdout
