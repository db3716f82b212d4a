"""`TurnTaking`: from the microphone to turns and interruptions, without I/O.

Time is counted in samples of the microphone. Whoever owns it pushes frame after frame, tells what
the bot is doing, and does what comes back.

While the bot is silent, a turn begins with speech and ends with enough silence. While it speaks,
the first moment of speech makes it pause, before it is known to be more than a moment where the
detector is a `DiscerningVAD`. If the speech lasts, the bot is interrupted and the turn
goes on as any other; if not, it was a cough or a "mhm", and the bot goes on where it was.

While it is answering and nothing of the answer is heard yet, nobody talks over anything: the
speaker was not done. Whatever is enough for a turn then belongs to the one that is being answered.

Who never pauses is answered at `max_turn`, and speaks on: that does not interrupt the answer. It is
heard to its end, and what was said beside it is the next turn. After a pause, speech interrupts it
if it lasts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

from fastrtc_core import AudioFrame

from ..tape import Tape
from ..vad import VAD, AttentiveVAD, DiscerningVAD
from .detector import (
    JudgingTurnDetector,
    ListeningTurnDetector,
    ReadingTurnDetector,
    SilenceTurnDetector,
    TurnDetector,
)
from .observation import EndReason, Observation, TurnEnd, loudness_of
from .options import TurnOptions

_SPEECH = 0.5
"""Probability from which a window is taken for speech."""

_UNDOUBTED = 0.8
"""Speech in s in a turn from which it does not matter how sure a detector is of it."""

_SURE = 0.05
"""Time in s for which it must be sure in a shorter one. A laugh has a voice, but not for long one
like that of words: of 28 laughs that the model took for speech, 4 pass, and 59 of 60 short words.
"""

_STARTLED = 0.1
"""How long in s a bot is silent because of a sound that was taken for speech for a moment alone."""

_TRAIL = 0.1
"""How much in s of a pause a turn detector hears.

smart-turn is surer the more silence it hears, and errs more: on 98 ends of sentences and as many
stops inside, its area under the curve is 0.75 with 0.05 s of silence, 0.72 with 0.1, 0.71 with 0.2,
0.68 with 0.4 and 0.63 with 0.8. Where speech ended is known to some hundredths of a second.
"""
_DOUBT = 0.3
"""How long in s an answer waits at most because something in the pause may be speech."""

_TRACE_DELAY = 0.1
"""Time in s from such a sound to when it is noticed, as of `end_delay`."""

_RESUMED = 0.5
"""Time in s from the end of a turn in which whoever speaks again was not done."""

_DETECTION = 0.5
"""How long in s after its beginning speech is detected at the latest; kept beside the pre-roll."""


class Bot(NamedTuple):
    """What the bot is doing.

    Attributes:
        busy: Whether it is answering, though perhaps nothing of the answer is heard yet.
        heard: How much in s of the answer has been heard.
        interruptible: Whether it may be interrupted.
    """

    busy: bool = False
    heard: float = 0.0
    interruptible: bool = True


class Action(NamedTuple):
    """What is to be done.

    Attributes:
        kind: `pause` and `resume` the bot; `confirm` that what was said so far is meant to
            interrupt, see `TurnTaking.confirm`; `interrupt` the bot; `reply` to a turn; `draft` an
            answer to what may become a turn, and `discard` that, as the speaker goes on.
        audio: What was said.
    """

    kind: Literal["pause", "resume", "confirm", "interrupt", "reply", "draft", "discard"]
    audio: AudioFrame | None = None


class TurnTaking:
    """Follows one speaker.

    Args:
        vad: Tells speech from the rest; of this speaker alone.
        detector: Tells how long to wait in a pause; of this speaker alone.
        options: What counts.
        sample_rate: Of the frames, in Hz.
        num_channels: Of the frames.
        recognises: Whether somebody who recognises words answers to `confirm`. Then a short word
            is not taken for a false alarm before it is known which one it was.

    Attributes:
        vad: As above.
        listening: Whether frames are listened to; set by `mute`.
        begun: How many turns have begun, those among them that came to nothing.
        ended: How many turns have ended.
        latest_end: Why the latest of these did.
        draft_holds: Whether the draft that was asked for last is of the turn that ended last.
        taken_back: How many of them were no ends: the speaker went on, and they are part of the
            turns after them.
    """

    def __init__(
        self,
        vad: VAD,
        detector: TurnDetector,
        options: TurnOptions,
        sample_rate: int,
        num_channels: int = 1,
        *,
        recognises: bool = False,
    ) -> None:
        self.listening = True
        self.begun = 0
        self.ended = 0
        self.latest_end: TurnEnd | None = None
        self.taken_back = 0
        self.draft_holds = False
        self._drafted = False
        """Whether a draft was asked for in this turn that holds as yet."""
        self._recognises = recognises
        self.vad = vad
        self._attentive = vad if isinstance(vad, AttentiveVAD) else None
        self._discerning = vad if isinstance(vad, DiscerningVAD) else None
        self._options = options
        self._use(detector)
        self._rate = sample_rate
        self._tape = Tape(sample_rate, num_channels)
        self._vad_start = 0
        """Sample at which the detector was last reset."""
        self._start: int | None = None
        """Sample at which the turn began, if there is one."""
        self._speech: int | None = None
        """Sample at which the speech began that goes on."""
        self._silence = 0
        """Sample at which the present pause began."""
        self._trace = 0
        """Latest sample of it that may be speech."""
        self._spoken_until: int | None = None
        """End of the speech in the turn before this one."""
        self._patience = 0.0
        self._voiced = 0
        """Samples of speech in this turn, up to the present pause or speech."""
        self._sure = 0
        """Samples of it of which the detector was sure."""
        self._has_floor = False
        """Whether the speaker began while the bot was silent, or has interrupted it."""
        self._paused = False
        """Whether the bot was told to pause."""
        self._startled = 0
        """Latest sample that was taken for speech, while it pauses and no turn has begun."""
        self._asked = False
        """Whether an interruption waits to be confirmed."""
        self._runs_on = False
        """Whether the turn began where the one before it was ended for its length, and that is
        being answered since."""
        self._unbroken = False
        """Whether its speech goes on from there without a pause."""
        self._held = False
        """Whether the turn goes on until `finish`, however long the silence."""
        self._answered: tuple[int, int] | None = None
        """The turn that is being answered, from its first sample to the end of its speech; kept
        as long as nothing of the answer has been heard."""

    @property
    def kept(self) -> int:
        """How many samples per channel of what was heard are kept."""
        return self._tape.end - self._tape.start

    @property
    def in_turn(self) -> bool:
        """Whether a turn has begun."""
        return self._start is not None

    @property
    def has_floor(self) -> bool:
        """Whether a turn has begun that is no mere sound beside what the bot says."""
        return self._start is not None and self._has_floor

    @property
    def began(self) -> float:
        """How long ago in s the turn began, with what is kept of the time before."""
        if self._start is None:
            return 0.0
        start = self._start - round(self._options.pre_roll * self._rate)
        return (self._tape.end - max(self._tape.start, start)) / self._rate

    def tune(self, options: TurnOptions, detector: TurnDetector | None = None) -> None:
        """Go on with other options, and with another detector if there is one."""
        self._options = options
        self._use(detector or self._detector)

    def push(self, frame: AudioFrame, bot: Bot) -> list[Action]:
        """Listen to a frame; returns what is to be done, in order."""
        self._tape.push(frame.data)
        if self._listener is not None and (self.listening or self._held):
            with self._distrust():
                self._listener.listen(frame)
        self._note(bot)
        actions: list[Action] = []
        if self._held:
            actions = self._decide_while_held()
        elif not self.listening or (bot.busy and not bot.interruptible):
            actions = self.drop()
        else:
            self._follow(frame, bot)
            if self._start is not None:
                actions = self._decide(bot)
            elif self._discerning is not None:
                actions = self._startle(bot)
        self._forget()
        return actions

    def said(self) -> AudioFrame:
        """What was said in the turn so far; nothing if there is none."""
        return self._since(self._tape.end if self._start is None else self._start)

    def read(self, text: str, lag: float) -> None:
        """Hand on what was said, see `ReadingTurnDetector`; on any thread."""
        detector = self._detector
        if isinstance(detector, ReadingTurnDetector):
            with self._distrust():
                detector.read(text, lag)

    def observe(self) -> Observation:
        """What is known now. It changes nothing, and is worked out for those who ask alone."""
        return Observation(
            probability=self.vad.probability,
            speaking=self.vad.speaking,
            loudness=loudness_of(self.vad),
            in_turn=self.in_turn,
            has_floor=self.has_floor,
            pause=self._pause(),
            wanted=self._patience + self._extra() + self._doubt() / self._rate,
            complete=self._complete(),
            turns=self.ended,
            ended=self.latest_end,
        )

    def confirm(self, meant: bool) -> list[Action]:
        """Answer a `confirm`: whether the words that were said are meant to interrupt."""
        if not self._asked or self._start is None or self._has_floor:
            return []  # too late: the bot is done, or was interrupted without it
        self._asked = False
        if meant:
            return [self._interrupt()]
        if self._speech is None:
            return self._false_alarm()
        # Asked again when as much has been said once more.
        self._voiced, self._speech = 0, self._tape.end
        return []

    def go_on(self, bot: Bot) -> None:
        """Take back the turn that is being answered, unless something of the answer was heard.

        What was said is then part of what follows. The bot is to be interrupted.
        """
        self._note(bot)
        if bot.interruptible:
            self._take_back()

    def hold(self) -> None:
        """Begin a turn now, and let nothing but `finish` end it: a key is pressed to talk.

        The bot is to be interrupted first.
        """
        self.drop()
        self.begun += 1
        self._start = self._tape.end
        self._held = self._has_floor = True

    def finish(self) -> AudioFrame | None:
        """End the turn now; returns what was said, or `None` if there is no turn."""
        if self._start is None:
            self._answered = None  # what is answered next, if anything, was not said
            self.draft_holds = False
            return None
        return self._end_turn("command").audio

    def forget(self) -> list[Action]:
        """Forget what was said; a turn that is held begins again here."""
        held, self._answered = self._held, None
        actions = self.drop()
        if held:
            self.hold()
        return actions

    def drop(self) -> list[Action]:
        """Forget what was said; the next frame is the first of another stream."""
        actions = [Action("resume")] if self._paused else []
        actions += [Action("discard")] if self._drafted else []
        self._drafted = False
        self.vad.reset()
        self._vad_start = self._tape.end
        self._start = self._speech = None
        self._paused = self._asked = self._held = self._runs_on = False
        return actions

    def _use(self, detector: TurnDetector) -> None:
        self._detector = detector
        self._listener = detector if isinstance(detector, ListeningTurnDetector) else None

    @contextlib.contextmanager
    def _distrust(self) -> Iterator[None]:
        """Go on without a detector that fails: it would each time, and no turn would end."""
        try:
            yield
        except BaseException:
            self._patience = self._options.silence
            self._use(SilenceTurnDetector(self._patience, adaptive=False))
            raise

    # One frame

    def _note(self, bot: Bot) -> None:
        if not bot.busy or bot.heard > 0:
            self._answered = None

    def _follow(self, frame: AudioFrame, bot: Bot) -> None:
        """Where speech began and ended."""
        for event in self.vad.push(frame):
            position = self._vad_start + event.position
            if event.kind == "speech_start":
                self._begin(position, bot)
            else:
                lateness = round(self.vad.end_delay * self._rate)
                self._rest(max(self._speech or 0, position - lateness))
        if self._discerning is not None and self._discerning.sure:
            self._sure += frame.samples_per_channel
        elif self._start is None and self.vad.probability < _SPEECH:
            self._sure = 0

    def _begin(self, position: int, bot: Bot) -> None:
        if self._start is None:
            self.begun += 1
            self._start = position
            self._voiced = 0
            self._has_floor = not bot.busy
            if self._spoken_until is not None:
                pause = (position - self._spoken_until) / self._rate
                resumed = bot.busy and pause < self._patience + _RESUMED
                if self._answered is not None or resumed:
                    self._detector.note_pause(pause)
        else:
            self._detector.note_pause(max(0, position - self._silence) / self._rate)
        self._speech = position

    def _rest(self, position: int) -> None:
        if self._start is None or self._speech is None:
            return
        self._voiced += position - self._speech
        self._speech = None
        self._unbroken = False
        self._silence = position
        self._patience = self._options.silence  # in case that the detector fails
        turn = self._tape.since(self._start, position + round(_TRAIL * self._rate))
        self._patience = self._detector.patience(turn)

    def _decide(self, bot: Bot) -> list[Action]:
        if not bot.busy:
            self._paused, self._has_floor, self._runs_on = False, True, False
        elif self._runs_on and self._speech is not None:
            return self._decide_beside_answer(self._speech)
        elif not self._has_floor:
            return self._decide_to_interrupt(bot)
        elif self._speech is not None:
            return [Action("interrupt")]  # the bot has begun in the midst of what is said
        return self._decide_to_reply()

    def _decide_while_held(self) -> list[Action]:
        assert self._start is not None
        too_long = self._tape.end - self._start >= self._options.max_turn * self._rate
        return [self._end_turn("length")] if too_long else []

    def _decide_to_reply(self) -> list[Action]:
        assert self._start is not None
        now, options = self._tape.end, self._options
        if self._drafted and self._speech is not None:
            self._drafted = False
            return [Action("discard")]
        if self._speech is None and self._listener is not None:
            with self._distrust():
                self._patience = self._listener.revise((now - self._silence) / self._rate)
        if self._speech is None and self._is_over(now):
            if self._is_speech(self._voiced):
                return [self._end_turn("silence")]
            self._start = None
        elif self._wants_draft(now):
            self._drafted = True
            return [Action("draft", self._since(self._start))]
        elif now - self._start >= options.max_turn * self._rate:
            speaking = self._speech is not None
            action = self._end_turn("length")
            if speaking:  # the speaker goes on: another turn
                self.begun += 1
                self._start = self._speech = now
                self._voiced = 0
                self._has_floor = self._runs_on = self._unbroken = True
            return [action]
        return []

    def _wants_draft(self, now: int) -> bool:
        """Whether the pause is long enough to begin with an answer, and too short to give it."""
        after = self._options.draft_after
        if after is None or self._drafted or self._speech is not None:
            return False
        return now - self._silence >= after * self._rate and self._is_speech(self._voiced)

    def _is_speech(self, said: int) -> bool:
        """Whether so many samples of what was taken for speech are enough for a turn."""
        if said < self._options.min_speech * self._rate:
            return False
        if self._discerning is None or said >= _UNDOUBTED * self._rate:
            return True
        return self._sure >= _SURE * self._rate

    def _is_over(self, now: int) -> bool:
        """Whether the present pause is long enough to end the turn."""
        patience = self._patience
        if self._attentive is not None:
            patience += self._attentive.extra_silence
            if self._attentive.traces:
                self._trace = now - round(_TRACE_DELAY * self._rate)
        return now - self._silence - self._doubt() >= patience * self._rate

    def _doubt(self) -> int:
        """By how many samples the pause counts from later: something in it may be speech."""
        return min(max(0, self._trace - self._silence), round(_DOUBT * self._rate))

    def _decide_beside_answer(self, speech: int) -> list[Action]:
        """Speech, since a sample, beside the answer to a turn that was ended for its length."""
        assert self._start is not None
        now, options = self._tape.end, self._options
        lasted = now - speech - round(self.vad.end_delay * self._rate)
        if not self._unbroken and lasted >= options.interrupt_after * self._rate:
            self._runs_on = False
            return [Action("interrupt")]
        # However long the answer is, the turn after it has its bound.
        self._start = max(self._start, now - round(options.max_turn * self._rate))
        self._speech = max(self._start, speech)
        return []

    def _startle(self, bot: Bot) -> list[Action]:
        """Pause the bot at the first window of what may become a turn; go on if it does not."""
        now = self._tape.end
        if not bot.busy:
            self._paused = False
        elif self.vad.probability >= _SPEECH and bot.heard > self._options.warm_up:
            self._startled = now
            if not self._paused:
                self._paused = True
                return [Action("pause")]
        elif self._paused and now - self._startled >= _STARTLED * self._rate:
            self._paused = False
            return [Action("resume")]
        return []

    def _decide_to_interrupt(self, bot: Bot) -> list[Action]:
        now, options = self._tape.end, self._options
        if 0 < bot.heard < options.warm_up:
            return []
        actions = []
        if not self._paused:
            self._paused = True
            actions.append(Action("pause"))
        # A detector goes on for a while after the last sound: that is not more speech.
        sounds = self._speech is not None and self.vad.probability >= _SPEECH
        said = self._voiced
        if self._speech is not None:
            said += max(0, now - self._speech - round(self.vad.end_delay * self._rate))
        if bot.heard == 0 and self._is_speech(said):
            actions.append(self._interrupt())
        elif sounds and said >= options.interrupt_after * self._rate:
            if options.min_words == 0:
                actions.append(self._interrupt())
            elif not self._asked:
                actions.append(self._ask())
        elif self._speech is None and now - self._silence >= options.resume_after * self._rate:
            if not self._recognises or self._voiced < options.min_speech * self._rate:
                actions += self._false_alarm()
            elif not self._asked:
                actions.append(self._ask())
        return actions

    def _ask(self) -> Action:
        assert self._start is not None
        self._asked = True
        return Action("confirm", self._since(self._start))

    def _false_alarm(self) -> list[Action]:
        self._paused = self._asked = False
        self._start = None
        return [Action("resume")]

    def _interrupt(self) -> Action:
        self._take_back()
        self._paused, self._has_floor = False, True
        return Action("interrupt")

    def _take_back(self) -> None:
        """Both parts are one turn, where the speaker was not done after all."""
        if self._answered is not None:
            self._start, self._answered = self._answered[0], None
            self.taken_back += 1

    def _end_turn(self, reason: EndReason) -> Action:
        assert self._start is not None
        self.ended += 1
        self.latest_end = self._end(reason)
        self.draft_holds, self._drafted = self._drafted, False
        audio = self._since(self._start)
        cut = self._held or self._speech is not None
        self._spoken_until = self._tape.end if cut else self._silence
        self._answered = (self._start, self._spoken_until)
        if self._held:
            self.drop()
        self._start = self._speech = None
        self._paused = self._asked = self._runs_on = False
        return Action("reply", audio)

    def _end(self, reason: EndReason) -> TurnEnd:
        """What made a turn end here."""
        paused, speech = self._speech is None and not self._held, self._voiced
        if self._speech is not None:
            speech += self._tape.end - self._speech
        return TurnEnd(
            reason,
            speech=speech / self._rate,
            silence=self._pause(),
            patience=self._patience if paused else 0.0,
            extra=self._extra() if paused else 0.0,
            doubt=self._doubt() / self._rate if paused else 0.0,
            complete=self._complete() if paused else None,
            loudness=loudness_of(self.vad),
        )

    def _pause(self) -> float:
        """How long in s the present pause of the turn has lasted."""
        paused = self._start is not None and self._speech is None and not self._held
        return (self._tape.end - self._silence) / self._rate if paused else 0.0

    def _extra(self) -> float:
        return 0.0 if self._attentive is None else self._attentive.extra_silence

    def _complete(self) -> float | None:
        detector = self._detector
        return detector.complete if isinstance(detector, JudgingTurnDetector) else None

    def _since(self, start: int) -> AudioFrame:
        return self._tape.since(start - round(self._options.pre_roll * self._rate))

    def _forget(self) -> None:
        """Keep the turn, and what may turn out to be the beginning of the next."""
        needed = [self._tape.end - round(_DETECTION * self._rate)]
        if self._start is not None:
            needed.append(self._start)
        if self._answered is not None:
            needed.append(self._answered[0])
        self._tape.forget_before(min(needed) - round(self._options.pre_roll * self._rate))
