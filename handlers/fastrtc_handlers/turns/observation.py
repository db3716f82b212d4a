"""What turn-taking makes of what it hears: to be shown, or written down."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ..vad import VAD, Loudness, MeasuringVAD

EndReason = Literal["silence", "length", "command"]


class TurnEnd(NamedTuple):
    """Why a turn ended; times in s.

    Attributes:
        reason: `silence` lasted long enough; its `length` was that of `TurnOptions.max_turn`; or a
            `command` ended it, as `trigger_response` and a key to talk do.
        speech: Speech in the turn; 0 where a key was held.
        silence: How long nobody had spoken. It is at least the sum of the next three where that was
            the reason.
        patience: For how long the turn detector waits.
        extra: For how much longer because of the gates, see `AttentiveVAD.extra_silence`.
        doubt: By how much the wait began later: something in the pause may have been speech.
        complete: How likely the turn detector takes the turn for complete, 0 to 1; `None` where it
            does not say, see `JudgingTurnDetector`.
        loudness: How loud it was, and which gates were closed.
    """

    reason: EndReason
    speech: float
    silence: float
    patience: float
    extra: float
    doubt: float
    complete: float | None
    loudness: Loudness


class Observation(NamedTuple):
    """What turn-taking knows at a moment; times in s.

    Attributes:
        probability: How likely the latest window is speech of the speaker, 0 to 1.
        speaking: Whether the speaker speaks.
        loudness: How loud it is, and which gates are closed.
        in_turn: Whether a turn has begun.
        has_floor: Whether it is more than a sound beside what the bot says.
        pause: How long the present pause of the turn has lasted; 0 while somebody speaks.
        wanted: How long it must last, as far as is known now, until the turn is over.
        complete: See `TurnEnd.complete`; of the latest pause.
        turns: How many turns have ended.
        ended: Why the latest of these did.
    """

    probability: float
    speaking: bool
    loudness: Loudness
    in_turn: bool
    has_floor: bool
    pause: float
    wanted: float
    complete: float | None
    turns: int
    ended: TurnEnd | None

    def as_message(self) -> dict[str, Any]:
        """The same for JSON: levels to 0.1 dB, times to the millisecond."""
        data = _plain(self)
        data["ended"] = None if self.ended is None else _plain(self.ended)
        return data


def _plain(part: Observation | TurnEnd) -> dict[str, Any]:
    fields = part._asdict() | part.loudness._asdict()
    del fields["loudness"]
    for name, value in fields.items():
        if isinstance(value, float):
            fields[name] = round(value, 1 if name in ("level", "floor", "voice") else 3)
    return fields


def loudness_of(vad: VAD) -> Loudness:
    """How loud it is for a detector; nothing is known where it does not measure that."""
    return vad.loudness if isinstance(vad, MeasuringVAD) else Loudness()
