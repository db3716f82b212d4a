"""What is said in a conversation and what else is heard, before any of it is sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ...errors import ConfigurationError
from .recordings import Recordings

Noise = Literal["none", "pink", "babble", "music", "talker"]
Sound = Literal["backchannel", "cough", "click", "laugh"]
Agent = Literal["silent", "answers", "talks"]

AGENT_DELAY, AGENT_PAUSE = 0.9, 0.6
"""Time in s from the end of an utterance to what the agent says, and from there to what follows."""


@dataclass(frozen=True)
class Setting:
    """Where a conversation takes place, and what a microphone hears of it.

    Attributes:
        noise: What sounds all the time, if anything: pink noise, six people who babble, music, or
            one other talker.
        snr: How far that is below the speech, in dB; both are root mean squares.
        t60: Reverberation time of a room in which the speaker is as far away as half of what is
            heard is reverberation; in s, 0 for none.
        telephone: Whether it comes over a telephone: 300 to 3400 Hz, µ-law.
        level: Gain in dB of everything.
        echo: How loud the agent's own voice is in the microphone, in dB relative to the speech;
            `None` where it is not heard.
        echo_delay: How late it comes there, in s.
        room: Level of the noise that every room has, in dB relative to the speech.
    """

    noise: Noise = "none"
    snr: float = 10.0
    t60: float = 0.0
    telephone: bool = False
    level: float = 0.0
    echo: float | None = None
    echo_delay: float = 0.1
    room: float = -45.0


@dataclass(frozen=True)
class Utterance:
    """What the speaker says in one turn.

    Attributes:
        phrases: Their numbers among the speaker's.
        pauses: The pauses between them in s, one fewer.
    """

    phrases: tuple[int, ...]
    pauses: tuple[float, ...] = ()


@dataclass(frozen=True)
class Item:
    """One thing after another.

    Attributes:
        gap: Silence before it in s.
        what: An utterance, or the kind of another sound.
        seed: Which of the sounds of this kind.
        answer: The phrase of the agent after it, if the agent answers.
    """

    gap: float
    what: Utterance | Sound
    seed: int = 0
    answer: int | None = None


@dataclass(frozen=True)
class Script:
    """Everything that makes a conversation, given the recordings.

    Attributes:
        seed: Makes the noise, the room, and chooses the other speakers.
        speaker: Whose phrases they are.
        agent: Whose voice the agent has.
        items: What is heard, in order.
        setting: Where.
        agent_talks: Whether the agent talks all the time.
        tail: Silence at the end in s.
    """

    seed: int
    speaker: str
    agent: str
    items: tuple[Item, ...]
    setting: Setting = field(default_factory=Setting)
    agent_talks: bool = False
    tail: float = 2.5


def script(
    seed: int,
    recordings: Recordings,
    setting: Setting | None = None,
    *,
    speakers: Sequence[str] | None = None,
    turns: int = 6,
    pauses: tuple[float, float] = (0.2, 0.45),
    hesitating: float = 0.5,
    gaps: tuple[float, float] = (2.0, 3.0),
    sounds: Sequence[Sound] = (),
    agent: Agent = "silent",
) -> Script:
    """Draw up a conversation. One seed and the same arguments make the same.

    The setting changes nothing of who says what when.

    Args:
        seed: What is drawn.
        recordings: Phrases to choose from.
        setting: Where it takes place; a quiet room when left out.
        speakers: Who may speak; anybody when left out.
        turns: Number of utterances.
        pauses: Shortest and longest pause in the middle of an utterance, in s.
        hesitating: Share of the utterances that have such a pause.
        gaps: Shortest and longest silence between two things, in s.
        sounds: What is heard after each utterance, one of these at a time.
        agent: Whether the agent is silent, answers each utterance, or talks all the time.

    Raises:
        ConfigurationError: If nobody of `speakers` is in the recordings.
    """
    random = np.random.default_rng(seed)
    able = [name for name in recordings.speakers if speakers is None or name in speakers]
    if not able:
        raise ConfigurationError(f"The recordings hold none of the speakers {speakers}")
    speaker = able[seed % len(able)]
    others = [name for name in recordings.speakers if name != speaker] or [speaker]
    voice = str(random.choice(others))
    items = []
    for _ in range(turns):
        count = 2 if random.random() < hesitating else 1
        available = len(recordings.phrases[speaker])
        first = int(random.integers(available))
        phrases = tuple((first + number) % available for number in range(count))
        made = tuple(round(float(random.uniform(*pauses)), 3) for _ in range(count - 1))
        gap = round(float(random.uniform(*gaps)), 3)
        answer = int(random.integers(len(recordings.phrases[voice])))
        items.append(
            Item(gap, Utterance(phrases, made), answer=answer if agent == "answers" else None)
        )
        if sounds:
            kind = sounds[int(random.integers(len(sounds)))]
            gap = round(float(random.uniform(*gaps)), 3)
            items.append(Item(gap, kind, int(random.integers(1 << 30))))
    return Script(
        seed, speaker, voice, tuple(items), setting or Setting(), agent_talks=agent == "talks"
    )
