"""The results as tables, on the terminal and in the documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .peers import OURS, PEERS
from .sockets import steady
from .statistics import ratio
from .video import PEERS as VIDEO_PEERS

Results = dict[str, Any]


class Figure(NamedTuple):
    """One line of the table.

    Attributes:
        title: With its unit.
        read: Takes it from the results of a peer; `None` where it is not there.
        format: How its value is written.
    """

    title: str
    read: Callable[[Any], float | None]
    format: str = "{:.3g}"


def path(*keys: str) -> Callable[[Any], float | None]:
    """Reads what lies under these keys."""

    def read(results: Any) -> float | None:
        for key in keys:
            if not isinstance(results, dict) or key not in results:
                return None
            results = results[key]
        return None if results is None else float(results)

    return read


def percent(read: Callable[[Any], float | None]) -> Callable[[Any], float | None]:
    """The same, times hundred."""

    def in_percent(results: Any) -> float | None:
        value = read(results)
        return None if value is None else 100 * value

    return in_percent


def held(encoding: str) -> Callable[[Any], float | None]:
    """How many sessions in this encoding hold real time, see `sockets.steady`."""

    def sessions(results: Any) -> float | None:
        return steady(results[encoding]) if encoding in results else None

    return sessions


FIGURES = [
    Figure("echo latency, one connection, p50 (ms)", path("alone", "p50")),
    Figure("echo latency, one connection, p95 (ms)", path("alone", "p95")),
    Figure("from offer to first media (ms)", path("alone", "first_media"), "{:.0f}"),
    Figure("connections on one core", path("capacity", "connections"), "{:.0f}"),
    Figure("CPU per connection-second at 16 connections (ms)", path("footprint", "cpu")),
    Figure("memory per connection (MB)", path("footprint", "memory"), "{:.2f}"),
    Figure("latency before one lost packet (ms)", path("one_lost_packet", "before")),
    Figure("latency 30 s after it (ms)", path("one_lost_packet", "after")),
    Figure("latency before a freeze of 1 s (ms)", path("freeze", "before")),
    Figure("latency 2 s after it (ms)", path("freeze", "after")),
    Figure("connected, nothing sent either way (% of a core)", path("idle"), "{:.2f}"),
    Figure("listening only (% of a core)", path("listening"), "{:.2f}"),
]

WEBSOCKET_FIGURES = [
    Figure("JSON: latency p50 (ms)", path("mulaw", "alone", "p50")),
    Figure("JSON: growth of latency (ms/s)", path("mulaw", "alone", "drift"), "{:.2f}"),
    Figure("JSON: sessions that hold real time on one core", held("mulaw"), "{:.0f}"),
    Figure("JSON: sessions, if latency may grow", path("mulaw", "connections"), "{:.0f}"),
    Figure("binary: sessions that hold real time on one core", held("pcm16"), "{:.0f}"),
]

LOSS_FIGURES = [
    Figure("frames that come back (%)", percent(path("rhythm")), "{:.1f}"),
    Figure("concealed among them (%)", percent(path("concealed")), "{:.1f}"),
    Figure("markers heard (%)", percent(path("heard")), "{:.0f}"),
    Figure("latency p50 (ms)", path("p50")),
    Figure("latency p95 (ms)", path("p95")),
]


def measured(results: Results) -> list[str]:
    """The names of the peers that were measured, ours first."""
    return [name for name, peer in results.get("peers", {}).items() if "skipped" not in peer]


def rows(results: Results) -> list[list[str]]:
    """The main table: a title, a value for each peer, our ratio to each other peer."""
    names = measured(results)
    others = [name for name in names if name != OURS]
    table = [
        ["", *(_title(results, name) for name in names)]
        + [f"ratio to {PEERS[name].title}" for name in others]
    ]
    for figure in FIGURES:
        values = {name: figure.read(results["peers"][name]) for name in names}
        table.append(
            [figure.title]
            + [_number(values[name], figure.format) for name in names]
            + [_number(ratio(values.get(OURS), values[name]), "{:.2g}") for name in others]
        )
    return table


def loss_rows(results: Results) -> list[list[str]]:
    """What comes back under loss."""
    names = measured(results)
    table = [["loss", "", *(_title(results, name) for name in names)]]
    kinds: list[str] = []
    for name in names:
        kinds += [kind for kind in results["peers"][name].get("loss", {}) if kind not in kinds]
    for kind in kinds:
        for figure in LOSS_FIGURES:
            values = [
                figure.read(results["peers"][name].get("loss", {}).get(kind)) for name in names
            ]
            table.append([kind, figure.title, *(_number(value, figure.format) for value in values)])
    return table


def websocket_rows(results: Results) -> list[list[str]]:
    """Sessions over WebSockets."""
    titles = {name: peer.title for name, peer in PEERS.items()}
    return _columns("WebSocket", results.get("websocket", {}), titles, WEBSOCKET_FIGURES)


def track_rows(results: Results) -> list[list[str]]:
    """Tracks without a network."""
    figures = [
        Figure("duplex pairs on one core", path("pairs"), "{:.0f}"),
        Figure("CPU per frame of 10 ms (µs)", path("us_per_frame"), "{:.0f}"),
        Figure("delivery p50 (ms)", path("delivery", "p50"), "{:.2f}"),
        Figure("delivery p99 (ms)", path("delivery", "p99"), "{:.2f}"),
    ]
    titles = {"ours": PEERS[OURS].title, "livekit": "LiveKit"}
    return _columns("tracks", results.get("tracks", {}), titles, figures)


def _columns(
    head: str, measured: dict[str, Any], titles: dict[str, str], figures: list[Figure]
) -> list[list[str]]:
    """A column for each of those that were measured."""
    found = {name: one for name, one in measured.items() if "skipped" not in one}
    table = [[head, *(f"{titles[name]} {one['version']}" for name, one in found.items())]]
    for figure in figures:
        values = [_number(figure.read(one), figure.format) for one in found.values()]
        table.append([figure.title, *values])
    return table


def channel_rows(results: Results) -> list[list[str]]:
    """Meetings in channels."""
    table = [
        [
            "channels",
            "CPU per second (ms)",
            "packets of who got least (%)",
            "latency p50 (ms)",
            "latency p95 (ms)",
        ]
    ]
    figures = [
        Figure("", path("cpu"), "{:.1f}"),
        Figure("", percent(path("delivered")), "{:.1f}"),
        Figure("", path("p50"), "{:.0f}"),
        Figure("", path("p95"), "{:.0f}"),
    ]
    for sample in results["channels"]["samples"]:
        values = [_number(figure.read(sample), figure.format) for figure in figures]
        table.append([_meeting(sample), *values])
    return table


def video_rows(results: Results) -> list[list[str]]:
    """Filters of pictures."""
    table = [
        [
            "flip of 640 × 480, 30 a second",
            "connections",
            "flash to flash p50 (ms)",
            "p95 (ms)",
            "pictures a second",
            "kb/s",
            "CPU per connection-second (ms)",
            "CPU per picture (ms)",
        ]
    ]
    fields = ("connections", "p50", "p95", "fps", "kbps", "cpu", "per_picture")
    for name, peer in results["video"].items():
        for sample in peer.get("samples", []):
            values = [_number(path(field)(sample), "{:.3g}") for field in fields]
            table.append([f"{VIDEO_PEERS[name].title} {peer['version']}", *values])
    return table


def _meeting(sample: Any) -> str:
    rooms = "one room" if sample["rooms"] == 1 else f"{sample['rooms']} rooms"
    others = "" if sample["muted"] else ", the others send nothing"
    return f"{rooms} of {sample['members']}, {sample['speaking']} speaking{others}"


def channel_points(channels: Any, field: str) -> list[tuple[int, float]]:
    """Cost against `members` of one room in which 4 speak at most, or against `rooms` of 4.

    The cost is in ms of CPU a second.
    """
    points = []
    for sample in channels["samples"]:
        if "cpu" not in sample or not sample["muted"]:
            continue
        speaking = min(4, sample["members"]) if field == "members" else 2
        alike = sample["rooms"] == 1 if field == "members" else sample["members"] == 4
        if alike and sample["speaking"] == speaking:
            points.append((sample[field], sample["cpu"]))
    return sorted(points)


TABLES: dict[str, tuple[Callable[[Results], list[list[str]]], ...]] = {
    "peers": (rows, loss_rows),
    "websocket": (websocket_rows,),
    "tracks": (track_rows,),
    "channels": (channel_rows,),
    "video": (video_rows,),
}
"""The tables of each part of a run."""


def channels_line(results: Results) -> str:
    """What one more participant costs."""
    silent, speaking, share = (
        _number(path(key)(results["channels"]), "{:.2f}") for key in ("silent", "speaking", "ratio")
    )
    return (
        f"One more participant of a channel costs {speaking} ms of CPU a second if it speaks, and "
        f"{silent} ms if it does not: {share} of it."
    )


def floor_line(results: Results) -> str:
    """The codec floor, and how far above it we are."""
    cpu = path("footprint", "cpu")(results["peers"].get(OURS, {}))
    return (
        f"Codec floor: {_number(results['floor'], '{:.2f}')} ms per connection-second; "
        f"fastrtc-core uses {_number(ratio(cpu, results['floor']), '{:.2f}')} times as much."
    )


def skipped_lines(results: Results) -> list[str]:
    """Which peers were not measured, and why."""
    return [
        f"{PEERS[name].title} was skipped: {peer['skipped']}."
        for name, peer in results["peers"].items()
        if "skipped" in peer
    ]


def plain(results: Results) -> str:
    """For a terminal."""
    return _report(results, _aligned)


def markdown(results: Results) -> str:
    """For the documentation."""
    return _report(results, _piped)


def _report(results: Results, write: Callable[[list[list[str]]], str]) -> str:
    """The tables of the parts that were measured, and what is to be said beside them."""
    parts = [write(table(results)) for part in TABLES if part in results for table in TABLES[part]]
    if "channels" in results:
        parts.append(channels_line(results))
    if "peers" in results:
        parts += [floor_line(results), *skipped_lines(results)]
    return "\n\n".join(parts)


def _title(results: Results, name: str) -> str:
    return f"{PEERS[name].title} {results['peers'][name]['version']}"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value) if value < 100 else f"{value:.0f}"


def _aligned(table: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def _piped(table: list[list[str]]) -> str:
    head, *body = table
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
