"""A recogniser that streams in a `VoiceAgent`: the words are known while the user speaks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import connect
from fastrtc_handlers import TurnOptions
from fastrtc_handlers.agent import AgentLimits, ToolCall
from fastrtc_handlers.stt import LiveSTTModel, Transcript, live
from fastrtc_handlers.turns import TextTurnDetector

from .support import Script, Voice, agent_of, make, said, speak, turns, until, write

EARLY = TurnOptions(silence=0.5, draft_after=0.2)
LATE = TurnOptions(silence=0.5)


class Live:
    """Knows a word for each half second of sound, as soon as it has heard it.

    Args:
        finalises: How long it takes after the end of a turn.
        behind: By how much the words come later, in s.
        fails: How often it fails, at the second word.
        slow: How long it takes for one s of audio.
        words: What the words are, in order; numbers by default.
    """

    def __init__(
        self,
        finalises: float = 0.0,
        *,
        behind: float = 0.0,
        fails: int = 0,
        slow: float = 0.0,
        words: list[str] | None = None,
    ) -> None:
        self.finalises = finalises
        self.behind = behind
        self.fails = fails
        self.slow = slow
        self.words = words
        self.opened = 0
        self.closed = 0
        self.heard = 0.0

    async def stream_stt(self, audio: AsyncIterator[AudioFrame]) -> AsyncIterator[Transcript]:
        self.opened += 1
        heard = sound = end = 0.0
        told: list[tuple[float, Transcript]] = []
        known: list[str] = []
        try:
            async for frame in audio:
                await asyncio.sleep(self.slow * frame.duration)
                heard += frame.duration
                self.heard += frame.duration
                sound += frame.duration if frame.data.any() else 0.0
                while len(known) < int(2 * sound + 0.01):
                    known.append(self._word(len(known)))
                    end = heard
                    told.append((heard + self.behind, Transcript(" ".join(known), False, 0.0, end)))
                    if self.fails and len(known) == 2:
                        self.fails -= 1
                        raise ConnectionError("the recogniser is gone")
                while told and told[0][0] <= heard:
                    yield told.pop(0)[1]
            await asyncio.sleep(self.finalises)
            if known:
                yield Transcript(" ".join(known), True, 0.0, end)
        finally:
            self.closed += 1

    def _word(self, number: int) -> str:
        return f"word{number}" if self.words is None else self.words.pop(0)


class OneShot:
    """As good, but it hears a turn only when that is over."""

    def __init__(self, takes: float) -> None:
        self.takes = takes

    async def stt(self, audio: Any) -> str:
        await asyncio.sleep(self.takes)
        return "word0 word1"


def lines(peer: Any) -> list[tuple[str, bool]]:
    """What the client was told of the user's words."""
    told = [each for each in peer.of_type("transcript") if each["role"] == "user"]
    return [(each["text"], each["final"]) for each in told]


async def test_the_words_are_there_when_the_turn_is_over() -> None:
    """The client sees them while they are said; a recogniser of whole turns is waited for."""
    took = []
    for stt in (OneShot(0.4), Live()):
        async with connect(make(Script("Yes."), stt=stt, algo_options=LATE)) as peer:
            await speak(peer, 1.0, 1.5)
            await turns(peer, 1)
            record = agent_of(peer).records[0]
            assert said(peer) == [("user", "word0 word1"), ("assistant", "Yes.")]
            took.append((record.stages.get("stt", 0.0), record.gap))
            told = lines(peer)
    assert isinstance(stt, LiveSTTModel)
    assert took[0] == pytest.approx((0.4, 0.9), abs=0.03)
    assert took[1] == pytest.approx((0.0, 0.5), abs=0.03)
    assert told == [("word0", False), ("word0 word1", False), ("word0 word1", True)]
    assert (stt.opened, stt.closed) == (1, 1)


@pytest.mark.parametrize("finalises", [0.3, 60])
async def test_the_last_words_are_waited_for_but_not_for_ever(finalises: float) -> None:
    """Where they never become final, those count that are known."""
    stt = Live(finalises)
    agent = make(Script("Yes."), stt=stt, algo_options=LATE, limits=AgentLimits(stt=1.0))
    async with connect(agent) as peer:
        await speak(peer, 1.0, 2.0)
        await turns(peer, 1)
        assert said(peer) == [("user", "word0 word1"), ("assistant", "Yes.")]
        took = agent_of(peer).records[0].stages["stt"]
        assert took == pytest.approx(min(1.0, finalises), abs=0.03)
        await until(lambda: stt.closed == 1)
        assert not peer.of_type("error")


async def test_a_recogniser_that_knows_no_word_in_time_is_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The user is told; the next turn is answered."""

    class Dumb(Live):
        async def stream_stt(self, audio: AsyncIterator[AudioFrame]) -> AsyncIterator[Transcript]:
            if self.opened:
                async for transcript in super().stream_stt(audio):
                    yield transcript
            self.opened += 1
            await asyncio.sleep(60)

    agent = make(Script("Yes."), stt=Dumb(), algo_options=LATE, limits=AgentLimits(stt=1.0))
    async with connect(agent) as peer:
        await speak(peer, 1.0, 3.5)
        assert "the recogniser knew no word 1 s after the end of the turn" in caplog.text
        await speak(peer, 1.0, 2.5)
        await turns(peer, 2)
        assert said(peer)[-2:] == [("user", "word0 word1"), ("assistant", "Yes.")]
        assert len(peer.of_type("error")) == 1


@pytest.mark.parametrize(("fails", "errors"), [(1, 0), (2, 1)])
async def test_a_stream_that_breaks_off_hears_the_turn_again(fails: int, errors: int) -> None:
    """From its beginning, once; what fails twice is reported, and the next turn is answered."""
    stt = Live(fails=fails)
    async with connect(make(Script("Yes.", "Yes."), stt=stt, algo_options=LATE)) as peer:
        for _ in range(2):
            await speak(peer, 1.2, 2.5)
        await turns(peer, 2)
        assert len(peer.of_type("error")) == errors
        expected = [("user", "word0 word1"), ("assistant", "Yes.")]
        assert said(peer)[-2:] == expected
        assert said(peer).count(expected[0]) == 2 - errors
        assert stt.opened == stt.closed == 3


@pytest.mark.parametrize("how", ["ends", "yields text"])
async def test_what_is_no_recogniser_of_turns_is_named(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One that ends at once is not asked again and again."""

    class Odd:
        opened = 0

        async def stream_stt(self, audio: AsyncIterator[AudioFrame]) -> AsyncIterator[Any]:
            self.opened += 1
            if how == "yields text":
                yield "word"

    stt = Odd()
    async with connect(make(Script(), stt=stt, algo_options=LATE)) as peer:
        await speak(peer, 1.0, 1.5)
        assert len(peer.of_type("error")) == 1
        why = "before it had heard" if how == "ends" else "must yield a Transcript"
        assert why in caplog.text
        assert stt.opened == 2


async def test_one_that_ends_in_a_pause_is_begun_again() -> None:
    """As services do that look for ends themselves: the turn has the words of both."""

    class Ending(Live):
        async def stream_stt(self, audio: AsyncIterator[AudioFrame]) -> AsyncIterator[Transcript]:
            async def until_pause() -> AsyncIterator[AudioFrame]:
                spoke = False
                async for frame in audio:
                    yield frame
                    if spoke and not frame.data.any():
                        return
                    spoke = bool(frame.data.any())

            async for transcript in super().stream_stt(until_pause()):
                yield transcript

    stt = Ending()
    async with connect(make(Script("Yes."), stt=stt, algo_options=LATE)) as peer:
        await speak(peer, 1.0, 0.3)
        await speak(peer, 0.5, 1.5)
        await turns(peer, 1)
        assert said(peer)[0] == ("user", "word0 word1 word0")
        assert stt.opened >= 3


async def test_a_slow_recogniser_drops_the_oldest_and_counts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What waits for it is bounded; the turn is answered with what it knows."""
    monkeypatch.setattr(live.TurnWords.__init__, "__kwdefaults__", {"backlog": 2.0})
    stt = Live(slow=4.0)
    agent = make(Script("Yes."), stt=stt, algo_options=LATE, limits=AgentLimits(stt=3.0))
    async with connect(agent) as peer:
        await speak(peer, 5.0, 4.5)
        await turns(peer, 1)
        # A quarter of 5.5 s was heard meanwhile, and 2 s waited.
        assert agent_of(peer).dropped_audio == pytest.approx(5.5 - 1.4 - 2.0, abs=0.4)
        assert said(peer)[0][1].startswith("word0 word1")


async def test_what_the_user_goes_on_with_is_one_turn() -> None:
    """Even where the end of its first half is late; the audio is not recognised twice."""
    stt = Live(0.8)
    async with connect(make(Script("Now."), stt=stt, algo_options=LATE)) as peer:
        await speak(peer, 1.0, 0.8)
        await speak(peer, 1.0, 3.0)
        await turns(peer, 2)
        assert said(peer) == [("user", "word0 word1 word0 word1"), ("assistant", "Now.")]
        assert stt.opened == stt.closed == 2
        assert stt.heard < 4.5
        assert lines(peer)[-1] == ("word0 word1 word0 word1", True)


async def test_what_goes_on_after_a_stream_broke_off_is_heard_again_as_a_whole() -> None:
    stt = Live(fails=1)
    async with connect(make(Script([5.0, "No."], "Now."), stt=stt, algo_options=LATE)) as peer:
        await speak(peer, 1.0, 0.8)
        await speak(peer, 1.0, 3.0)
        await turns(peer, 2)
        assert said(peer) == [("user", "word0 word1 word2 word3"), ("assistant", "Now.")]
        assert not peer.of_type("error")


async def test_typed_words_join_what_was_said_before() -> None:
    model = Script([5.0, "Too late."], "Now.")
    async with connect(make(model, stt=Live(), algo_options=LATE)) as peer:
        await speak(peer, 1.0, 0.8)
        write(peer, "and more")
        await turns(peer, 2)
        assert said(peer) == [("user", "word0 word1 and more"), ("assistant", "Now.")]


@pytest.mark.parametrize(("words", "interrupts"), [(["mhm"], False), (["yeah", "stop"], True)])
async def test_words_beside_the_answer(words: list[str], interrupts: bool) -> None:
    """They are known before the speech is over; nothing else has to recognise them."""
    stt = Live(words=[*words, "please", "go"])
    answer = " ".join(f"Word{n}" for n in range(30))
    async with connect(make(Script(answer, "Fine."), stt=stt, algo_options=LATE)) as peer:
        write(peer, "Hi")
        await until(lambda: agent_of(peer).state == "speaking")
        await asyncio.sleep(1.0)
        await speak(peer, 0.5 * len(words) + 0.02, 8.0)
        await turns(peer, 1)
        assert agent_of(peer).records[0].interrupted == interrupts
        assert (("user", " ".join(words)) in said(peer)) == interrupts
        shown = lines(peer)[1:]
        assert not shown or shown[-1] == (" ".join(words), True)
    assert stt.closed == stt.opened


async def test_a_recogniser_that_fails_beside_the_answer_lets_all_interrupt() -> None:
    stt = Live(fails=9, words=["mhm"] * 20)
    async with connect(make(Script([" ".join(["word"] * 30)]), stt=stt)) as peer:
        write(peer, "Hi")
        await until(lambda: agent_of(peer).state == "speaking")
        await asyncio.sleep(0.5)
        await speak(peer, 1.02, 2.0)
        await turns(peer, 1)
        assert agent_of(peer).records[0].interrupted


async def test_the_end_of_the_session_closes_the_stream() -> None:
    """In the middle of a turn, and while the last words are waited for."""
    for silence in (0.0, 0.8):
        stt = Live(60)
        async with connect(make(Script(), stt=stt, algo_options=LATE)) as peer:
            await speak(peer, 1.0, silence)
            await asyncio.sleep(0.1)
            assert (stt.opened, stt.closed) == (1, 0)
        assert stt.closed == 1


@pytest.mark.parametrize("command", ["forget", "mute", "push_to_talk"])
async def test_a_turn_that_is_forgotten_takes_its_line_with_it(command: str) -> None:
    stt = Live()
    async with connect(make(Script("Yes."), stt=stt, algo_options=LATE)) as peer:
        await speak(peer, 1.0)
        peer.send({"command": command, "on": True})
        await speak(peer, 1.0)
        if command != "forget":
            peer.send({"command": command, "on": False})
        await speak(peer, 0.0, 1.0)
        assert ("", True) in lines(peer)
        if command != "mute":  # with what is kept of the time before
            assert said(peer)[0][1] in ("word0 word1", "word0 word1 word2")


# Drafts


@pytest.mark.parametrize("thinks", [0.1, 0.6])
async def test_a_draft_begins_with_words_that_are_steady(thinks: float) -> None:
    """What the model needs runs beside the silence, as the recogniser does already."""
    options = {"stt": Live(), "algo_options": EARLY}
    async with connect(make(Script([thinks, "Yes."]), **options)) as peer:
        await speak(peer, 1.0, 2.0)
        (record,) = agent_of(peer).records
        assert record.gap == pytest.approx(0.5 + max(0.0, thinks - 0.3), abs=0.04)


@pytest.mark.parametrize(
    ("comes", "ends", "asked", "answered", "silence"),
    [
        (1.05, 0.9, 1, 1.5, 0.5),
        (1.35, 0.5, 1, 1.75, 0.5),
        (1.25, 0.9, 2, 1.65, 0.5),
        (1.65, 0.9, 2, 2.05, 1.0),
    ],
)
async def test_words_that_come_late_are_part_of_the_draft(
    comes: float, ends: float, asked: int, answered: float, silence: float
) -> None:
    """It waits until they reach to the pause; another draft follows if one comes even later.

    Words that are final are not waited for, however long the recogniser takes to end.
    """

    class Late:
        async def stream_stt(self, audio: AsyncIterator[AudioFrame]) -> AsyncIterator[Transcript]:
            heard, told = -0.02, 0  # the first frame is in silence
            async for frame in audio:
                heard += frame.duration
                if told == 0 and heard > 0.6:
                    yield Transcript("word0", False, 0.0, ends)
                    told = 1
                elif told == 1 and heard > comes:
                    yield Transcript("word0 word1", True, 0.0, 1.0)
                    told = 2
            await asyncio.sleep(2)

    model = Script(*[[0.3, f"Answer {n}."] for n in range(asked)])
    options = TurnOptions(silence=silence, draft_after=0.2)
    async with connect(make(model, stt=Late(), algo_options=options)) as peer:
        await speak(peer, 1.0, 2.0)
        await turns(peer, 1)
        assert said(peer) == [("user", "word0 word1"), ("assistant", f"Answer {asked - 1}.")]
        assert len(model.asked) == model.closed == asked
        assert agent_of(peer).records[0].gap == pytest.approx(answered - 1.0, abs=0.06)


async def test_final_words_that_differ_make_the_draft_worthless() -> None:
    """Not by punctuation, but by a word."""

    class Revising(Live):
        def __init__(self, final: str) -> None:
            super().__init__(0.1)
            self.final = final

        async def stream_stt(self, audio: AsyncIterator[AudioFrame]) -> AsyncIterator[Transcript]:
            async for transcript in super().stream_stt(audio):
                yield transcript._replace(text=self.final) if transcript.final else transcript

    for final, asked in (("Word0, word1.", 1), ("word0 word2", 2)):
        model = Script([0.1, "First."], [0.1, "Second."])
        async with connect(make(model, stt=Revising(final), algo_options=EARLY)) as peer:
            await speak(peer, 1.0, 2.0)
            await turns(peer, 1)
            assert said(peer) == [
                ("user", final),
                ("assistant", ["First.", "Second."][asked - 1]),
            ]
            assert len(model.asked) == model.closed == asked
            assert model.asked[-1][-1]["content"] == ("word0 word1" if asked == 1 else final)


@pytest.mark.parametrize("count", [4, pytest.param(60, marks=pytest.mark.soak)])
async def test_no_word_of_a_draft_that_was_dropped_is_heard(count: int) -> None:
    """Turns of random phrases and pauses: each is answered once, by what was said in it."""
    chance = random.Random(5)
    asked: list[int] = []
    called: list[str] = []
    voice = Voice()

    def light(of: str) -> str:
        called.append(of)
        return "on"

    async def model(messages: list[dict[str, Any]]) -> AsyncIterator[Any]:
        latest = messages[-1]
        if latest["role"] == "tool":
            return
        words = len(latest["content"].split())
        asked.append(words)
        await asyncio.sleep(chance.uniform(0.0, 0.5))
        yield f"Heard {words} words."
        yield ToolCall("light", {"of": str(words)})

    expected = []
    stt = Live(0.02, behind=0.15)
    agent = make(model, light, stt=stt, algo_options=EARLY, tts=voice)
    async with connect(agent) as peer:
        for number in range(count):
            phrases = [chance.randint(1, 4) for _ in range(chance.randint(1, 4))]
            for halves in phrases[:-1]:
                await speak(peer, halves / 2, chance.choice([0.1, 0.22, 0.3, 0.4, 0.44]))
            await speak(peer, phrases[-1] / 2, 0.6)
            await turns(peer, number + 1)
            expected.append(sum(phrases))
        assert len(asked) > 1.3 * count, "drafts were dropped"
        assert not peer.of_type("error")
    assert voice.spoken == [f"Heard {words} words." for words in expected]
    assert called == [str(words) for words in expected]


# The detector of the end


async def test_the_words_tell_a_detector_that_reads_when_the_turn_is_over() -> None:
    """One recogniser serves both: a sentence ends soon, an "and" does not."""
    for words, silence in ((["all", "done."], 0.25), (["this", "and"], 1.5)):
        detector = TextTurnDetector()
        agent = make(Script("Yes."), stt=Live(words=[*words]), turn_detector=detector)
        async with connect(agent) as peer:
            await speak(peer, 1.0, 2.5)
            (record,) = agent_of(peer).records
            assert record.stages["silence"] == pytest.approx(silence, abs=0.03)
            assert record.user == " ".join(words)


async def test_a_detector_is_told_how_far_the_same_words_reach() -> None:
    """A long last word is known in its middle; whoever looks on is shown it once."""

    class Early:
        async def stream_stt(self, audio: AsyncIterator[AudioFrame]) -> AsyncIterator[Transcript]:
            heard = 0.0
            async for frame in audio:
                heard += frame.duration
                if heard > 0.5:
                    yield Transcript("all done.", False, 0.0, min(heard, 1.0))

    detector = TextTurnDetector()
    async with connect(make(Script("Yes."), stt=Early(), turn_detector=detector)) as peer:
        await speak(peer, 1.0, 2.5)
        (record,) = agent_of(peer).records
        assert record.stages["silence"] == pytest.approx(0.25, abs=0.03)
        assert lines(peer) == [("all done.", False), ("all done.", True)]


async def test_without_a_detector_that_cannot_read_turns_are_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(TextTurnDetector):
        def read(self, text: str, lag: float) -> None:
            raise ValueError("it cannot read")

    agent = make(Script("Yes.", "Yes."), stt=Live(), turn_detector=Broken(), algo_options=LATE)
    async with connect(agent) as peer:
        for count in (1, 2):
            await speak(peer, 1.0, 1.5)
            await turns(peer, count)
        assert said(peer) == [("user", "word0 word1"), ("assistant", "Yes.")] * 2
        assert agent_of(peer).records[1].stages["silence"] == pytest.approx(0.5, abs=0.03)
    assert caplog.text.count("the turn detector failed") == 1


# Recognisers of one stream for a session


async def test_a_recogniser_of_one_stream_is_one_of_turns() -> None:
    """Its stream is opened once, on a thread, and leaves out what is no turn."""

    class Stream:
        def __init__(self) -> None:
            self.heard = 0.0
            self.sound = 0.0

        def push(self, frame: AudioFrame) -> list[Transcript]:
            self.heard += frame.duration
            before = int(2 * self.sound + 0.01)
            self.sound += frame.duration if frame.data.any() else 0.0
            after = int(2 * self.sound + 0.01)
            return self._told(False) if after > before else []

        def flush(self) -> list[Transcript]:
            told = self._told(True)
            self.sound = 0.0
            return told

        def _told(self, final: bool) -> list[Transcript]:
            count = int(2 * self.sound + 0.01)
            text = " ".join(f"word{n}" for n in range(count))
            return [Transcript(text, final, self.heard, self.heard)] if text else []

    class Model:
        opened = 0

        def stream(self) -> Stream:
            self.opened += 1
            return Stream()

    stt = Model()
    agent = make(Script("Yes.", "Yes."), stt=stt, algo_options=LATE)
    async with connect(agent) as peer:
        for count in (1, 2):
            await speak(peer, 1.0, 1.5)
            await turns(peer, count)
            if count == 1:
                await speak(peer, 0.5)
                peer.send({"command": "forget"})
                await speak(peer, 0.0, 0.5)
        assert said(peer) == [("user", "word0 word1"), ("assistant", "Yes.")] * 2
        assert ("word0", False) in lines(peer)
    assert stt.opened == 1


async def test_turns_that_overlap_have_a_stream_each() -> None:
    """One that is slow to end and the next: the times of each count from its own beginning."""
    opened: list[Any] = []

    class Stream:
        def __init__(self) -> None:
            self.heard = 0.0
            opened.append(self)

        def push(self, frame: AudioFrame) -> list[Transcript]:
            self.heard += frame.duration
            return [Transcript("word", False, 0.0, self.heard)]

        def flush(self) -> list[Transcript]:
            return [Transcript("word", True, 0.0, self.heard)]

    class Model:
        def stream(self) -> Stream:
            return Stream()

    async def audio(frames: asyncio.Queue[AudioFrame | None]) -> AsyncIterator[AudioFrame]:
        while (frame := await frames.get()) is not None:
            yield frame

    model = live.SessionStream(Model())
    frame = AudioFrame(16000, np.zeros((1, 1600), np.int16))
    queues: list[asyncio.Queue[AudioFrame | None]] = [asyncio.Queue() for _ in range(3)]
    first, second, third = (model.stream_stt(audio(queue)) for queue in queues)
    for count in (1, 2):
        for queue, turn in zip(queues, (first, second), strict=False):
            queue.put_nowait(frame)
            assert (await anext(turn)).end == pytest.approx(count / 10)
    for queue, turn, end in zip(queues, (first, second, third), (0.2, 0.2, 0.1), strict=True):
        if turn is third:
            queue.put_nowait(frame)
        queue.put_nowait(None)
        assert [each.end async for each in turn][-1] == pytest.approx(end)
    assert len(opened) == 2
