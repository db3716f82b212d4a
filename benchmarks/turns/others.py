"""The detectors of others, each in an environment of its own, on the same tapes."""

from __future__ import annotations

import json
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastrtc_core.testing.conversations import RATE

from ..peers import SERVERS, UnavailableError, environment, version_of
from .conditions import Tape
from .judging import Answer, Figures


@dataclass(frozen=True)
class Other:
    """A detector.

    Attributes:
        title: What it is called in reports.
        package: The package that it is, of which the version is told.
        script: Takes sound files, and prints when it took each turn to be over.
        requirements: What its environment holds.
    """

    title: str
    package: str
    script: str
    requirements: tuple[str, ...]


OTHERS = {
    "livekit": Other(
        "LiveKit's VAD, 0.55 s",
        "livekit-plugins-silero",
        "vad_livekit.py",
        ("livekit-plugins-silero",),
    ),
    "pipecat": Other(
        "Pipecat's VAD, 0.6 s", "pipecat-ai", "vad_pipecat.py", ("pipecat-ai[silero]",)
    ),
}


def title_of(name: str, environments: Path) -> str:
    """Its name and version.

    Raises:
        UnavailableError: If it cannot be installed.
    """
    other = OTHERS[name]
    python = environment(f"vad-{name}", other.requirements, environments)
    return f"{other.title} ({other.package} {version_of(other.package, python)})"


def judge_other(name: str, tapes: Sequence[Tape], environments: Path) -> Figures:
    """What it makes of some tapes.

    Raises:
        UnavailableError: If it cannot be installed, or fails.
    """
    other = OTHERS[name]
    python = environment(f"vad-{name}", other.requirements, environments)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, tape in enumerate(tapes):
            paths.append(str(Path(folder) / f"{number}.wav"))
            with wave.open(paths[-1], "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes(tape.conversation.audio.data.tobytes())
        command = [python, str(SERVERS / other.script), *paths]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UnavailableError(result.stderr.strip().splitlines()[-1])
    figures = Figures()
    for tape, found in zip(tapes, json.loads(result.stdout), strict=True):
        figures.add(tape.conversation, [Answer(start, decided) for start, decided in found])
    return figures
