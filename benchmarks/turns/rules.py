"""The rules that say when a turn is over, each on what a voice activity model says of a tape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fastrtc_core.testing.conversations import RATE
from fastrtc_handlers.turns import Bot, SilenceTurnDetector, TurnDetector, TurnOptions, TurnTaking
from fastrtc_handlers.vad import SileroVAD
from fastrtc_handlers.vad.silero_model import WINDOW

from .conditions import Tape, score
from .judging import Answer, Figures

Rule = Callable[[Tape], list[Answer]]


THINKING = 1.0
"""Time in s after the end of a turn in which the bot works on an answer."""


class KnownVAD(SileroVAD):
    """The default detector, told beforehand what its model says of each window."""

    def __init__(self, scores: NDArray[np.float64]) -> None:
        super().__init__()
        self._scores = iter(scores)

    def copy(self) -> Self:
        """There is one listener for each tape."""
        raise NotImplementedError

    def _score(self, window: NDArray[np.int16]) -> float:
        return float(next(self._scores, 0.0))

    def _forget(self) -> None:
        """The model was run over the whole tape."""


def ours(detector: Callable[[], TurnDetector] | None = None) -> Rule:
    """Our turn-taking with a bot that thinks and says nothing.

    Args:
        detector: Makes the detector of turns; the default one when left out.
    """

    def rule(tape: Tape) -> list[Answer]:
        options = TurnOptions()
        made = detector() if detector is not None else SilenceTurnDetector(options.silence)
        turns = TurnTaking(KnownVAD(tape.scores), made, options, RATE)
        answers, now, thinks_until = [], 0, 0
        for frame in tape.conversation.frames():
            now += frame.samples_per_channel
            for action in turns.push(frame, Bot(busy=now <= thinks_until)):
                if action.kind == "interrupt":
                    thinks_until = now
                elif action.kind == "reply" and action.audio is not None:
                    thinks_until = now + round(THINKING * RATE)
                    answers.append(Answer(now - action.audio.samples_per_channel, now))
        return answers

    return rule


def steady(silence: float) -> Rule:
    """Ours with a silence that does not adapt, in s."""
    return ours(lambda: SilenceTurnDetector(silence, adaptive=False))


def plain(
    silence: float,
    *,
    threshold: float = 0.5,
    release: float = 0.35,
    min_speech: float = 0.05,
    smoothing: float = 0.0,
    pre_roll: float = 0.5,
) -> Rule:
    """A state machine on the probabilities alone, as others have it.

    Args:
        silence: How long in s a window below `release` must follow another until a turn is over.
        threshold: Probability from which a window is speech.
        release: Probability below which it is silence.
        min_speech: How long in s speech must last.
        smoothing: Weight of the past in an exponential mean of the probabilities.
        pre_roll: What is kept of the time before, in s.
    """

    def rule(tape: Tape) -> list[Answer]:
        answers: list[Answer] = []
        step = WINDOW / RATE
        speaking, spoken, silent, start, mean = False, 0.0, 0.0, 0, 0.0
        for number, likely in enumerate(tape.scores):
            mean = smoothing * mean + (1 - smoothing) * float(likely)
            if mean >= threshold or (speaking and mean >= release):
                spoken, silent = spoken + step, 0.0
                if not speaking and spoken >= min_speech:
                    speaking, start = True, (number + 1) * WINDOW - round(spoken * RATE)
            else:
                spoken, silent = 0.0, silent + step
                if speaking and silent >= silence:
                    speaking = False
                    first = max(0, start - round(pre_roll * RATE))
                    answers.append(Answer(first, (number + 1) * WINDOW))
        return answers

    return rule


_CHUNK_SPEECH, _CHUNK_LEAST, _CHUNK_PAD = 0.5, 0.25, 0.4
"""FastRTC's defaults: the probability from which a window is speech, and in s the shortest speech
in a chunk, and what is added in front of it."""


def chunked(chunk: float = 0.6, *, started: float = 0.2, pause: float = 0.1) -> Rule:
    """FastRTC's rule: the speech in each chunk of some length is measured, and a turn ends with a
    chunk that has hardly any.

    The model begins anew with each chunk, and silence of less than 2 s inside is speech: what
    counts is where in a chunk speech begins.

    Args:
        chunk: Length of the chunks in s.
        started: Speech in s in one of them that begins a turn.
        pause: Speech in s below which one ends it.
    """

    def rule(tape: Tape) -> list[Answer]:
        answers: list[Answer] = []
        samples, size = tape.conversation.audio.data[0], round(chunk * RATE)
        start: int | None = None
        for at in range(0, len(samples) - size + 1, size):
            speech = _speech_in(samples[at : at + size])
            if start is None and speech > started:
                start = at
            if start is not None and speech < pause:
                answers.append(Answer(start, at + size))
                start = None
        return answers

    return rule


def _speech_in(chunk: NDArray[np.int16]) -> float:
    """How much of a chunk FastRTC takes for speech, in s."""
    windows = -(-len(chunk) // WINDOW)
    spoken = score(np.pad(chunk, (0, windows * WINDOW - len(chunk)))) >= _CHUNK_SPEECH
    if not spoken.any():
        return 0.0
    left = len(chunk) / RATE - int(spoken.argmax()) * WINDOW / RATE
    return min(left + _CHUNK_PAD, len(chunk) / RATE) if left > _CHUNK_LEAST else 0.0


RULES: dict[str, Rule] = {
    "ours": ours(),
    "ours, `adaptive=False`": steady(TurnOptions().silence),
    "LiveKit's rule": plain(0.55, smoothing=0.35),
    "Pipecat's rule": plain(0.6, threshold=0.7, release=0.7, min_speech=0.2),
    "FastRTC's rule": chunked(),
}
"""Ours by default; those of others, written again, on the probabilities of the same model."""


def judge(rule: Rule, tapes: Iterable[Tape]) -> Figures:
    """What a rule makes of some tapes."""
    figures = Figures()
    for tape in tapes:
        figures.add(tape.conversation, rule(tape))
    return figures
