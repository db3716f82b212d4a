"""Plots of the results, as SVG.

Text and axes have a grey that can be read on a light page and on a dark one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from .peers import OURS, PEERS
from .report import Results, channel_points, measured, path

WIDTH = 640
BAR = 26
LABEL = 130
OUR_COLOUR = "#2f7de1"
PEER_COLOUR = "#9aa4b2"
TEXT_COLOUR = "#7a8594"


def all_plots(results: Results) -> dict[str, str]:
    """The SVG of every plot, by its file name."""
    plots = {"channels.svg": channel_panels(results["channels"])} if "channels" in results else {}
    if "peers" not in results:
        return plots
    return plots | {
        "latency.svg": bars(results, "Added latency of an echo, p50", "ms", path("alone", "p50")),
        "connections.svg": bars(
            results, "Connections on one core", "", path("capacity", "connections")
        ),
        "cpu.svg": bars(
            results,
            "CPU time per connection and second, at 16 connections",
            "ms",
            path("footprint", "cpu"),
            floor=results["floor"],
        ),
        "memory.svg": bars(results, "Memory per connection", "MB", path("footprint", "memory")),
        "loss.svg": lines(results),
    }


def bars(
    results: Results,
    title: str,
    unit: str,
    read: Callable[[Any], float | None],
    floor: float | None = None,
) -> str:
    """One bar for each peer, its value beside it; a floor is a bar of its own."""
    values = [
        (PEERS[name].title, read(results["peers"][name]), name == OURS)
        for name in measured(results)
    ]
    if floor is not None:
        values.append(("codec floor", floor, False))
    most = max((value for _, value, _ in values if value is not None), default=0) or 1
    height = 44 + (BAR + 10) * len(values)

    def draw() -> Iterator[str]:
        yield _text(0, 18, title, size=15, weight="bold")
        for number, (name, value, ours) in enumerate(values):
            y = 36 + (BAR + 10) * number
            yield _text(0, y + BAR * 0.7, name)
            if value is None:
                yield _text(LABEL, y + BAR * 0.7, "not measured")
                continue
            width = max(1.0, (WIDTH - LABEL - 110) * value / most)
            yield _bar(LABEL, y, width, OUR_COLOUR if ours else PEER_COLOUR)
            yield _text(LABEL + width + 8, y + BAR * 0.7, f"{value:.3g} {unit}".strip())

    return _svg(height, title, draw())


def lines(results: Results) -> str:
    """How many frames come back, over the share of packets that is lost at random."""
    title = "Frames that come back, over packets lost on the way to the server"
    left, top, width, height = 60, 50, WIDTH - 220, 220
    most_lost = 10.0

    def place(lost: float, back: float) -> tuple[float, float]:
        return left + width * lost / most_lost, top + height * (1 - back)

    def draw() -> Iterator[str]:
        yield _text(0, 18, title, size=15, weight="bold")
        for share in (0, 25, 50, 75, 100):
            _, y = place(0, share / 100)
            yield _line(left, y, left + width, y, TEXT_COLOUR, 0.4)
            yield _text(left - 8, y + 4, f"{share} %", anchor="end")
        for lost in (0, 1, 5, 10):
            x, _ = place(lost, 0)
            yield _text(x, top + height + 20, f"{lost} %", anchor="middle")
        ends: list[float] = []
        for name in measured(results):
            kinds = results["peers"][name].get("loss", {})
            points = [place(0, 1)]
            for lost in (1, 5, 10):
                back = path(f"{lost} %", "rhythm")(kinds)
                if back is not None:
                    points.append(place(lost, min(1.0, back)))
            colour = OUR_COLOUR if name == OURS else PEER_COLOUR
            for (x1, y1), (x2, y2) in itertools.pairwise(points):
                yield _line(x1, y1, x2, y2, colour, 2.5)
            x, y = points[-1]
            while any(abs(y - end) < 16 for end in ends):  # labels must not cover each other
                y += 16
            ends.append(y)
            yield _text(x + 8, y + 4, PEERS[name].title)

    return _svg(top + height + 40, title, draw())


def channel_panels(channels: Any) -> str:
    """What channels cost: against participants of one room, and against rooms."""
    title = "CPU time of a second of channels"
    panels = [
        ("participants of one room, up to 4 speaking", channel_points(channels, "members")),
        ("rooms of 4, 2 speaking", channel_points(channels, "rooms")),
    ]
    left, top, width, height = 60, 60, (WIDTH - 140) / 2, 200
    values = [cost for _, points in panels for _, cost in points]
    step = _step(max(values, default=1.0))
    most = step * math.ceil(max(values, default=1.0) / step)

    def draw() -> Iterator[str]:
        yield _text(0, 18, title, size=15, weight="bold")
        for number, (name, points) in enumerate(panels):
            x0 = left + number * (width + 60)
            last = max((x for x, _ in points), default=1)
            yield _text(x0, 44, name)
            for tick in range(round(most / step) + 1):
                y = top + height * (1 - tick * step / most)
                yield _line(x0, y, x0 + width, y, TEXT_COLOUR, 0.4)
                if number == 0:
                    yield _text(x0 - 8, y + 4, f"{tick * step:.0f} ms", anchor="end")
            places = [
                (x0 + width * x / last, top + height * (1 - cost / most)) for x, cost in points
            ]
            for (x1, y1), (x2, y2) in itertools.pairwise(places):
                yield _line(x1, y1, x2, y2, OUR_COLOUR, 2.5)
            for (x, y), (count, _) in zip(places, points, strict=True):
                yield _dot(x, y, OUR_COLOUR)
                yield _text(x, top + height + 20, str(count), anchor="middle")

    return _svg(top + height + 40, title, draw())


def _step(most: float) -> float:
    """Between two lines of a grid: 1, 2 or 5 times a power of ten, so that there are 3 to 7."""
    power: float = 10 ** math.floor(math.log10(most / 3)) if most > 0 else 1.0
    return next(power * factor for factor in (1, 2, 5, 10) if most / (power * factor) <= 7)


def _svg(height: float, title: str, content: Iterator[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" role="img" font-family="sans-serif">',
            f"<title>{escape(title)}</title>",
            *content,
            "</svg>\n",
        ]
    )


def _text(
    x: float, y: float, text: str, size: int = 13, weight: str = "normal", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{TEXT_COLOUR}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" rx="3" fill="{colour}"/>'
    )
