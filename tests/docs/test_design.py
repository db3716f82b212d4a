"""The page of the design says what the code is like."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/design.md").read_text("utf-8")
PACKAGE = ROOT / "fastrtc_core"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = PAGE.partition(f"{heading}\n")[2].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert lines, f"no table below {heading!r}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_room_has_a_sentence() -> None:
    """And every sentence a room."""
    told = [room.strip("`") for room, _ in rows("### What each is for")]
    modules = {file.stem for file in PACKAGE.glob("*.py")} - {"__init__"}
    folders = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert sorted(told) == sorted(modules | folders)


def test_the_floors_are_those_that_are_enforced() -> None:
    """Those of the import contract, in its order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    enforced = [re.findall(r"\w+", layer) for layer in layers]
    block = re.search(r"### Floors\n.*?```text\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    assert [re.findall(r"\w+", line) for line in block[1].splitlines()] == enforced


def test_the_rules_have_numbers_and_tests() -> None:
    """Each number once, from 1 on, and a place that there is."""
    table = rows("## Rules that always hold")
    assert [int(number) for number, *_ in table] == list(range(1, len(table) + 1))
    for number, _, place in table:
        assert (ROOT / place.strip("`")).exists(), f"rule {number} names {place}"


def test_rules_that_the_code_names_exist() -> None:
    """`Rule 15` in a comment or a docstring leads a reader to this page."""
    count = len(rows("## Rules that always hold"))
    for folder in ("fastrtc_core", "handlers", "tests"):
        for file in (ROOT / folder).rglob("*.py"):
            for numbers in re.findall(r"\bRules? (\d[\d, and]*)", file.read_text("utf-8")):
                named = [int(number) for number in re.findall(r"\d+", numbers)]
                assert all(1 <= number <= count for number in named), f"{file}: rule {numbers}"
