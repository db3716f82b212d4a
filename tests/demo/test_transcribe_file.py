"""The demo `transcribe_file`, run as users run it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fastrtc_core import AudioFrame

from .conftest import run_demo, spoken


def test_it_writes_words_and_their_times(tmp_path: Path) -> None:
    """Two sentences with a pause between them, at the times at which they are said."""
    pause = np.zeros((1, 32000), np.int16)
    parts = [
        spoken("monday tuesday wednesday", 16000).data,
        pause,
        spoken("friday sunday", 16000).data,
    ]
    path = tmp_path / "days.wav"
    path.write_bytes(AudioFrame(16000, np.concatenate(parts, axis=1)).to_wav_bytes())
    run = run_demo("transcribe_file", path)
    assert run.returncode == 0, run.stderr
    lines = re.findall(r"^ *(\d+\.\d) s  (.+)$", run.stdout, re.MULTILINE)
    assert [words for _, words in lines] == ["monday tuesday wednesday", "friday sunday"]
    second = (parts[0].shape[1] + 32000) / 16000
    assert float(lines[0][0]) < 0.6
    assert abs(float(lines[1][0]) - second) < 0.6
    length = sum(part.shape[1] for part in parts) / 16000
    assert f"{length:.1f} s of {length:.1f} s (100%)" in run.stderr


def test_without_a_file_it_has_one() -> None:
    """A voice says some days."""
    run = run_demo("transcribe_file", "--quiet")
    assert re.search(r"0\.\d s  monday tuesday friday\n", run.stdout), run
    assert not run.stderr


def test_a_file_that_is_not_there_is_named() -> None:
    """In one line."""
    run = run_demo("transcribe_file", "none.wav")
    assert run.returncode == 1
    assert run.stderr == "there is no file none.wav\n"
