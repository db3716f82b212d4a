"""`GStreamerSource`: whatever a GStreamer pipeline can read."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError, SourceError
from ..extras import import_extra
from ..frames import FRAME_DURATION
from .aligner import ChannelAligner
from .block import Block
from .source import Source

PULL_TIMEOUT = 0.02
"""How long in s one appsink is waited for before it is the turn of the next."""

QUEUED_BUFFERS = 100
"""Buffers that an appsink holds at most. A live pipeline drops the oldest, others wait."""

TOLERANCE = 0.001
"""How far in s the time of a buffer may be off before samples are taken to be missing."""

_INSTALL = (
    "; it needs GStreamer as well: on Debian the packages gir1.2-gstreamer-1.0, "
    "gstreamer1.0-plugins-base and gstreamer1.0-plugins-good, and to build PyGObject "
    "libgirepository1.0-dev, libcairo2-dev, pkg-config and gcc"
)


class GStreamerSource(Source):
    """Runs a pipeline and takes the audio that reaches its appsinks; extra `gstreamer`.

    `GStreamerSource("audiotestsrc is-live=true ! audioconvert ! audioresample ! appsink")`. With
    several appsinks, the channels of all are put side by side, in the order in which they stand in
    the pipeline, and aligned by the times of their buffers.

    Args:
        pipeline: A description in the syntax of `gst-launch-1.0`. Each appsink gets 16-bit samples;
            put `audioconvert ! audioresample` before it.
        sample_rate: Rate in Hz that every appsink asks for.
        num_channels: The same for the number of channels; any by default.
        real_time: Whether the pipeline runs by its clock, and drops the oldest when the callback is
            slow; else it runs as fast as it is read, and waits.
        max_skew: How far in s one appsink may be ahead of another; see `ChannelAligner`.

    Raises:
        ConfigurationError: If the pipeline cannot be made, which the text explains, or the extra is
            missing.
    """

    def __init__(
        self,
        pipeline: str,
        *,
        sample_rate: int = 48000,
        num_channels: int | None = None,
        real_time: bool = True,
        max_skew: float = 0.5,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.live = self.real_time = real_time
        self._description = pipeline
        self._num_channels = num_channels
        self._max_skew = max_skew
        self._gst = _load()
        self._make()  # so that a mistake is told here and now

    def _run(self) -> None:
        gst = self._gst
        pipeline, sinks = self._make()
        bus = pipeline.get_bus()
        failure: str | None = None
        try:
            if pipeline.set_state(gst.State.PLAYING) == gst.StateChangeReturn.FAILURE:
                self._check(bus, certain=True)
            self._pull(bus, [_Sink(gst, sink, self.sample_rate) for sink in sinks])
        except SourceError as error:
            failure = str(error)
        finally:
            pipeline.set_state(gst.State.NULL)
        # Who keeps the error must not keep the pipeline, through the frames of its traceback.
        del pipeline, sinks, bus
        if failure is not None:
            raise SourceError(failure)

    def _pull(self, bus: Any, sinks: list[_Sink]) -> None:
        """Turn from appsink to appsink until all have ended."""
        joined: ChannelAligner | None = None
        early: list[tuple[int, Block]] = []
        while self._continue and not all(sink.ended for sink in sinks):
            for index, sink in enumerate(sinks):
                block = None if sink.ended else sink.pull()
                self._check(bus)
                if block is not None and len(sinks) == 1:
                    self._emit(block)
                elif block is not None and joined is not None:
                    self._emit_all(joined.push(index, block))
                elif block is not None:
                    early.append((index, block))
                elif sink.ended and joined is not None:
                    self._emit_all(joined.end(index))
            if joined is None and all(sink.num_channels or sink.ended for sink in sinks):
                # Only now is known how many channels each of them has.
                joined = self._aligner(sinks)
                for index, block in early:
                    self._emit_all(joined.push(index, block))
        if joined is not None:
            self._emit_all(joined.flush())

    def _aligner(self, sinks: list[_Sink]) -> ChannelAligner:
        size = round(self.sample_rate * FRAME_DURATION)
        widths = [sink.num_channels or 1 for sink in sinks]
        return ChannelAligner(widths, self.sample_rate, size, max_skew=self._max_skew, start=0)

    def _emit_all(self, blocks: list[Block]) -> None:
        for block in blocks:
            self._emit(block)

    def _check(self, bus: Any, certain: bool = False) -> None:
        """Raise what the pipeline has to complain about."""
        kind = self._gst.MessageType.ERROR
        message = bus.timed_pop_filtered(self._gst.SECOND if certain else 0, kind)
        if message is not None:
            error, _ = message.parse_error()
            raise SourceError(f"the pipeline has failed: {message.src.get_name()}: {error.message}")
        if certain:
            raise SourceError(f"the pipeline does not start: {self._description}")

    def _make(self) -> tuple[Any, list[Any]]:
        gst = self._gst
        try:
            pipeline = gst.parse_launch(self._description)
        except Exception as error:  # GLib.Error, of a module that may not be there
            raise ConfigurationError(
                f"the pipeline cannot be made: {getattr(error, 'message', error)}; "
                "`gst-inspect-1.0` lists the elements that are installed"
            ) from None
        sinks = _appsinks(gst, pipeline)
        if not sinks:
            raise ConfigurationError("the pipeline has no appsink: end it with `! appsink`")
        caps = f"audio/x-raw,format=S16LE,layout=interleaved,rate={self.sample_rate}"
        if self._num_channels is not None:
            caps += f",channels={self._num_channels}"
        for sink in sinks:
            sink.set_property("caps", gst.Caps.from_string(caps))
            sink.set_property("max-buffers", QUEUED_BUFFERS)
            sink.set_property("drop", self.live)
            sink.set_property("sync", self.live)
        return pipeline, sinks


class _Sink:
    """One appsink, and where it is on the sample clock."""

    def __init__(self, gst: Any, sink: Any, sample_rate: int) -> None:
        self._gst = gst
        self._second = int(gst.SECOND)
        self._sink = sink
        self._rate = sample_rate
        self._next: int | None = None
        self.num_channels = 0
        self.ended = False

    def pull(self) -> Block | None:
        """The next buffer, if one comes soon."""
        sample = self._sink.emit("try-pull-sample", round(PULL_TIMEOUT * self._gst.SECOND))
        if sample is None:
            self.ended = bool(self._sink.get_property("eos"))
            return None
        self.num_channels = sample.get_caps().get_structure(0).get_value("channels")
        buffer = sample.get_buffer()
        raw = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), "<i2")
        data: NDArray[np.int16] = np.ascontiguousarray(raw.reshape(-1, self.num_channels).T)
        expected, pts = self._next or 0, self._pts(sample, buffer)
        # Times are rounded to ns; samples that follow on stay exact.
        lost = abs(pts - expected) > TOLERANCE * self._rate
        pts = pts if lost else expected
        discontinuity = lost and self._next is not None
        self._next = pts + data.shape[1]
        return Block(data, self._rate, pts, discontinuity)

    def _pts(self, sample: Any, buffer: Any) -> int:
        if buffer.pts == self._gst.CLOCK_TIME_NONE:
            return self._next or 0
        time: int = sample.get_segment().to_running_time(self._gst.Format.TIME, buffer.pts)
        return round(time * self._rate / self._second)


def _load() -> Any:
    gi = import_extra("gi", extra="gstreamer", used_by="GStreamerSource", hint=_INSTALL)
    try:
        gi.require_version("Gst", "1.0")
        gst = importlib.import_module("gi.repository.Gst")
    except (ValueError, ImportError) as error:
        raise ConfigurationError(f"GStreamerSource needs GStreamer: {error}{_INSTALL}") from None
    gst.init(None)
    return gst


def _appsinks(gst: Any, pipeline: Any) -> list[Any]:
    """The appsinks, in the order in which they were made."""
    if not isinstance(pipeline, gst.Bin):
        return [pipeline] if pipeline.get_factory().get_name() == "appsink" else []
    found: list[Any] = []
    iterator = pipeline.iterate_sinks()
    while True:
        result, element = iterator.next()
        if result != gst.IteratorResult.OK:
            return found[::-1]  # the newest comes first
        if element.get_factory().get_name() == "appsink":
            found.append(element)
