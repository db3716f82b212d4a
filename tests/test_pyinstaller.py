"""An application that PyInstaller has built holds what is read, and not imported."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

PROGRAM = r"""
from pathlib import Path
import re
import sys

from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastrtc_core import Stream
from fastrtc_core.media import libopus
from fastrtc_handlers import Echo
from fastrtc_handlers.stt import PocketSphinxSTT
from fastrtc_handlers.tts import EspeakTTS
from fastrtc_handlers.vad import SileroVAD

app = FastAPI()
Stream(Echo()).mount(app)
client = TestClient(app)
modules = re.findall(r'"[.](/.*)";', client.get("/webrtc/client.js").text)
assert "export class Connection" in "".join(client.get(f"/webrtc{one}").text for one in modules)
assert Path(sys._MEIPASS) in Path(libopus._library()._name).parents, "libopus of the system"
assert EspeakTTS("en-us").tts("hello").duration > 0.2
SileroVAD()
PocketSphinxSTT("#JSGF V1.0; grammar a; public <a> = one | two;")
print("all there")
"""

UNUSED = (
    *("PIL", "gradio", "huggingface_hub", "hypothesis", "mcp", "mypy", "onnxruntime"),
    *("openai", "pandas", "pytest", "rich", "setuptools"),
)


@pytest.fixture(scope="module")
def hooks() -> Path:
    """The folder that the entry point of the package names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, function = project["entry-points"]["pyinstaller40"]["hook-dirs"].split(":")
    [folder] = getattr(importlib.import_module(module), function)()
    return Path(folder)


@pytest.mark.parametrize(
    ("hook", "files"),
    [
        ("fastrtc_core", {"connection.js", "channel.js", "widget.js", "widget.html", "widget.css"}),
        ("fastrtc_handlers.vad.silero_weights", {"ggml-silero-v6.2.0.bin"}),
        ("fastrtc_handlers.tts.espeak", {"phondata", "en_dict"}),
        ("fastrtc_handlers.stt.pocketsphinx", {"mdef"}),
    ],
)
def test_hooks_collect(hooks: Path, hook: str, files: set[str]) -> None:
    """What a module reads goes with it."""
    pytest.importorskip("PyInstaller")
    found: dict[str, Any] = runpy.run_path(str(hooks / f"hook-{hook}.py"))
    assert files <= {Path(source).name for source, _ in found["datas"]}


def test_hooks_are_of_modules_that_there_are(hooks: Path) -> None:
    """The name of a hook's file is that of a module; a hook of another name is never run."""
    for file in hooks.glob("hook-*.py"):
        name = file.stem.removeprefix("hook-")
        assert importlib.util.find_spec(name) is not None, name


def test_pyinstaller_finds_the_hooks(hooks: Path) -> None:
    """By the entry points of installed packages, of which one names the folder."""
    entries = importlib.metadata.entry_points(group="pyinstaller40", name="hook-dirs")
    found = [entry.load() for entry in entries if entry.value.startswith("fastrtc_core.")]
    assert [function() for function in found] == [[str(hooks)]]


def test_packages_that_are_not_installed_are_left_out(hooks: Path) -> None:
    """A hook asks for nothing that is not there."""
    from fastrtc_core.__pyinstaller import collect

    assert collect("no_such_package_at_all") == ([], [], [])


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_built_application_runs(tmp_path: Path) -> None:
    """The browser client, libopus, a voice, a recogniser and a detector work in one folder.

    PyInstaller is told nothing of the hooks: it finds them by the entry point of what is installed.
    """
    pytest.importorskip("PyInstaller")
    (tmp_path / "program.py").write_text(PROGRAM)
    build = [
        *(sys.executable, "-m", "PyInstaller", "--onedir", "--noconfirm", "--log-level", "WARN"),
        # What is installed here and the program has no use for takes longer than all else.
        *(f"--exclude-module={name}" for name in UNUSED),
        "program.py",
    ]
    subprocess.run(build, cwd=tmp_path, check=True, timeout=500)
    program = tmp_path / "dist" / "program" / "program"
    run = subprocess.run(
        [program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout == "all there\n", run.stderr
