"""What was made of conversations of which the truth is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fastrtc_core.testing.conversations import RATE, Conversation

_NEAR = RATE // 5


@dataclass(frozen=True)
class Answer:
    """An answer to a turn; in samples.

    Attributes:
        start: Where what is answered begins.
        decided: When the turn was taken to be over.
    """

    start: int
    decided: int


@dataclass
class Figures:
    """How the turns went; times in s.

    Attributes:
        utterances: How many there were.
        split: Utterances that were answered before their end.
        missed: Those that were not answered before the next one began.
        false: Answers to something else.
        cut: Utterances of which the beginning is missing in what is answered.
        delays: From the end of each utterance that was not split to the answer.
    """

    utterances: int = 0
    split: int = 0
    missed: int = 0
    false: int = 0
    cut: int = 0
    delays: list[float] = field(default_factory=list)

    def add(self, conversation: Conversation, answers: list[Answer]) -> None:
        """Judge the answers in one conversation."""
        utterances = conversation.of("utterance")
        left = list(answers)
        ends = [segment.start for segment in utterances[1:]]
        ends.append(conversation.audio.samples_per_channel)
        for segment, next_start in zip(utterances, ends, strict=True):
            self.utterances += 1
            own = [
                answer
                for answer in left
                if answer.start < segment.end and segment.start < answer.decided <= next_start
            ]
            left = [answer for answer in left if answer not in own]
            if not own:
                self.missed += 1
                continue
            self.cut += own[0].start > segment.start
            if len(own) > 1 or own[0].decided <= segment.end:
                self.split += 1
            else:
                self.delays.append((own[0].decided - segment.end) / RATE)
        said = conversation.of("backchannel")  # to a silent agent, that is a turn
        self.false += sum(
            not any(
                answer.start < word.end + _NEAR and word.start - _NEAR < answer.decided
                for word in said
            )
            for answer in left
        )

    def percentile(self, share: float) -> float:
        """Of the delays in ms."""
        return 1000 * float(np.percentile(self.delays, share)) if self.delays else float("nan")

    def summary(self) -> dict[str, Any]:
        """For a report; delays in ms."""
        found = asdict(self)
        del found["delays"]
        for share in (50, 90, 95):
            value = self.percentile(share)
            found[f"p{share}"] = None if np.isnan(value) else round(value)
        return found
