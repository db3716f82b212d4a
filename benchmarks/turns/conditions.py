"""Where the conversations take place, and between whom."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastrtc_core.testing.conversations import (
    RATE,
    Agent,
    Conversation,
    Recordings,
    Samples,
    Setting,
    Sound,
    read_sound,
    render,
    script,
    sound_files,
    trimmed,
)
from fastrtc_handlers.vad.silero_model import WINDOW, SileroStream, load_model

CONVERSATIONS = 16
TURNS = 6
_VERSION = 4


@dataclass(frozen=True)
class Condition:
    """A kind of conversation.

    Attributes:
        setting: Where.
        sounds: What is heard between the utterances.
        pauses: Length in s of the pauses in the middle of half of the utterances.
        agent: What the agent does.
    """

    setting: Setting = field(default_factory=Setting)
    sounds: tuple[Sound, ...] = ()
    pauses: tuple[float, float] = (0.2, 0.45)
    agent: Agent = "silent"


def _noise(kind: str, snr: float) -> Condition:
    return Condition(Setting(noise=kind, snr=snr))  # type: ignore[arg-type]


CONDITIONS: dict[str, Condition] = {
    "clean": Condition(),
    "pink noise 10 dB": _noise("pink", 10),
    "telephone": Condition(Setting(telephone=True)),
    "far field, T60 0.6 s": Condition(Setting(t60=0.6)),
    "20 dB quieter": Condition(Setting(level=-20)),
    "babble 15 dB": _noise("babble", 15),
    "babble 10 dB": _noise("babble", 10),
    "babble 6 dB": _noise("babble", 6),
    "babble 3 dB": _noise("babble", 3),
    "one talker 15 dB": _noise("talker", 15),
    "one talker 10 dB": _noise("talker", 10),
    "one talker 6 dB": _noise("talker", 6),
    "music 10 dB": _noise("music", 10),
    "music 0 dB": _noise("music", 0),
    "coughs and clicks": Condition(sounds=("cough", "click")),
    "laughs": Condition(sounds=("laugh",)),
    "pauses of 0.5–1.0 s": Condition(pauses=(0.5, 1.0)),
}
"""Each by its name; a level in dB is that of the background, below the speech."""


@dataclass(frozen=True)
class Tape:
    """A conversation as the detector hears it.

    Attributes:
        conversation: The conversation.
        scores: What the voice activity model says of each window of 32 ms.
    """

    conversation: Conversation
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """What the conversations are made of.

    Attributes:
        recordings: Phrases.
        music: Recorded pieces, if there are any.
        words: Short words for backchannels, if there are any.
        cache: Where what was made once is kept.
    """

    recordings: Recordings
    music: tuple[Samples, ...]
    words: tuple[Samples, ...]
    cache: Path

    @property
    def tuning(self) -> tuple[str, ...]:
        """Two thirds of the speakers: settings may be tuned on them."""
        names = self.recordings.speakers
        return tuple(name for number, name in enumerate(names) if number % 3 != 2)

    @property
    def held_out(self) -> tuple[str, ...]:
        """The others, of which results are reported alone."""
        return tuple(name for name in self.recordings.speakers if name not in self.tuning)


def gather(
    recordings: Path, cache: Path, music: Path | None = None, words: Path | None = None
) -> Material:
    """Read folders of recordings; they are read once."""
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / f"material-{_key(recordings, music, words)}.pickle"
    if kept.exists():
        found: Material = pickle.loads(kept.read_bytes())
        return found
    material = Material(
        Recordings.read(recordings),
        _sounds(music),
        tuple(trimmed(sound) for sound in _sounds(words)),
        cache,
    )
    kept.write_bytes(pickle.dumps(material))
    return material


def tapes(
    material: Material, name: str, speakers: Sequence[str], count: int = CONVERSATIONS
) -> list[Tape]:
    """The first conversations of a condition; seeds 0, 1, 2, …"""
    made = []
    for seed in range(count):
        kept = material.cache / f"tape-{_key(name, speakers, seed, CONDITIONS[name])}.pickle"
        if not kept.exists():
            kept.write_bytes(pickle.dumps(_tape(material, CONDITIONS[name], speakers, seed)))
        made.append(pickle.loads(kept.read_bytes()))
    return made


def _tape(material: Material, condition: Condition, speakers: Sequence[str], seed: int) -> Tape:
    drawn = script(
        seed,
        material.recordings,
        condition.setting,
        speakers=speakers,
        turns=TURNS,
        pauses=condition.pauses,
        sounds=condition.sounds,
        agent=condition.agent,
    )
    conversation = render(
        drawn, material.recordings, music=material.music, backchannels=material.words
    )
    return Tape(conversation, score(conversation.audio.data[0]))


def score(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """What the voice activity model says of each window."""
    stream = SileroStream(load_model())
    windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    return np.array([stream.step(window) for window in windows])


def _sounds(folder: Path | None) -> tuple[Samples, ...]:
    return tuple(read_sound(path) for path in _paths(folder))


def _paths(folder: Path | None) -> Iterable[Path]:
    return sound_files(folder) if folder is not None else ()


def _key(*what: object) -> str:
    return hashlib.sha256(repr((_VERSION, RATE, *what)).encode()).hexdigest()[:16]
