"""Prometheus metrics: the route `/metrics`, and collectors for your own registry.

Values are read from snapshots while a scrape runs. Between scrapes metrics cost nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ..extras import import_extra
from ..registry import Registry
from ..room.snapshot import RoomSnapshot
from ..session.turn_totals import BOUNDS as TURN_BOUNDS
from ..session.turn_totals import Histogram
from .lag import BOUNDS, LoopLag

if TYPE_CHECKING:
    from prometheus_client import Metric

PREFIX = "fastrtc_"


class StreamMetrics:
    """A collector of `prometheus_client` for one stream.

    Args:
        registry: Its sessions.
        lag: Lag of its event loop, if it is measured.
        labels: Added to every sample, such as `{"stream": "support"}`.

    Raises:
        ConfigurationError: If the extra `metrics` is not installed.
    """

    def __init__(
        self,
        registry: Registry,
        lag: LoopLag | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._registry = registry
        self._lag = lag
        self._families = Families(labels)

    def collect(self) -> Iterator[Metric]:
        """The present samples; safe from any thread."""
        new = self._families
        now = self._registry.snapshot()
        totals = now.totals
        sessions = [one for one in now.sessions.values() if one is not None]

        yield new.gauge(
            "sessions",
            "Sessions at present.",
            ("transport", "state"),
            Counter((one.transport, one.state) for one in sessions),
        )
        connecting = now.entering + sum(one is None for one in now.sessions.values())
        yield new.gauge("connecting", "Clients that are connecting.", (), {(): connecting})
        if (limit := self._registry.concurrency_limit) is not None:
            yield new.gauge("sessions_limit", "concurrency_limit of the stream.", (), {(): limit})
        yield new.gauge(
            "draining",
            "1 while the server shuts down.",
            (),
            {(): now.draining},
        )
        yield new.counter(
            "sessions_ended",
            "Ended sessions.",
            ("transport", "reason"),
            {
                (transport, reason): number
                for transport, reasons in totals.ended.items()
                for reason, number in reasons.items()
            },
        )
        yield new.counter(
            "offers_refused", "Refused offers, by error code.", ("reason",), _keyed(totals.refused)
        )
        yield new.counter(
            "audio_packets",
            "Packets of incoming audio.",
            ("outcome",),
            _keyed(totals.packets),
        )
        yield new.counter(
            "audio_frames_concealed",
            "Frames of incoming audio that were concealed because packets were missing.",
            (),
            {(): totals.concealed},
        )
        yield new.counter(
            "audio_frames_silent",
            "Concealed frames that are plain silence.",
            (),
            {(): totals.silent},
        )
        networks = [one.network for one in sessions if one.network is not None]
        yield new.gauge(
            "audio_jitter_seconds",
            "Interarrival jitter (RFC 3550) of incoming audio, over present sessions.",
            ("statistic",),
            _mean_and_largest([network.jitter for network in networks]),
        )
        yield new.gauge(
            "audio_jitter_buffer_seconds",
            "Depth of the jitter buffers, over present sessions.",
            ("statistic",),
            _mean_and_largest([network.depth for network in networks]),
        )
        waiting: Counter[str] = Counter()
        for one in sessions:
            waiting.update(one.waiting)
        yield new.gauge("queue_items", "Items waiting in queues.", ("queue",), _keyed(waiting))
        yield new.counter(
            "queue_dropped",
            "Items dropped by full queues.",
            ("queue",),
            _keyed(totals.dropped),
        )
        yield new.counter(
            "messages_malformed",
            "Client messages that could not be parsed.",
            (),
            {(): totals.malformed},
        )
        yield new.counter(
            "turns",
            "Turns of users, by what became of the answer.",
            ("outcome",),
            _keyed(totals.turns.ended),
        )
        yield new.histogram(
            "turn_gap_seconds",
            "Silence before answers, from the end of the speech to the first sound.",
            (),
            {(): totals.turns.gap},
        )
        yield new.histogram(
            "turn_stage_seconds",
            "The same silence, by its stages.",
            ("stage",),
            {(name,): stage for name, stage in totals.turns.stages.items()},
        )
        if self._lag is not None:
            yield new.lag(self._lag)


class EngineMetrics:
    """A collector of `prometheus_client` for the channels of an engine.

    Args:
        snapshot: Returns its rooms, the number of connecting browsers, and of dropped events.
        lag: Lag of its event loop, if it is measured.
        labels: Added to every sample.

    Raises:
        ConfigurationError: If the extra `metrics` is not installed.
    """

    def __init__(
        self,
        snapshot: Callable[[], tuple[Iterable[RoomSnapshot], int, int]],
        lag: LoopLag | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._lag = lag
        self._families = Families(labels)

    def collect(self) -> Iterator[Metric]:
        """The present samples. Call it on the event loop of the engine."""
        new = self._families
        rooms, connecting, dropped = self._snapshot()
        rooms = list(rooms)
        yield new.gauge("channels", "Channels with members.", (), {(): len(rooms)})
        members = [member for room in rooms for member in room.members.values()]
        yield new.gauge(
            "channel_members",
            "Members of channels.",
            ("kind",),
            Counter((member.kind,) for member in members),
        )
        yield new.gauge("connecting", "Browsers that are connecting.", (), {(): connecting})
        yield new.gauge(
            "channel_characters_waiting",
            "Characters of messages waiting to be sent to browsers.",
            (),
            {(): sum(member.waiting for member in members)},
        )
        yield new.gauge(
            "channel_calls", "Running remote calls.", (), {(): sum(one.calls for one in members)}
        )
        yield new.counter(
            "channel_events_dropped",
            "Events dropped because a callback was slow.",
            (),
            {(): dropped},
        )
        if self._lag is not None:
            yield new.lag(self._lag)


class Collectors:
    """Several collectors as one, for a registry: each metric stands once, with all of its samples.

    Args:
        collectors: Of streams and engines, each with labels of its own.
    """

    def __init__(self, *collectors: StreamMetrics | EngineMetrics) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Metric]:
        """The present samples of all."""
        families: dict[str, Metric] = {}
        for collector in self._collectors:
            for family in collector.collect():
                if family.name in families:
                    families[family.name].samples += family.samples
                else:
                    families[family.name] = family
        yield from families.values()


class Families:
    """Builds metric families that share a set of labels."""

    def __init__(self, labels: Mapping[str, str] | None = None) -> None:
        import_extra("prometheus_client", extra="metrics", used_by="metrics for Prometheus")
        self._made = import_module("prometheus_client.core")
        self._labels = dict(labels or {})

    def gauge(
        self, name: str, text: str, labels: tuple[str, ...], samples: Mapping[Any, float]
    ) -> Metric:
        """A gauge; `samples` maps the values of `labels` to numbers."""
        return self._fill(self._made.GaugeMetricFamily, name, text, labels, samples)

    def counter(
        self, name: str, text: str, labels: tuple[str, ...], samples: Mapping[Any, float]
    ) -> Metric:
        """A counter; `_total` is appended to its name."""
        return self._fill(self._made.CounterMetricFamily, name, text, labels, samples)

    def histogram(
        self,
        name: str,
        text: str,
        labels: tuple[str, ...],
        samples: Mapping[Any, Histogram],
    ) -> Metric:
        """A histogram of what happens in turns."""
        metric = self._made.HistogramMetricFamily(
            PREFIX + name, text, labels=[*self._labels, *labels]
        )
        for values, one in sorted(samples.items()):
            buckets = _buckets(TURN_BOUNDS, one.counts)
            metric.add_metric([*self._labels.values(), *values], buckets, one.total)
        return metric  # type: ignore[no-any-return]

    def lag(self, lag: LoopLag) -> Metric:
        """The histogram of event-loop lag."""
        metric = self._made.HistogramMetricFamily(
            PREFIX + "event_loop_lag_seconds",
            "How late timers of the event loop fire.",
            labels=list(self._labels),
        )
        buckets = _buckets(BOUNDS, list(lag.counts))
        metric.add_metric(list(self._labels.values()), buckets, lag.total)
        return metric  # type: ignore[no-any-return]

    def _fill(
        self,
        family: Any,
        name: str,
        text: str,
        labels: tuple[str, ...],
        samples: Mapping[Any, float],
    ) -> Metric:
        metric = family(PREFIX + name, text, labels=[*self._labels, *labels])
        for values, number in sorted(samples.items()):
            metric.add_metric([*self._labels.values(), *values], number)
        return metric  # type: ignore[no-any-return]


def add_metrics_route(router: APIRouter, collector: StreamMetrics | EngineMetrics) -> None:
    """Add `/metrics`, in the text format that the `Accept` header prefers."""
    from prometheus_client.exposition import choose_encoder

    class One:
        """What the encoder takes for a registry: just this collector."""

        def collect(self) -> Iterator[Metric]:
            return collector.collect()

    @router.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Metrics for Prometheus."""
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(One()), headers={"content-type": media_type})


def _buckets(bounds: Iterable[float], counts: list[int]) -> list[tuple[str, int]]:
    """Counts as Prometheus has them: each with those below."""
    limits = [*map(str, bounds), "+Inf"]
    return list(zip(limits, accumulate(counts), strict=True))


def _keyed(counts: Mapping[str, int]) -> dict[tuple[str], int]:
    return {(name,): count for name, count in counts.items()}


def _mean_and_largest(values: list[float]) -> dict[tuple[str], float]:
    if not values:
        return {}
    return {("mean",): sum(values) / len(values), ("max",): max(values)}
