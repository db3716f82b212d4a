"""Each demo's page is built; what it does in a browser is in `tests/browser`, mostly soaked."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ..browser.support import ROOT

BUILD = """
import importlib.util, pathlib, sys
from fastrtc_core import Stream

folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
for path in sorted(folder.glob("[!_]*.py")):
    if path.stem == "ray_serve" and importlib.util.find_spec("ray") is None:
        continue  # see tests/workers/test_ray_serve.py
    print(path.stem, flush=True)
    spec = importlib.util.spec_from_file_location("demo_" + path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    stream = getattr(module, "stream", None)
    if isinstance(stream, Stream):
        assert stream.ui
"""


@pytest.mark.soak
def test_every_page_is_built() -> None:
    """Every program is imported, and the UI of its stream, if it has one, is put together."""
    run = subprocess.run(
        [sys.executable, "-c", BUILD, str(ROOT / "demo")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.split()) > 10
