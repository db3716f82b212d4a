"""When a turn has begun, is over, and interrupts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastrtc_core import ConfigurationError

BACKCHANNELS = frozenset(
    "aha ah hm hmm huh mhm mm mmhm oh ok okay right sure uh uhm um yeah yep yes".split()  # noqa: SIM905
)
"""What people say to show that they listen."""


@dataclass(frozen=True)
class TurnOptions:
    """What counts as a turn, and what as an interruption; all in s.

    Attributes:
        silence: Silence after which a turn is over; what a turn detector starts from.
        min_speech: Speech in a turn below which it is none: a cough, a click.
        max_turn: Length at which a turn is answered although the speaker goes on. Until they have
            paused, what they say does not interrupt that answer; it is the next turn, the latest
            `max_turn` of it.
        pre_roll: What is kept of the time before a turn: the beginning of its first consonant.
        interrupt_after: Speech after which somebody who speaks while the bot does interrupts it.
            Up to then the bot is only silent; below it lie "mhm" and "right", and where no
            speech is recognised "stop" as well.
        min_words: Words that such an interruption must have as well, if speech is recognised.
        backchannels: Words that do not count. Where speech is recognised, any other word
            interrupts, however short.
        resume_after: Silence after a false alarm until the bot goes on.
        warm_up: For how long nobody interrupts a bot that has just begun: its echo may reach the
            microphone until the browser has learned to cancel it.

        draft_after: Silence after which a `VoiceAgent` begins to answer in silence, in case that
            the turn is over; `None`: it waits for that.

    Raises:
        ConfigurationError: If a value is out of range.
    """

    silence: float = 0.58
    min_speech: float = 0.1
    max_turn: float = 300.0
    pre_roll: float = 0.5
    interrupt_after: float = 0.8
    min_words: int = 0
    backchannels: frozenset[str] = BACKCHANNELS
    resume_after: float = 0.25
    warm_up: float = 0.0
    draft_after: float | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ("silence", 0.1, 10.0),
            ("min_speech", 0.0, 10.0),
            ("max_turn", 1.0, 3600.0),
            ("pre_roll", 0.0, 5.0),
            ("interrupt_after", 0.0, 10.0),
            ("min_words", 0, 100),
            ("resume_after", 0.05, 10.0),
            ("warm_up", 0.0, 60.0),
            ("draft_after", 0.05, 10.0),
        ):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ConfigurationError(f"{name} must be {least:g} to {most:g}: {value}")


@dataclass(frozen=True)
class AlgoOptions:
    """The options as FastRTC knows them.

    Attributes:
        audio_chunk_duration: Silence in s after which a turn is over.
        started_talking_threshold: Speech in s below which there is no turn.
        speech_threshold: Not used: speech is found in windows of 32 ms and not in chunks.
        max_continuous_speech_s: Length in s at which a turn is answered.
    """

    audio_chunk_duration: float = 0.6
    started_talking_threshold: float = 0.2
    speech_threshold: float = 0.1
    max_continuous_speech_s: float = math.inf

    def as_turn_options(self) -> TurnOptions:
        """The same in our words."""
        return TurnOptions(
            silence=self.audio_chunk_duration,
            min_speech=self.started_talking_threshold,
            max_turn=min(self.max_continuous_speech_s, 3600.0),
        )
