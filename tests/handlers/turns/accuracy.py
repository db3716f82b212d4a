"""How well turns and interruptions are told in conversations of which the truth is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from fastrtc_core import AudioFrame
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers.turns import Bot, SilenceTurnDetector, TurnOptions, TurnTaking
from fastrtc_handlers.vad import SileroVAD

from ..conversations import RATE, Conversation, Segment

_TAIL = 2.0
"""Silence in s after a conversation, in which its last turn ends."""


@dataclass
class Turns:
    """What was made of the utterances while the bot was silent; times in s.

    Attributes:
        utterances: How many there were.
        missed: Those that were never answered.
        split: Those that were answered before their end.
        false: Answers to something else than speech, by what it was.
        waits: From the end of each utterance to the answer, less the configured silence.
        cut: How much of the beginning of each utterance is missing in what is answered.
    """

    utterances: int = 0
    missed: int = 0
    split: int = 0
    false: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)


@dataclass
class Interruptions:
    """What happened while the bot spoke; times in s.

    Attributes:
        utterances: How many there were.
        missed: Those that did not interrupt.
        silent_after: From the onset of each utterance until the bot was silent.
        others: Backchannels, coughs and other sounds.
        false: Those of them that interrupted, by what they were.
        paused: For how long the bot was silent at each of the others that made it pause.
        noise: Interruptions where nothing was.
    """

    utterances: int = 0
    missed: int = 0
    silent_after: list[float] = field(default_factory=list)
    others: int = 0
    false: list[str] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)
    noise: int = 0


def turn_taking(options: TurnOptions) -> TurnTaking:
    """With the default detector, and a silence that does not adapt."""
    detector = SilenceTurnDetector(options.silence, adaptive=False)
    return TurnTaking(SileroVAD(), detector, options, RATE)


def measure_turns(talks: Iterable[Conversation], options: TurnOptions) -> Turns:
    """Let the bot be silent, whatever is said."""
    result = Turns()
    for talk in talks:
        turns = turn_taking(options)
        answers: list[tuple[int, int]] = []  # from where to when
        now = 0
        for frame in (*talk.frames(), *_silence()):
            now += frame.samples_per_channel
            for action in turns.push(frame, Bot()):
                if action.kind == "reply" and action.audio is not None:
                    answers.append((now - action.audio.samples_per_channel, now))
        for segment in talk.of("utterance"):
            result.utterances += 1
            own = [
                answer
                for answer in answers
                if answer[0] < segment.end and answer[1] > segment.start
            ]
            answers = [answer for answer in answers if answer not in own]
            if not own:
                result.missed += 1
            elif len(own) > 1:
                result.split += 1
            else:
                ((start, end),) = own
                result.waits.append((end - segment.end) / RATE - options.silence)
                result.cut.append(max(0, start - segment.start) / RATE)
        for start, end in answers:
            kind = _at(talk, start, end)
            if kind != "backchannel":  # said to a silent bot, that is a turn
                result.false.append(kind)
    return result


def measure_interruptions(talks: Iterable[Conversation], options: TurnOptions) -> Interruptions:
    """Let the bot speak all the time; when it is interrupted, until the next answer."""
    result = Interruptions()
    for talk in talks:
        turns = turn_taking(options)
        pauses: list[tuple[int, int]] = []
        silences: list[int] = []
        interruptions: list[int] = []
        speaks, now, since = True, 0, 0
        for frame in (*talk.frames(), *_silence()):
            now += frame.samples_per_channel
            for action in turns.push(frame, Bot(speaks, 10.0) if speaks else Bot()):
                if action.kind == "pause":
                    since = now
                    silences.append(now)
                elif action.kind == "resume":
                    pauses.append((since, now))
                elif action.kind == "interrupt":
                    speaks = False
                    interruptions.append(since)
                elif action.kind == "reply":
                    speaks = True
        for segment in talk.segments:
            hits = [when for when in interruptions if _touches(segment, when)]
            interruptions = [when for when in interruptions if when not in hits]
            if segment.kind == "utterance":
                result.utterances += 1
                if hits:
                    first = min(when for when in silences if _touches(segment, when))
                    result.silent_after.append((first - segment.start) / RATE)
                else:
                    result.missed += 1
                continue
            result.others += 1
            result.false += [segment.kind] * len(hits)
            result.paused += [
                (end - start) / RATE for start, end in pauses if _touches(segment, start)
            ]
        result.noise += len(interruptions)
    return result


def _touches(segment: Segment, when: int) -> bool:
    return segment.start - RATE // 5 <= when <= segment.end + RATE // 5


def _silence() -> Iterable[AudioFrame]:
    return frames_of(AudioFrame(RATE, np.zeros((1, round(_TAIL * RATE)), np.int16)))


def _at(talk: Conversation, start: int, end: int) -> str:
    for segment in talk.segments:
        if segment.start < end and segment.end > start:
            return segment.kind
    return "nothing"
