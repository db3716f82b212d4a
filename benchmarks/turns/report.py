"""The results as tables and as a plot."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from ..plots import OUR_COLOUR, PEER_COLOUR, TEXT_COLOUR, WIDTH

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = DOCS / "turns.md"
RESULTS = DOCS / "benchmarks" / "turns.json"
PLOT = DOCS / "benchmarks" / "turns.svg"
START, END = "<!-- figures -->", "<!-- end of figures -->"

COLOURS = {
    "ours": OUR_COLOUR,
    "LiveKit's rule": PEER_COLOUR,
    "Pipecat's rule": "#d9a441",
    "FastRTC's rule": "#a855f7",
}
_MOST_SPLIT = 40
_DELAYS = 200, 1000


def written(results: dict[str, Any]) -> str:
    """Every table, in Markdown."""
    return "\n\n".join(
        (_conditions(results), _others(results), _interruptions(results), _cost(results))
    )


def write_docs(results: dict[str, Any]) -> None:
    """Put the results, their plot and their tables into the documentation."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PLOT.write_text(plot(results["curves"]))
    page = PAGE.read_text()
    before, rest = page.split(START)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{START}\n\n{written(results)}\n\n{END}{after}")


def _conditions(results: dict[str, Any]) -> str:
    columns = ["ours", "held out", *list(COLOURS)[1:]]
    heads = {"held out": "ours, speakers held out"}
    table = [["", *(heads.get(name, name) for name in columns)]]
    for condition, row in results["conditions"].items():
        table.append([condition, *(_figures(row[name]) for name in columns)])
    return _piped(table)


def _others(results: dict[str, Any]) -> str:
    """What the programs of others made of the first conversations."""
    table = [["", *results["titles"].values()]]
    for condition, row in results["conditions"].items():
        found = [row[name] for name in results["titles"] if name in row]
        if found:
            of = f"{condition}, {found[0]['utterances']} utterances"
            table.append([of, *(_figures(one) for one in found)])
    return _piped(table)


def _figures(found: dict[str, Any]) -> str:
    text = f"{found['split']}"
    text += f" · {found['missed']} missed" if found["missed"] else ""
    text += f" · {found['false']} false" if found["false"] else ""
    return f"{text}; {found['p50']} / {found['p90']} ms" if found["p50"] is not None else text


def _interruptions(results: dict[str, Any]) -> str:
    table = [["silent after the onset of speech", "p50 / p95 (ms)", "held out", "missed", "false"]]
    for condition, found in results["interruptions"].items():
        tuning, held = found["tuning"], found["held out"]
        table.append(
            [
                condition,
                f"{tuning['p50']} / {tuning['p95']}",
                f"{held['p50']} / {held['p95']}",
                f"{tuning['missed']} of {tuning['utterances']}",
                str(tuning["false"]),
            ]
        )
    return _piped(table)


def _cost(results: dict[str, Any]) -> str:
    rows = results["conditions"].values()
    same = [row["session"] for row in rows if "session" in row]
    cut = results["conditions"].get("clean", {}).get("ours", {})
    return (
        f"A second of a conversation costs {results['cpu']:.1f} ms of CPU. "
        f"The beginning was cut in {cut.get('cut')} of {cut.get('utterances')} utterances (clean). "
        f"A whole session decided the same in {sum(same)} of {len(same)} conversations, each of "
        "another condition."
    )


def _piped(table: list[list[str]]) -> str:
    head, *body = table
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])


def plot(curves: dict[str, dict[str, list[Any]]]) -> str:
    """Utterances that were split, against the delay of the others; a panel for each condition."""
    title = "Utterances answered before their end, of 96, against the delay of the answer"
    left, top, gap, height = 40, 70, 24, 200
    width = (WIDTH - left - gap * len(curves)) / max(1, len(curves))
    least, most = _DELAYS

    def draw() -> Iterator[str]:
        yield _text(0, 18, title, size=14, weight="bold")
        for number, (name, colour) in enumerate(COLOURS.items()):
            yield _text(number * 160, 40, f"— {name}", colour=colour)
        for panel, (condition, lines) in enumerate(curves.items()):
            x0 = left + panel * (width + gap)
            yield _text(x0, 62, condition)
            for split in range(0, _MOST_SPLIT + 1, 10):
                y = top + height * (1 - split / _MOST_SPLIT)
                yield _line(x0, y, x0 + width, y, TEXT_COLOUR, 0.4)
                if panel == 0:
                    yield _text(x0 - 6, y + 4, str(split), anchor="end")
            for delay in (200, 600, 1000):
                x = x0 + width * (delay - least) / (most - least)
                yield _text(x, top + height + 18, f"{delay} ms", size=11, anchor="middle")
            for name, colour in COLOURS.items():
                places = [
                    (
                        x0 + width * (delay - least) / (most - least),
                        top + height * (1 - min(split, _MOST_SPLIT) / _MOST_SPLIT),
                    )
                    for _, split, delay in lines.get(name, [])
                    if delay is not None and least <= delay <= most and split <= _MOST_SPLIT
                ]
                for (x1, y1), (x2, y2) in itertools.pairwise(places):
                    yield _line(x1, y1, x2, y2, colour, 2)
                for x, y in places:
                    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'

    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + height + 30}" '
            f'width="{WIDTH}" height="{math.ceil(top + height + 30)}" role="img" '
            'font-family="sans-serif">',
            f"<title>{escape(title)}</title>",
            *draw(),
            "</svg>\n",
        ]
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 13,
    weight: str = "normal",
    anchor: str = "start",
    colour: str = TEXT_COLOUR,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )
