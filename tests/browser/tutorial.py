"""Runs the app of a tutorial as its reader does: `python tutorial.py NAME PORT`."""

from __future__ import annotations

import re
import runpy
import sys
import tempfile
from pathlib import Path

LEARN = Path(__file__).parents[2] / "docs" / "learn"


def app_of(name: str, number: int = 0) -> str:
    """One of the programs of a tutorial; the first is the app."""
    text = (LEARN / f"{name}.md").read_text("utf-8")
    return str(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[number])


def main() -> None:
    name, _, number = sys.argv[1].partition(":")
    port = sys.argv[2]
    code, ports = re.subn(r"port=\d+", f"port={port}", app_of(name, int(number or 0)))
    code, launches = re.subn(r"\.launch\(\)", f".launch(server_port={port})", code)
    assert ports + launches == 1
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "app.py"
        file.write_text(code)
        runpy.run_path(str(file), run_name="__main__")


if __name__ == "__main__":
    main()
