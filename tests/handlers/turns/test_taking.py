"""Turn-taking, on a detector that says what the test wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_handlers import AlgoOptions, TurnOptions
from fastrtc_handlers.tape import Tape
from fastrtc_handlers.turns import (
    Action,
    Bot,
    ModelTurnDetector,
    SilenceTurnDetector,
    TurnDetector,
    TurnTaking,
)
from fastrtc_handlers.vad import AttentiveVAD, DiscerningVAD, VADEvent

RATE = 8000
FRAME = 160
"""20 ms."""


class LoudIsSpeech:
    """A detector without delay: every sample above 0 is speech."""

    end_delay = 0.0

    speaking = False
    _now = 0

    @property
    def probability(self) -> float:
        return float(self.speaking)

    def push(self, frame: AudioFrame) -> list[VADEvent]:
        loud = bool(frame.data.any())
        events = []
        if loud != self.speaking:
            kind: Any = "speech_start" if loud else "speech_end"
            events.append(VADEvent(kind, self._now, self._now + frame.samples_per_channel))
            self.speaking = loud
        self._now += frame.samples_per_channel
        return events

    def reset(self) -> None:
        self.speaking, self._now = False, 0

    def copy(self) -> Self:
        return type(self)()


class Table:
    """Pushes speech and silence, and does what a bot would that obeys."""

    def __init__(
        self,
        options: TurnOptions | None = None,
        detector: Any = None,
        *,
        vad: Any = None,
        recognises: bool = False,
    ) -> None:
        self.options = options or TurnOptions(silence=0.5, interrupt_after=0.6)
        self.turns = TurnTaking(
            vad or LoudIsSpeech(),
            detector or SilenceTurnDetector(self.options.silence, adaptive=False),
            self.options,
            RATE,
            recognises=recognises,
        )
        self.bot = Bot()
        self.done: list[tuple[float, str]] = []
        self.replies: list[AudioFrame] = []
        self.now = 0.0
        self.paused = False
        self.number = 1

    def speech(self, seconds: float) -> Self:
        """Speech, each frame of which is known again by its value."""
        for _ in range(round(seconds * 50)):
            self.frame(self.number)
            self.number += 1
        return self

    def silence(self, seconds: float) -> Self:
        for _ in range(round(seconds * 50)):
            self.frame(0)
        return self

    def frame(self, value: int) -> None:
        data = np.full((1, FRAME), value, np.int16)
        self.now = round(self.now + 0.02, 6)
        if self.bot.busy and not self.paused and self.bot.heard:
            self.bot = self.bot._replace(heard=self.bot.heard + 0.02)
        self.do(self.turns.push(AudioFrame(RATE, data), self.bot))

    def do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self.done.append((self.now, action.kind))
            if action.kind == "pause":
                self.paused = True
            if action.kind == "resume":
                self.paused = False
            if action.kind == "interrupt":
                self.paused, self.bot = False, Bot()
            if action.audio is not None and action.kind == "reply":
                self.replies.append(action.audio)

    @property
    def kinds(self) -> list[str]:
        return [kind for _, kind in self.done]


TALKING = Bot(busy=True, heard=1.0)
THINKING = Bot(busy=True, heard=0.0)


def test_a_turn_ends_after_the_silence_and_is_whole() -> None:
    """With what was before it, so that no consonant is missing."""
    table = Table().silence(1).speech(1).silence(1)
    assert table.done == [(2.5, "reply")]
    (audio,) = table.replies
    assert audio.sample_rate == RATE
    values = audio.data[0, ::FRAME]
    assert values.tolist() == [0] * 25 + list(range(1, 51)) + [0] * 25


def test_a_pause_inside_a_turn_does_not_end_it() -> None:
    """And what was said before it belongs to the turn."""
    table = Table().speech(0.5).silence(0.4).speech(0.5).silence(1)
    assert table.kinds == ["reply"]
    assert set(table.replies[0].data[0]) == set(range(51))


def test_a_click_is_no_turn() -> None:
    """Less than `min_speech` is forgotten; the next turn does not contain it."""
    table = Table().speech(0.06).silence(2).speech(0.5).silence(1)
    assert table.kinds == ["reply"]
    assert 1 not in table.replies[0].data


def test_who_never_pauses_is_answered_in_the_end() -> None:
    """At `max_turn`, and what follows is another turn: nothing is lost, nothing grows."""
    table = Table(TurnOptions(silence=0.5, max_turn=2.0, pre_roll=0.0)).speech(5).silence(1)
    assert [when for when, _ in table.done] == [2.0, 4.0, 5.5]
    joined = np.concatenate([reply.data[0, ::FRAME] for reply in table.replies])
    assert [int(value) for value in joined if value] == list(range(1, 251))


@pytest.mark.parametrize("bot", [THINKING, TALKING])
def test_the_answer_to_who_never_pauses_is_not_cut(bot: Bot) -> None:
    """Speech that goes on does not interrupt it; all of that is the next turn."""
    table = Table(TurnOptions(silence=0.5, max_turn=2.0, pre_roll=0.0)).speech(2)
    assert table.done == [(2.0, "reply")]
    table.bot = bot
    table.speech(1.0)
    assert table.kinds == ["reply"], "not even paused"
    table.bot = Bot()
    table.speech(0.3).silence(1)
    assert table.done == [(2.0, "reply"), (3.8, "reply")]
    said = [sample for sample in table.replies[1].data[0, ::FRAME] if sample]
    assert said == list(range(101, 166))


def test_who_speaks_beside_a_long_answer_is_answered_after_it() -> None:
    """The latest of it, as much as a turn has; what is kept is bounded."""
    table = Table(TurnOptions(silence=0.5, max_turn=2.0, pre_roll=0.0)).speech(2)
    table.bot = TALKING
    table.speech(60)
    assert table.kinds == ["reply"]
    assert table.turns.kept <= 2.6 * RATE
    table.bot = Bot()
    table.speech(0.02)
    assert table.kinds == ["reply", "reply"]
    assert table.replies[1].duration == pytest.approx(2.0, abs=0.021)


def test_after_a_pause_the_answer_can_be_interrupted_again() -> None:
    """By speech that lasts; what was said beside it is one turn with that."""
    table = Table(TurnOptions(silence=0.5, interrupt_after=0.6, max_turn=3.0, pre_roll=0.0))
    table.speech(3)
    table.bot = TALKING
    table.speech(0.5).silence(0.2).speech(0.1).silence(0.2)
    assert table.kinds == ["reply"], "a short sound does not"
    table.speech(1).silence(1)
    assert table.done == [(3.0, "reply"), (4.6, "interrupt"), (5.5, "reply")]
    said = [sample for sample in table.replies[1].data[0, ::FRAME] if sample]
    assert said == list(range(151, 231))


def test_who_is_done_beside_the_answer_is_answered_next() -> None:
    """After the usual silence, and the answer before is heard to its end."""
    table = Table(TurnOptions(silence=0.5, max_turn=2.0)).speech(2)
    table.bot = TALKING
    table.speech(1).silence(1)
    assert table.done == [(2.0, "reply"), (3.5, "reply")]


def test_an_interruption() -> None:
    """At once a pause; when the speech has lasted, the end of the bot; then a turn as any other."""
    table = Table()
    table.bot = TALKING
    table.silence(1).speech(2).silence(1)
    assert table.done == [(1.02, "pause"), (1.6, "interrupt"), (3.5, "reply")]
    assert table.replies[0].data[0, ::FRAME].tolist() == [0] * 25 + list(range(1, 101)) + [0] * 25


def test_a_false_alarm() -> None:
    """A "mhm" makes the bot pause and go on; it is no turn, now or later."""
    table = Table()
    table.bot = TALKING
    table.silence(1).speech(0.3).silence(1)
    assert table.done == [(1.02, "pause"), (1.56, "resume")]
    table.bot = Bot()
    table.silence(1).speech(0.5).silence(1)
    assert table.kinds == ["pause", "resume", "reply"]
    assert set(table.replies[0].data[0]) == {0, *range(16, 41)}


def test_two_short_words_are_an_interruption_together() -> None:
    """If no more than `resume_after` lies between them."""
    table = Table()
    table.bot = TALKING
    table.speech(0.4).silence(0.2).speech(0.4)
    assert table.kinds == ["pause", "interrupt"]


def test_who_is_not_done_after_all_goes_on_with_the_same_turn() -> None:
    """If nothing of the answer was heard, both parts are one turn, and the pause is remembered."""
    detector = SilenceTurnDetector(0.5)
    table = Table(detector=detector)
    table.speech(1).silence(0.5)
    assert table.kinds == ["reply"]
    table.bot = THINKING
    table.silence(0.3).speech(1).silence(1)
    assert table.kinds == ["reply", "pause", "interrupt", "reply"]
    assert set(table.replies[1].data[0]) == set(range(101))
    assert detector.patience(table.replies[0]) == pytest.approx(0.7)


def test_what_was_answered_is_not_said_again() -> None:
    """Once something of the answer was heard, an interruption is a turn of its own."""
    table = Table().speech(1).silence(0.6)
    table.bot = TALKING
    table.silence(0.5).speech(1).silence(1)
    assert table.kinds == ["reply", "pause", "interrupt", "reply"]
    assert set(table.replies[1].data[0]) == {0, *range(51, 101)}


def test_a_bot_that_must_be_heard_is_not_disturbed() -> None:
    """Nothing is listened to until it is silent; half a turn is not answered as a whole."""
    table = Table()
    table.bot = Bot(True, 1.0, interruptible=False)
    table.speech(3).silence(1)
    assert table.done == []
    table.bot = Bot()
    table.silence(1).speech(1).silence(1)
    assert table.kinds == ["reply"]


def test_a_pause_does_not_outlive_its_reason() -> None:
    """A bot that paused goes on when it may no longer be interrupted, or nobody listens."""
    for end in ("not interruptible", "muted", "dropped"):
        table = Table()
        table.bot = TALKING
        table.speech(0.1)
        if end == "not interruptible":
            table.bot = Bot(True, 1.0, interruptible=False)
        elif end == "muted":
            table.turns.listening = False
        else:
            table.do(table.turns.drop())
        table.silence(0.1)
        assert table.kinds == ["pause", "resume"], end


def test_who_has_the_floor_keeps_it() -> None:
    """A bot that begins while somebody speaks is stopped; a short turn before it is answered."""
    table = Table().speech(0.3)
    table.bot = TALKING
    table.speech(0.3).silence(1)
    assert table.done == [(0.32, "interrupt"), (1.1, "reply")]
    table = Table().speech(0.2).silence(0.2)
    table.bot = TALKING
    table.silence(1)
    assert table.done == [(0.7, "reply")]


def test_nobody_interrupts_in_the_warm_up() -> None:
    """Who still speaks when it is over does."""
    table = Table(TurnOptions(warm_up=1.0, interrupt_after=0.6))
    table.bot = Bot(True, 0.02)
    table.speech(0.7)
    assert table.done == []
    table.speech(0.5)
    assert table.kinds == ["pause", "interrupt"]


def test_words_are_asked_for() -> None:
    """With `min_words`, nothing ends before it is known that there are enough."""
    table = Table(TurnOptions(min_words=2, interrupt_after=0.6), recognises=True)
    table.bot = TALKING
    table.speech(1)
    assert table.kinds == ["pause", "confirm"]
    table.do(table.turns.confirm(False))
    table.speech(0.7)
    assert table.kinds == ["pause", "confirm", "confirm"]
    table.do(table.turns.confirm(True))
    table.do(table.turns.confirm(True))
    table.speech(0.3).silence(1)
    assert table.kinds == ["pause", "confirm", "confirm", "interrupt", "reply"]


def test_too_few_words_are_a_false_alarm() -> None:
    """An answer that comes too late is not heard."""
    table = Table(TurnOptions(min_words=2, interrupt_after=0.6), recognises=True)
    table.bot = TALKING
    table.speech(0.7)
    table.do(table.turns.confirm(False))
    table.silence(0.5)
    assert table.kinds == ["pause", "confirm", "resume"]
    table.do(table.turns.confirm(True))
    assert table.kinds == ["pause", "confirm", "resume"]


@pytest.mark.parametrize("meant", [True, False])
def test_a_short_word_is_asked_for(meant: bool) -> None:
    """Where speech is recognised; the bot is silent until the answer is there."""
    table = Table(recognises=True)
    table.bot = TALKING
    table.speech(0.3).silence(1)
    assert table.done == [(0.02, "pause"), (0.56, "confirm")]
    table.do(table.turns.confirm(meant))
    table.silence(0.02)
    assert table.kinds[2:] == (["interrupt", "reply"] if meant else ["resume"])
    table = Table(recognises=True)
    table.bot = TALKING
    table.speech(0.06).silence(1)
    assert table.kinds == ["pause", "resume"], "a click is not asked for"


def test_a_key_begins_and_ends_a_turn() -> None:
    """Whatever is said, and however long the silence in it; muted or not."""
    table = Table()
    table.turns.listening = False
    table.speech(0.5)
    table.turns.hold()
    table.silence(1).speech(0.5).silence(2)
    audio = table.turns.finish()
    assert audio is not None
    assert audio.duration == pytest.approx(3.5 + 0.5)
    assert table.turns.finish() is None
    table.speech(1).silence(1)
    assert table.done == []


def test_a_key_that_is_never_released() -> None:
    """Its turn has an end."""
    table = Table(TurnOptions(max_turn=2.0))
    table.turns.hold()
    table.silence(5)
    assert table.done == [(2.0, "reply")]


def test_finish_does_not_wait() -> None:
    """For an application that knows better."""
    table = Table().speech(0.5)
    audio = table.turns.finish()
    assert audio is not None
    assert set(audio.data[0]) == set(range(1, 26))
    table.silence(2)
    assert table.done == []


def test_the_delay_of_a_detector_is_taken_off() -> None:
    """Silence counts from the end of speech, not from where the detector noticed."""
    table = Table()
    table.turns.vad.end_delay = 0.1  # type: ignore[misc]
    table.speech(1).silence(1)
    assert table.done == [(1.4, "reply")]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 80)), max_size=25),
    st.lists(st.tuples(st.integers(1, 80), st.sampled_from(["talk", "think", "end"])), max_size=8),
)
def test_whatever_happens(parts: list[tuple[bool, int]], bot: list[tuple[int, str]]) -> None:
    """Pauses and resumes take turns, what is kept is bounded, and speech in silence is answered."""
    table = Table(TurnOptions(max_turn=3.0))
    states = iter(bot)
    until, state = next(states, (0, "end"))
    for speaking, count in parts:
        for _ in range(count):
            until -= 1
            if until < 0:
                until, state = next(states, (10**9, "end"))
                table.bot = {"talk": TALKING, "think": THINKING, "end": Bot()}[state]
                if state == "end":
                    table.paused = False
            was_paused = table.paused
            before = len(table.done)
            table.frame(table.number if speaking else 0)
            for _, kind in table.done[before:]:
                assert kind != "resume" or was_paused
            table.number += speaking
            kept = table.turns.kept
            assert kept <= (2 * 3.0 + 3.0) * RATE
    table.bot = Bot()
    table.silence(5)
    before = len(table.replies)
    table.speech(1).silence(1)
    assert len(table.replies) == before + 1


def test_silence_adapts_to_the_speaker() -> None:
    """It is longer after a pause that was too long for it, within bounds, and for each alone."""
    nothing = AudioFrame(RATE, np.zeros((1, 0), np.int16))
    detector = SilenceTurnDetector(0.5)
    assert isinstance(detector, TurnDetector)
    slow = detector.copy()
    slow.note_pause(0.6)
    assert slow.patience(nothing) == pytest.approx(0.7)
    assert slow.copy().patience(nothing) == 0.5
    for _ in range(20):
        slow.note_pause(5.0)
    assert slow.patience(nothing) == pytest.approx(1.25)
    for _ in range(100):
        slow.note_pause(0.3)
    assert slow.patience(nothing) == 0.5, "and never shorter than it was set"
    fixed = SilenceTurnDetector(0.5, adaptive=False)
    for _ in range(9):
        fixed.note_pause(2)
    assert fixed.patience(nothing) == 0.5


def test_who_goes_on_after_an_answer_was_not_done() -> None:
    """Even where something of the answer was heard; who is silent for long was."""
    for pause, expected in ((0.3, 0.7), (3.0, 0.5)):
        detector = SilenceTurnDetector(0.5)
        table = Table(detector=detector).speech(1).silence(0.5)
        table.bot = TALKING
        table.silence(pause).speech(1).silence(1)
        assert table.kinds == ["reply", "pause", "interrupt", "reply"]
        assert detector.patience(table.replies[0]) == pytest.approx(expected)


class Doubtful(LoudIsSpeech):
    """A detector that is in doubt, and wants longer pauses."""

    extra_silence = 0.0
    traces = False


def test_doubt_postpones_an_answer_for_a_while() -> None:
    """A trace of speech begins the pause anew, for 0.3 s at most."""
    for traced, answered in ((0.0, 1.5), (0.2, 1.6), (0.5, 1.8)):
        vad = Doubtful()
        assert isinstance(vad, AttentiveVAD)
        table = Table(vad=vad).speech(1)
        vad.traces = True
        table.silence(traced)
        vad.traces = False
        table.silence(2)
        assert table.done == [(answered, "reply")]


def test_where_words_are_lost_pauses_are_longer() -> None:
    vad = Doubtful()
    vad.extra_silence = 0.3
    assert Table(vad=vad).speech(1).silence(2).done == [(1.8, "reply")]


def test_a_model_decides_how_long_to_wait() -> None:
    """It gets the turn so far."""
    heard: list[AudioFrame] = []

    def model(audio: AudioFrame) -> float:
        heard.append(audio)
        return 0.9 if len(heard) > 1 else 0.1

    detector = ModelTurnDetector(model, silence=0.2, longest=1.0)
    assert isinstance(detector, TurnDetector)
    table = Table(detector=detector.copy())
    table.speech(0.5).silence(0.8).speech(0.5).silence(1)
    assert table.done == [(2.0, "reply")]
    assert [audio.duration for audio in heard] == [pytest.approx(0.52), pytest.approx(1.82)]


@pytest.mark.parametrize(
    "options", [{"silence": 0.0}, {"max_turn": 0.5}, {"min_words": -1}, {"warm_up": 100}]
)
def test_options_out_of_range(options: dict[str, Any]) -> None:
    """The error names them."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        TurnOptions(**options)


def test_the_options_of_fastrtc() -> None:
    """Their names, in our words."""
    options = AlgoOptions(audio_chunk_duration=0.8, started_talking_threshold=0.3)
    assert options.as_turn_options() == TurnOptions(silence=0.8, min_speech=0.3, max_turn=3600.0)


def test_a_tape_is_exact() -> None:
    """From any sample on, and no longer than it must be."""
    tape = Tape(RATE, 2)
    assert tape.since(5).data.shape == (2, 0)
    for number in range(10):
        tape.push(np.full((2, 7), number, np.int16))
    tape.forget_before(35)
    assert (tape.start, tape.end) == (35, 70)
    assert tape.since(40).data.shape == (2, 30)
    assert tape.since(40, 47).data[1].tolist() == [5, 5, 6, 6, 6, 6, 6]
    assert tape.since(40, 99).data.shape == (2, 30)
    assert tape.since(0, 30).data.shape == tape.since(50, 40).data.shape == (2, 0)
    assert tape.since(0).data[0].tolist() == [n for n in range(5, 10) for _ in range(7)]


@pytest.mark.parametrize("recognises", [False, True])
@pytest.mark.parametrize("options", [{}, {"min_words": 2}])
def test_a_short_word_while_the_bot_thinks_is_part_of_the_turn(
    recognises: bool, options: dict[str, Any]
) -> None:
    """Nobody talks over anything: no length, no words and no recogniser are asked for."""
    table = Table(TurnOptions(silence=0.5, **options), recognises=recognises)
    table.speech(1).silence(0.5)
    table.bot = THINKING
    table.silence(0.3).speech(0.45).silence(1)
    assert table.done == [(1.5, "reply"), (1.82, "pause"), (1.9, "interrupt"), (2.74, "reply")]
    assert set(table.replies[1].data[0]) == set(range(50 + 22 + 1))


def test_a_click_while_the_bot_thinks_is_no_speech() -> None:
    """It costs a pause."""
    table = Table().speech(1).silence(0.5)
    table.bot = THINKING
    table.silence(0.3).speech(0.06).silence(1)
    assert table.kinds == ["reply", "pause", "resume"]


def test_words_that_are_recognised_too_late() -> None:
    """Who was long enough to interrupt, or goes on when the bot is done, keeps the turn."""
    for then in ("goes on", "bot is done"):
        table = Table(recognises=True)
        table.bot = TALKING
        table.speech(0.3).silence(0.3)
        assert table.kinds == ["pause", "confirm"]
        if then == "goes on":
            table.speech(0.7)
        else:
            table.bot = Bot()
            table.silence(0.02)
        assert table.turns.confirm(False) == []
        table.silence(1)
        assert table.kinds[-1] == "reply", then
        assert 1 in table.replies[0].data


def test_a_turn_is_taken_back_by_other_means_than_speech() -> None:
    """Only while it is being answered, nothing of the answer was heard, and nobody forgot it."""
    for bot, forgotten, again in (
        (THINKING, False, True),
        (THINKING, True, False),
        (TALKING, False, False),
        (Bot(), False, False),
        (THINKING._replace(interruptible=False), False, False),
    ):
        table = Table().speech(1).silence(0.5)
        if forgotten:
            table.do(table.turns.forget())
        table.turns.go_on(bot)
        audio = table.turns.finish()
        assert (audio is not None and set(audio.data[0]) == set(range(51))) == again
        table.turns.go_on(THINKING)
        assert (table.turns.finish() is not None) == again, "another answer takes nothing back"


class Discerning(LoudIsSpeech):
    """A detector that says itself how sure it is."""

    sure = False


def test_a_short_sound_that_is_surely_no_speech_is_no_turn() -> None:
    """A laugh has a voice: the detector takes it for speech, but is never sure."""
    vad = Discerning()
    assert isinstance(vad, DiscerningVAD)
    table = Table(vad=vad).speech(0.7).silence(2)
    assert table.done == []
    vad.sure = True
    table.speech(0.1)
    vad.sure = False
    table.speech(0.1).silence(2)
    assert table.kinds == ["reply"], "a short word"
    table.speech(0.3).silence(2)
    assert table.kinds == ["reply"], "what was sure belonged to that word"
    table.speech(1.1).silence(2)
    assert table.kinds == ["reply"] * 2, "nobody laughs like that"


def test_a_laugh_does_not_take_back_what_is_being_thought_of() -> None:
    vad = Discerning()
    table = Table(vad=vad)
    table.bot = THINKING
    table.speech(0.5).silence(1)
    assert table.kinds == ["pause", "resume"]
    vad.sure = True
    table.speech(0.2)
    assert table.kinds[2:] == ["pause", "interrupt"]


class Quick(Discerning):
    """A detector whose latest window may be likely speech before it says that speech began."""

    likely = 0.0

    @property
    def probability(self) -> float:
        return max(self.likely, super().probability)


def test_a_bot_is_silent_at_the_first_window_that_is_likely_speech() -> None:
    """It goes on at once if there is no more of it; a turn begins with one pause."""
    vad = Quick()
    table = Table(vad=vad)
    table.bot = TALKING
    vad.likely = 0.8
    table.silence(0.02)
    vad.likely = 0.2
    table.silence(0.3)
    assert table.done == [(0.02, "pause"), (0.12, "resume")]
    vad.likely, vad.sure = 0.8, True
    table.silence(0.04).speech(1)
    assert table.kinds == ["pause", "resume", "pause", "interrupt"]


def test_a_bot_that_was_startled_is_not_left_silent() -> None:
    """Whoever stops listening lets it go on, and the next one is startled anew."""
    vad = Quick()
    vad.likely = 0.8
    table = Table(vad=vad)
    table.bot = TALKING
    table.silence(0.02)
    table.do(table.turns.drop())
    assert table.kinds == ["pause", "resume"]
    table.silence(0.02)
    table.bot = Bot()
    table.silence(0.02)
    table.bot = TALKING
    table.silence(0.02)
    assert table.kinds == ["pause", "resume", "pause", "pause"]


@pytest.mark.parametrize("heard", [0.0, 1.0])
def test_nothing_startles_a_bot_that_thinks_or_warms_up(heard: float) -> None:
    vad = Quick()
    vad.likely = 0.8
    table = Table(TurnOptions(silence=0.5, warm_up=2.0), vad=vad)
    table.bot = Bot(True, heard)
    assert table.silence(0.1).done == []


def test_who_cannot_discern_startles_nobody() -> None:
    class Vague(LoudIsSpeech):
        probability = 0.8

    table = Table(vad=Vague())
    table.bot = TALKING
    assert table.silence(0.1).done == []
