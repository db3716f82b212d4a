"""How soon a bot that talks falls silent when somebody really interrupts it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastrtc_core.testing.conversations import RATE
from fastrtc_handlers.turns import Bot, SilenceTurnDetector, TurnOptions, TurnTaking

from .conditions import Tape
from .rules import KnownVAD

_NEAR = RATE // 5


def interruptions(tapes: Iterable[Tape]) -> dict[str, Any]:
    """The bot talks whenever it is not interrupted; times in ms from the first sound."""
    after: list[float] = []
    utterances = missed = false = 0
    for tape in tapes:
        paused, interrupted = _listen(tape)
        said = tape.conversation.of("utterance")
        utterances += len(said)
        for segment in said:
            near = range(segment.start - _NEAR, segment.end + _NEAR)
            if not any(when in near for when in interrupted):
                missed += 1
            elif times := [when for when in paused if when in near]:
                after.append(1000 * max(0, times[0] - segment.start) / RATE)
        false += sum(
            not any(one.start - _NEAR <= when <= one.end + 2 * RATE for one in said)
            for when in interrupted
        )
    return {
        "utterances": utterances,
        "missed": missed,
        "false": false,
        "p50": round(float(np.percentile(after, 50))) if after else None,
        "p95": round(float(np.percentile(after, 95))) if after else None,
    }


def _listen(tape: Tape) -> tuple[list[int], list[int]]:
    """When the bot paused, and when it was interrupted."""
    options = TurnOptions()
    turns = TurnTaking(KnownVAD(tape.scores), SilenceTurnDetector(options.silence), options, RATE)
    paused, interrupted, talks, now = [], [], True, 0
    for frame in tape.conversation.frames():
        now += frame.samples_per_channel
        for action in turns.push(frame, Bot(talks, 10.0) if talks else Bot()):
            if action.kind == "pause":
                paused.append(now)
            elif action.kind == "interrupt":
                talks = False
                interrupted.append(now)
            elif action.kind == "reply":
                talks = True
    return paused, interrupted
