"""Every Python block of the README and the docs runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SET_BY_READERS = ("HF_TOKEN", "JWT_SECRET", "OPENAI_API_KEY")
"""Variables that the pages tell their readers to set."""
BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def snippets() -> list[pytest.param]:  # type: ignore[valid-type]
    """One parameter for each block, named by page and line."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            indent = match[1]
            code = re.sub(f"^{indent}", "", match[2], flags=re.MULTILINE)
            name = f"{page.relative_to(ROOT)}:{line}"
            found.append(pytest.param(code, name, id=name))
    return found


@pytest.mark.parametrize(("code", "name"), snippets())
def test_a_snippet_runs(
    code: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block is complete: it imports what it uses, and raises nothing."""
    monkeypatch.chdir(tmp_path)
    for variable in SET_BY_READERS:
        monkeypatch.setenv(variable, "something of thirty-two characters")
    exec(compile(code, name, "exec"), {"__name__": "snippet"})


def test_there_are_snippets() -> None:
    """The pattern finds the blocks at all."""
    assert len(snippets()) > 5
