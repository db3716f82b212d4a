"""`Stream.run_source`: a handler over an input source, without a browser."""

from __future__ import annotations

import asyncio
import functools
import signal
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fastrtc_core import (
    AdditionalOutputs,
    AsyncStreamHandler,
    AudioFrame,
    CloseReason,
    CloseStream,
    ConcurrencyLimitError,
    ConfigurationError,
    SourceError,
    Stream,
    StreamHandler,
    UserExitError,
)
from fastrtc_core.sources import Block, CallbackSource, FileSource, SourceInterface, ToneSource
from fastrtc_core.testing import delay_of, speech_like
from fastrtc_handlers import Echo

from ..failures import Failure, every_failure, every_sync_failure, first


class Counter(AsyncStreamHandler):
    """Counts samples, and tells each second."""

    def __init__(self) -> None:
        super().__init__(input_sample_rate=16000)
        self.heard = 0

    def copy(self) -> Counter:
        return Counter()

    async def receive(self, frame: AudioFrame) -> None:
        self.heard += frame.samples_per_channel
        if self.heard % 16000 == 0:
            self.publish(self.heard, self.loop.time())

    async def emit(self) -> None:
        await asyncio.Event().wait()


class Slow(StreamHandler):
    """Takes its time on its thread, and says back what it hears."""

    def __init__(self) -> None:
        super().__init__(input_sample_rate=24000)
        self.frames: list[AudioFrame] = []
        self.heard = 0

    def copy(self) -> Slow:
        return Slow()

    def receive(self, frame: AudioFrame) -> None:
        time.sleep(0.002)
        self.heard += frame.samples_per_channel
        self.frames.append(frame)

    def emit(self) -> AudioFrame | None:
        return self.frames.pop(0) if self.frames else None

    def shutdown(self) -> None:
        self.publish(self.heard)


def fast(audio: AudioFrame) -> SourceInterface:
    """Some audio as a source that waits."""
    left = audio.data

    def read(count: int) -> Any:
        nonlocal left
        part, left = left[:, :count], left[:, count:]
        return part if part.shape[1] else None

    return CallbackSource(read, sample_rate=audio.sample_rate, real_time=False)


def read_wav(path: Path) -> AudioFrame:
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return AudioFrame(file.getframerate(), samples.reshape(-1, file.getnchannels()).T)


def stream(handler: Any, **options: Any) -> Stream:
    return Stream(handler, modality="audio", mode="send-receive", **options)


def test_an_echo_of_a_minute(tmp_path: Path) -> None:
    """In a moment, sample by sample, and as late as it would be in a call."""
    spoken = speech_like(60.0)
    out = tmp_path / "out.wav"
    began = time.monotonic()
    result = stream(Echo()).run_source(fast(spoken), out, tail=0.5)
    took = time.monotonic() - began
    print(f"{60 / took:.0f} times real time")
    heard = read_wav(out)
    delay, correlation = delay_of(heard.data, spoken.data, 48000)
    assert correlation > 0.999
    assert delay < 0.1
    assert result.duration == 60
    assert result.close_reason is CloseReason.CLIENT
    assert result.written == heard.duration
    assert 60 < result.written < 61
    assert took < 20


def test_nothing_is_lost_to_a_slow_handler(tmp_path: Path) -> None:
    """It is waited for, on its thread, however long it takes."""
    values: list[Any] = []
    result = stream(Slow()).run_source(
        ToneSource(sample_rate=24000, duration=4, real_time=False),
        tmp_path / "out.wav",
        tail=0,
        on_output=values.append,
    )
    assert values == [4 * 24000]
    assert result.dropped == 0
    data = read_wav(tmp_path / "out.wav").data[0]
    assert np.count_nonzero(np.abs(data) > 100) > 3.5 * 24000


def test_the_clock_of_the_handler_goes_by_the_samples() -> None:
    """Each second is a second, to the frame; outputs come in order and none is lost."""
    told: list[tuple[int, float]] = []
    stream(Counter()).run_source(
        ToneSource(sample_rate=16000, duration=120, real_time=False),
        tail=0,
        on_output=lambda *values: told.append(values),
    )
    assert [heard for heard, _ in told] == [16000 * n for n in range(1, 121)]
    assert all(abs(when - heard / 16000) < 0.06 for heard, when in told)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_the_sink_is_a_file_of_any_kind(tmp_path: Path, suffix: str) -> None:
    """That others can read."""
    path = tmp_path / f"out.{suffix}"
    handler = Echo()
    stream(handler).run_source(ToneSource(440, duration=1.0, real_time=False), path, tail=0)
    with av.open(str(path)) as file:
        frames = list(file.decode(audio=0))
    assert abs(sum(frame.samples for frame in frames) / frames[0].sample_rate - 1.0) < 0.15


@pytest.mark.parametrize("is_async", [False, True])
def test_the_sink_is_a_function(is_async: bool) -> None:
    """A sync one gets a thread of its own."""
    threads: set[str] = set()
    frames: list[AudioFrame] = []

    def take(frame: AudioFrame) -> None:
        threads.add(threading.current_thread().name)
        frames.append(frame)

    async def take_async(frame: AudioFrame) -> None:
        take(frame)

    sink = take_async if is_async else take
    stream(Echo()).run_source(ToneSource(440, duration=1.0, real_time=False), sink, tail=0)
    assert abs(sum(frame.duration for frame in frames) - 1.0) < 0.1
    assert threads == {threading.current_thread().name if is_async else "sink"}


def test_real_time_and_a_hole(tmp_path: Path) -> None:
    """A live source is not waited for; what it lost is silence of the same length."""
    spoken = speech_like(1.0)

    class Live(SourceInterface):
        def start(self) -> None:
            self.thread = threading.Thread(target=self.run)
            self.thread.start()

        def stop(self) -> None:
            self.thread.join()

        def run(self) -> None:
            for start in range(0, 48000, 960):
                time.sleep(0.015)
                if start != 24000:
                    data = np.ascontiguousarray(spoken.data[:, start : start + 960])
                    self._emit(Block(data, 48000, start))
            self._report_end()

    out = tmp_path / "out.wav"
    began = time.monotonic()
    result = stream(Echo()).run_source(Live(), out, tail=0.3)
    assert 0.9 < time.monotonic() - began < 3
    assert result.duration == 1.0
    assert delay_of(read_wav(out).data, spoken.data, 48000)[1] > 0.9


def test_a_handler_may_sleep() -> None:
    """Time passes for it in real life while no sample comes."""

    class Sleeper(Counter):
        def copy(self) -> Sleeper:
            return Sleeper()

        async def start_up(self) -> None:
            await asyncio.sleep(0.05)

        async def receive(self, frame: AudioFrame) -> None:
            await asyncio.sleep(0.001)
            await super().receive(frame)

        async def shutdown(self) -> None:
            await asyncio.sleep(0.05)
            self.publish("slept", self.heard)

    told: list[Any] = []
    stream(Sleeper()).run_source(
        ToneSource(sample_rate=16000, duration=1.0, real_time=False),
        tail=0,
        on_output=lambda *values: told.append(values),
    )
    assert told[-1] == ("slept", 16000)


def test_errors_of_the_handler_are_kept_and_the_run_goes_on() -> None:
    """As a client would be told of them."""

    class Failing(Counter):
        def copy(self) -> Failing:
            return Failing()

        async def receive(self, frame: AudioFrame) -> None:
            await super().receive(frame)
            if self.heard == 1600:
                raise ValueError("the fifth frame")

    told: list[Any] = []
    result = stream(Failing()).run_source(
        ToneSource(sample_rate=16000, duration=2.0, real_time=False),
        tail=0,
        on_output=lambda *values: told.append(values[0]),
    )
    assert told == [16000, 32000]
    assert len(result.errors) == 1


def test_an_error_of_the_source_ends_the_run(tmp_path: Path) -> None:
    """After what came before it, and the output is a whole file."""
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    good = tmp_path / "good.wav"
    good.write_bytes(speech_like(0.5).to_wav_bytes())
    source = FileSource([good, tmp_path / "bad.wav"], real_time=False)
    with pytest.raises(SourceError, match=r"bad\.wav"):
        stream(Echo()).run_source(source, tmp_path / "out.wav")
    assert read_wav(tmp_path / "out.wav").duration > 0.45


def test_an_error_of_the_sink_ends_the_run() -> None:
    """It is raised, and nothing is left."""

    def fail(frame: AudioFrame) -> None:
        raise OSError("the disk is full")

    source = ToneSource(real_time=False)
    with pytest.raises(OSError, match="the disk is full"):
        stream(Echo()).run_source(source, fail)
    assert not source.running


@every_failure
def test_a_sink_that_fails_ends_the_run(failure: Failure) -> None:
    """Whatever it raises, it is an error of the run, and the program goes on."""
    source = ToneSource(real_time=False)
    with pytest.raises(failure.error):
        stream(Echo()).run_source(source, failure.function)
    assert not source.running


@every_failure
def test_outputs_that_cannot_be_taken(failure: Failure, caplog: pytest.LogCaptureFixture) -> None:
    """An error loses one of them and is logged; only an exit ends the run, and not the program."""
    taken: list[Any] = []
    on_output = first(failure, lambda *args: taken.append(args[0]))
    source = ToneSource(duration=5, real_time=False)
    run = functools.partial(stream(Counter()).run_source, source, on_output=on_output, tail=0)
    if failure.error is UserExitError:
        with pytest.raises(UserExitError, match="no model"):
            run()
        assert not taken
    else:
        run()
        assert taken == [32000, 48000, 64000, 80000]
        assert [record.getMessage() for record in caplog.records] == ["on_output failed"]


@every_sync_failure
def test_a_source_that_fails_ends_the_run(failure: Failure) -> None:
    """As an error that the caller can catch."""

    class Broken(ToneSource):
        def _run(self) -> None:
            failure.function()

    with pytest.raises(failure.error):
        stream(Counter()).run_source(Broken(real_time=False))


def test_channels_have_to_be_chosen() -> None:
    """Of a source with four."""
    with pytest.raises(ConfigurationError, match="4 channels"):
        stream(Counter()).run_source(ToneSource([1, 2, 3, 4], duration=1, real_time=False))
    result = stream(Counter()).run_source(
        ToneSource([1, 2, 3, 4], duration=1, real_time=False), channels=(0, 3)
    )
    assert result.duration == 1.0


def test_the_handler_can_end_it() -> None:
    """`CloseStream` ends the run in the middle of an endless source."""

    class Closing(Counter):
        def copy(self) -> Closing:
            return Closing()

        async def emit(self) -> Any:
            return CloseStream("enough") if self.heard >= 16000 else None

    source = ToneSource(sample_rate=16000, real_time=False)
    result = stream(Closing()).run_source(source)
    assert result.close_reason is CloseReason.CLOSE_STREAM
    assert 1.0 <= result.duration < 3
    assert not source.running


def test_limits_and_hooks_hold() -> None:
    """The time limit in the time of the samples, the slots, and who connects."""
    events: list[Any] = []
    limited = stream(
        Counter(),
        time_limit=30,
        concurrency_limit=1,
        on_connect=lambda context: events.append(context.transport),
        on_disconnect=lambda reason: events.append(reason),
    )

    def again(*values: Any) -> None:
        if values[0] == 16000:
            with pytest.raises(ConcurrencyLimitError):
                limited.run_source(ToneSource(duration=1, real_time=False))
            events.append(limited.sessions)

    result = limited.run_source(ToneSource(real_time=False), on_output=again)
    assert result.close_reason is CloseReason.TIME_LIMIT
    # And what the source had delivered when that was noticed.
    assert 29 < result.duration < 35
    assert events == ["source", 1, CloseReason.TIME_LIMIT]
    assert limited.sessions == 0


def test_arguments_are_handed_over() -> None:
    """The additional inputs."""

    class Asked(Counter):
        def copy(self) -> Asked:
            return Asked()

        async def start_up(self) -> None:
            await self.wait_for_args()
            self.publish(self.latest_args[1:])

    told: list[Any] = []
    stream(Asked()).run_source(
        ToneSource(duration=0.1, real_time=False), args=["de", 3], on_output=told.append, tail=0
    )
    assert told == [["de", 3]]


async def test_not_on_a_loop_that_runs() -> None:
    """It says what to do; on a thread it works."""
    source = ToneSource(duration=0.2, real_time=False)
    with pytest.raises(RuntimeError, match=r"asyncio\.to_thread"):
        stream(Counter()).run_source(source)
    result = await asyncio.to_thread(stream(Counter()).run_source, source, tail=0)
    assert result.duration == pytest.approx(0.2)


def test_what_cannot_be_run_is_refused(tmp_path: Path) -> None:
    """A handler that hears nothing, and a sink that cannot be written."""

    def talk() -> Any:
        yield AdditionalOutputs(1)

    silent = Stream(talk, modality="audio", mode="receive")
    with pytest.raises(ConfigurationError, match="hears no source"):
        silent.run_source(ToneSource())
    for name in ("no/such/folder.wav", "out.nonsense"):
        with pytest.raises(ConfigurationError, match="cannot be written"):
            stream(Echo()).run_source(ToneSource(duration=1, real_time=False), tmp_path / name)


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """On one line of standard error."""
    source = ToneSource(duration=2.0, real_time=False)
    stream(Counter()).run_source(source, tail=0, progress=True)
    shown = capsys.readouterr()
    assert "2.0 s of 2.0 s (100%)" in shown.err
    assert shown.err.count("\n") == 1
    assert not shown.out


ENDLESS = """
import sys
from fastrtc_core import Stream
from fastrtc_core.sources import ToneSource
from fastrtc_handlers import Echo

source = ToneSource(real_time=False)
stream = Stream(Echo(), modality="audio", mode="send-receive")
try:
    stream.run_source(source, sys.argv[1], on_output=print, progress=True)
except KeyboardInterrupt:
    print("interrupted", source.running, stream.sessions)
"""


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    """In the middle of an endless source; the file is whole."""
    out = tmp_path / "out.wav"
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # A parent that ignores the signal would hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not out.exists() or out.stat().st_size < 500_000:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[0] == "interrupted False 0\n"
    assert read_wav(out).duration > 5
