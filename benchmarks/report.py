"""The results as a table."""

from __future__ import annotations

from typing import Any


def table(peers: dict[str, Any]) -> str:
    """One line for each figure, one column for each peer, ratios to FastRTC where it ran."""
    rows = [
        ("echo latency, one connection, p50 (ms)", lambda p: p["alone"]["p50"]),
        ("echo latency, one connection, p95 (ms)", lambda p: p["alone"]["p95"]),
        ("offer to first media (ms)", lambda p: p["alone"]["first_media"]),
        ("latency 2 s after a freeze of 1 s (ms)", lambda p: p["freeze"]["after"]),
        ("connections on one core", lambda p: p["connections"]),
        ("CPU per connection-second at 16 (ms)", lambda p: _at(p, 16, "cpu")),
        ("memory per connection (MB)", _memory),
    ]
    names = [name for name in peers if "skipped" not in peers[name]]
    lines = [f"{'':44}" + "".join(f"{name:>14}" for name in names)]
    for title, read in rows:
        values = [read(peers[name]) for name in names]
        lines.append(f"{title:44}" + "".join(f"{_number(value):>14}" for value in values))
    lines += [
        f"{name}: skipped, {peers[name]['skipped']}" for name in peers if "skipped" in peers[name]
    ]
    return "\n".join(lines)


def _at(peer: dict[str, Any], connections: int, figure: str) -> float | None:
    for sample in peer["load"]:
        if sample["connections"] == connections:
            return float(sample[figure])
    return None


def _memory(peer: dict[str, Any]) -> float | None:
    """The slope from the first to the last load."""
    first, last = peer["alone"], peer["load"][-1]
    more = last["connections"] - first["connections"]
    return (last["memory"] - first["memory"]) / more if more else None


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"
