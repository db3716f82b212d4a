"""Conversion of decoded audio by FFmpeg, on the thread that asks for it."""

from __future__ import annotations

import av
from av.filter import Graph
from av.filter.context import FilterContext


class AudioGraph:
    """Brings the frames of one stream to one format, layout and rate.

    It does what `av.AudioResampler` does, which starts a thread for each core and one more, and
    never uses them: none of its filters can share out its work. Here there are none, from PyAV 17
    on; PyAV 16 cannot be told.

    Args:
        format: FFmpeg's name of the sample format, `s16p` for example.
        layout: Of the channels, `stereo` for example.
        rate: In Hz.
    """

    def __init__(self, format: str, layout: str, rate: int) -> None:
        self._format = format
        self._layout = layout
        self._rate = rate
        self._graph: Graph | None = None
        self._source: FilterContext
        self._sink: FilterContext

    def push(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """Convert a frame; all are of the format, layout and rate of the first."""
        if self._graph is None:
            self._graph = self._build(frame)
        self._source.push(frame)
        return self._pull()

    def flush(self) -> list[av.AudioFrame]:
        """What is held back; the next frame is the first of another stream."""
        if self._graph is None:
            return []
        self._source.push(None)
        rest = self._pull()
        self._graph = None
        return rest

    def _build(self, frame: av.AudioFrame) -> Graph:
        graph = Graph()
        if hasattr(graph, "threads"):
            graph.threads = 1
        self._source = graph.add(
            "abuffer",
            sample_rate=str(frame.sample_rate),
            sample_fmt=frame.format.name,
            channel_layout=frame.layout.name,
        )
        target = graph.add(
            "aformat",  # FFmpeg puts a resampler in front of it
            sample_rates=str(self._rate),
            sample_fmts=self._format,
            channel_layouts=self._layout,
        )
        self._sink = graph.add("abuffersink")
        self._source.link_to(target)
        target.link_to(self._sink)
        graph.configure()
        return graph

    def _pull(self) -> list[av.AudioFrame]:
        frames = []
        try:
            while True:
                frames.append(self._sink.pull())
        except (av.error.BlockingIOError, av.error.EOFError):
            return frames  # type: ignore[return-value]
