"""Findings, and how they are printed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal, TextIO

Level = Literal["ok", "warning", "fault"]

_MARKS: dict[Level, tuple[str, str]] = {
    "ok": ("✓", "ok  "),
    "warning": ("!", "warn"),
    "fault": ("✗", "FAIL"),
}


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        level: A `fault` keeps calls from working; a `warning` may.
        text: What was found.
        advice: What to do about it.
    """

    level: Level
    text: str
    advice: str = ""


def show(finding: Finding, to: TextIO | None = None) -> None:
    """Print a finding, to standard output by default."""
    to = to or sys.stdout
    fancy, plain = _MARKS[finding.level]
    mark = fancy if (to.encoding or "").lower().replace("-", "") == "utf8" else plain
    print(f"{mark} {finding.text}", file=to)
    for line in finding.advice.splitlines():
        print(f"{' ' * len(mark)}   {line}", file=to)
    to.flush()
