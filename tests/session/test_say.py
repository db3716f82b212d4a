"""`say`: speech at any time, in order, that can be cancelled and tells what was heard."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fastrtc_core import (
    AdditionalOutputs,
    AudioFrame,
    CloseReason,
    CloseStream,
    ConfigurationError,
    Playback,
    QueueFullError,
    Speech,
    SpeechWords,
    Stream,
    UnknownSessionError,
)
from fastrtc_core.testing import InProcessPeer, connect, fit_sine, longest_silence, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers import Echo

from .handlers import Recording, heard_samples

RATE = 24000


class Bot(Recording):
    """Says what a test gives it, and notes its interruptions."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.interruptions: list[Playback] = []

    async def on_interrupted(self, playback: Playback) -> None:
        self.interruptions.append(playback)


class Beeper:
    """A voice: each word is 0.2 s of a tone, whose pitch is 100 Hz for each of its letters."""

    def __init__(self) -> None:
        self.spoken: list[str] = []

    def stream_tts_sync(self, text: str) -> Iterator[AudioFrame]:
        self.spoken.append(text)
        assert threading.current_thread() is not threading.main_thread()
        for word in text.split():
            yield tone(100 * len(word), 0.2, RATE)


def bot_of(peer: InProcessPeer) -> Bot:
    handler = peer.session.handler
    assert isinstance(handler, Bot)
    return handler


SOUND = tone(500, 0.5, RATE)


def frames() -> Iterator[AudioFrame]:
    yield from frames_of(SOUND)


async def frames_async() -> AsyncIterator[AudioFrame]:
    for frame in frames_of(SOUND):
        await asyncio.sleep(0.001)
        yield frame


async def whole_async() -> AudioFrame:
    await asyncio.sleep(0.001)
    return SOUND


SOURCES: dict[str, Callable[[], Any]] = {
    "a frame": lambda: SOUND,
    "a tuple": lambda: (RATE, SOUND.data[0]),
    "a list": lambda: list(frames_of(SOUND)),
    "a generator": frames,
    "an async generator": frames_async,
    "a coroutine": whole_async,
    "a function": lambda: lambda: SOUND,
    "a generator function": lambda: frames,
    "an async generator function": lambda: frames_async,
    "a coroutine function": lambda: whole_async,
    "a function that returns a generator": lambda: lambda: frames(),
    "a coroutine that returns a generator": lambda: later(frames),
}


async def later(value: Any) -> Any:
    await asyncio.sleep(0.001)
    return value


@pytest.mark.virtual_clock
@pytest.mark.parametrize("kind", SOURCES)
async def test_whatever_can_be_said(kind: str) -> None:
    """It is heard whole; the handle says how much that was."""
    async with connect(Bot()) as peer:
        speech = bot_of(peer).say(SOURCES[kind]())
        assert not speech.done
        playback = await speech
        assert playback == Playback(0.5, "", interrupted=False)
        assert speech.done
        assert speech.heard == 0.5
    assert np.array_equal(heard_samples(peer.heard)[: SOUND.samples_per_channel], SOUND.data[0])
    assert not peer.of_type("error")


@pytest.mark.virtual_clock
async def test_a_text_is_spoken_by_the_sentence() -> None:
    """In the voice of the handler; pieces of text are joined, and outputs keep their place."""

    async def tokens() -> AsyncIterator[Any]:
        for token in ("Wo", "rd. Ano", "ther one", "!"):
            yield token
        yield AdditionalOutputs("spoken")
        yield "End"

    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        bot.tts = voice = Beeper()
        playback = await bot.say(tokens())
        assert voice.spoken == ["Word.", "Another one!", "End"]
        assert playback.text == "Word. Another one! End"
        assert playback.heard == pytest.approx(0.8)
        latest = peer.session.outputs.latest
        assert latest is not None
        assert latest.args == ("spoken",)
    heard = heard_samples(peer.heard)
    assert fit_sine(heard[:4800], 500, RATE).snr > 40
    assert fit_sine(heard[4800:9600], 700, RATE).snr > 40


@pytest.mark.virtual_clock
@pytest.mark.parametrize("name", ["tts", "stream_tts"])
async def test_a_voice_of_any_kind(name: str) -> None:
    """One of three methods is enough, sync or async."""

    class Voice:
        def tts(self, text: str) -> AudioFrame:
            return tone(500, 0.1 * len(text), RATE)

    class AsyncVoice:
        async def stream_tts(self, text: str) -> AsyncIterator[AudioFrame]:
            yield tone(500, 0.1 * len(text), RATE)

    async with connect(Bot()) as peer:
        bot_of(peer).tts = Voice() if name == "tts" else AsyncVoice()
        assert (await bot_of(peer).say("four")).heard == pytest.approx(0.4)


@pytest.mark.virtual_clock
async def test_the_next_sentence_is_made_while_one_is_heard() -> None:
    """A slow voice makes no pause between sentences, once it is ahead."""

    class Slow:
        async def stream_tts(self, text: str) -> AsyncIterator[AudioFrame]:
            await asyncio.sleep(0.4)
            yield tone(500, 1.0, RATE)

    async with connect(Bot()) as peer:
        bot_of(peer).tts = Slow()
        start = asyncio.get_running_loop().time()
        await bot_of(peer).say("One. Two. Three.")
        assert asyncio.get_running_loop().time() - start == pytest.approx(3.4, abs=0.05)
    assert longest_silence(heard_samples(peer.heard), RATE) < 0.001


@pytest.mark.virtual_clock
async def test_without_a_voice_the_error_says_what_to_do() -> None:
    """The session goes on."""
    async with connect(Bot()) as peer:
        playback = await bot_of(peer).say("Hello.")
        assert isinstance(playback.error, ConfigurationError)
        assert "self.tts" in str(playback.error)
        assert len(peer.of_type("error")) == 1
        assert (await bot_of(peer).say(SOUND)).error is None


@pytest.mark.virtual_clock
async def test_one_after_the_other_and_the_urgent_first() -> None:
    """What is being said is not cut short; of what waits, the highest priority goes first."""
    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        first = bot.say(tone(300, 0.2, RATE))
        await asyncio.sleep(0.05)
        bot.say(tone(500, 0.2, RATE))
        bot.say(tone(600, 0.2, RATE))
        last = bot.say(tone(500, 0.2, RATE), priority=-1)
        urgent = bot.say(tone(400, 0.2, RATE), priority=5)
        assert bot.speech is first
        await urgent
        assert not last.done
        await last
        assert bot.speech is None
    heard = heard_samples(peer.heard)
    for number, frequency in enumerate((300, 400, 500, 600, 500)):
        part = heard[4800 * number :][:4800]
        assert fit_sine(part, frequency, RATE).snr > 40, (number, frequency)


@pytest.mark.virtual_clock
async def test_emit_waits_while_something_is_said() -> None:
    """Neither is torn apart; `emit` is not even called."""
    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        bot.to_emit.put_nowait(tone(300, 0.1, RATE))
        await asyncio.sleep(0.05)
        speech = bot.say(frames())
        await asyncio.sleep(0.05)
        bot.to_emit.put_nowait(tone(700, 0.1, RATE))
        await speech
        await asyncio.sleep(0.3)
    heard = heard_samples(peer.heard)
    assert fit_sine(heard[:2400], 300, RATE).snr > 40
    assert fit_sine(heard[2400:14400], 500, RATE).snr > 40
    assert fit_sine(heard[14400:16800], 700, RATE).snr > 40


@pytest.mark.virtual_clock
async def test_an_interruption_is_heard_at_once_and_told_exactly() -> None:
    """Nothing of it is sent after; the client and the handler learn what was heard."""
    closed: list[str] = []

    def talk() -> Iterator[AudioFrame]:
        try:
            while True:
                yield tone(500, 0.02, RATE)
        except GeneratorExit:
            closed.append("closed")
            raise

    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        speech = bot.say(talk())
        behind = bot.say(SOUND)
        await asyncio.sleep(1.01)
        bot.interrupt()
        assert speech.done
        sent = len(peer.heard)
        await asyncio.sleep(0.5)
        assert len(peer.heard) == sent
        heard = sent * 0.02
        playback = await speech
        assert playback.interrupted
        assert playback.heard == pytest.approx(heard)
        assert (await behind) == Playback(0.0, "", interrupted=True)
        assert peer.of_type("interrupted") == [{"heard_ms": round(1000 * heard), "text": ""}]
        assert [p.heard for p in bot.interruptions] == [pytest.approx(heard)]
        assert closed == ["closed"]
        assert (await bot.say(SOUND)).heard == 0.5, "the next one is not disturbed"
    assert not peer.of_type("error")


@pytest.mark.virtual_clock
@pytest.mark.parametrize("waits", ["at its yield", "in its work"])
async def test_an_async_source_sees_its_end(waits: str) -> None:
    """`CancelledError` where it awaits, `GeneratorExit` where it has yielded."""
    seen: list[type[BaseException]] = []

    async def talk() -> AsyncIterator[AudioFrame]:
        try:
            while True:
                yield tone(500, 0.1, RATE)
                if waits == "in its work":
                    await asyncio.Event().wait()
        except BaseException as error:
            seen.append(type(error))
            raise

    async with connect(Bot()) as peer:
        bot_of(peer).say(talk())
        await asyncio.sleep(1)
        bot_of(peer).interrupt()
        await asyncio.sleep(0.01)
        expected = GeneratorExit if waits == "at its yield" else asyncio.CancelledError
        assert seen == [expected]


@pytest.mark.virtual_clock
async def test_the_text_that_was_heard_is_known() -> None:
    """Words of which less than half was sent are not in it."""
    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        bot.tts = Beeper()
        speech = bot.say("One two three. Four five. Six.")
        while speech.heard < 0.78:  # noqa: ASYNC110 - the voice speaks on a thread
            await asyncio.sleep(0.01)
        bot.interrupt()
        assert (await speech).text == "One two three. Four"
        assert (await speech).heard == pytest.approx(0.78, abs=0.021)
        assert speech.words == SpeechWords(made=6, sent=4, arrived=4, heard=4)


@pytest.mark.virtual_clock
async def test_what_must_be_heard_is_not_interrupted() -> None:
    """Unless by force, or by its own handle."""
    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        notice = bot.say(SOUND, interruptible=False)
        polite = bot.say(SOUND)
        await asyncio.sleep(0.1)
        bot.interrupt()
        assert not notice.done
        assert polite.done
        assert not bot.interruptions
        bot.interrupt(force=True)
        assert (await notice).interrupted
        again = bot.say(SOUND, interruptible=False)
        await asyncio.sleep(0.1)
        again.cancel()
        assert (await again).interrupted
        assert len(peer.of_type("interrupted")) == 1, "a handle that is cancelled interrupts nobody"


@pytest.mark.virtual_clock
async def test_a_pause_loses_nothing() -> None:
    """Silent within a frame, and on from the very sample."""
    sound = tone(500, 1.0, RATE)
    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        speech = bot.say(apiece(sound))
        await asyncio.sleep(0.3)
        bot.pause_speech()
        sent = len(peer.heard)
        await asyncio.sleep(2)
        assert len(peer.heard) == sent
        assert not speech.done
        start = asyncio.get_running_loop().time()
        bot.resume_speech()
        await speech
        assert asyncio.get_running_loop().time() - start == pytest.approx(
            1.0 - 0.02 * sent, abs=0.03
        )
    assert np.array_equal(heard_samples(peer.heard), sound.data[0])
    late = [b - a for (a, _), (b, _) in zip(peer.heard, peer.heard[1:], strict=False)]
    assert sorted(late)[-2] < 0.021, "at its own pace, not to catch up"
    stamps = [timed.timestamp for _, timed in peer.heard]
    assert stamps[sent] - stamps[sent - 1] == pytest.approx(2 * RATE, abs=RATE // 20)


async def apiece(sound: AudioFrame) -> AsyncIterator[AudioFrame]:
    """Frame by frame, without a thread that virtual time would have to wait for."""
    for frame in frames_of(sound):
        yield frame


@pytest.mark.virtual_clock
async def test_a_pause_of_something_without_sound_ends_with_it() -> None:
    """What is said next is heard."""
    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        quiet = bot.say(lambda: time.sleep(0.01))
        bot.pause_speech()
        await quiet
        assert (await bot.say(SOUND)).heard == 0.5


@pytest.mark.virtual_clock
async def test_a_source_that_raises_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """What it had yielded is heard, and the next speech too."""

    def fail() -> Iterator[AudioFrame]:
        yield SOUND
        raise ValueError("no more")

    async with connect(Bot()) as peer:
        with caplog.at_level(logging.ERROR):
            playback = await bot_of(peer).say(fail())
        assert playback.heard == 0.5
        assert isinstance(playback.error, ValueError)
        assert len(peer.of_type("error")) == 1
        assert len(caplog.records) == 1
        assert (await bot_of(peer).say(SOUND)).heard == 0.5


@pytest.mark.virtual_clock
@pytest.mark.parametrize("nonsense", [42, b"bytes", np.zeros(10, np.int16), {"a": 1}, (RATE, "x")])
async def test_what_cannot_be_said_is_an_error_in_words(nonsense: Any) -> None:
    """Its source is closed; the session goes on."""
    async with connect(Bot()) as peer:
        playback = await bot_of(peer).say([SOUND, nonsense, SOUND])
        assert playback.error is not None
        assert len(peer.of_type("error")) == 1
        assert (await bot_of(peer).say(SOUND)).heard == 0.5


async def test_from_any_thread() -> None:
    """`say`, `wait`, `interrupt` and `cancel` beside the event loop."""
    async with connect(Bot()) as peer:
        bot = bot_of(peer)

        def work() -> list[Playback]:
            first = bot.say(tone(500, 0.1, RATE)).wait(5)
            long = bot.say(tone(500, 30, RATE))
            bot.interrupt()
            cancelled = bot.say(tone(500, 30, RATE))
            cancelled.cancel()
            return [first, long.wait(5), cancelled.wait(5)]

        first, long, cancelled = await asyncio.to_thread(work)
        assert first.heard == pytest.approx(0.1)
        assert long.interrupted
        assert cancelled.interrupted
        never = bot.say(tone(500, 30, RATE))
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(never.wait, 0.01)


@pytest.mark.virtual_clock
async def test_a_wait_that_is_cancelled_cancels_nothing() -> None:
    """The speech goes on."""
    async with connect(Bot()) as peer:
        speech = bot_of(peer).say(SOUND)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await speech
        assert (await speech).heard == 0.5


@pytest.mark.virtual_clock
async def test_a_greeting_may_be_awaited_in_start_up() -> None:
    """It is said before the first frame is received."""

    class Greeter(Bot):
        async def start_up(self) -> None:
            await self.say(SOUND)
            self.calls.append("greeted")

    async with connect(Greeter()) as peer:
        await peer.speak(tone(300, 1.0))
        calls = bot_of(peer).calls
        assert calls[0] == "greeted"
        assert "receive" in calls


async def test_blocking_code_does_not_hold_up_what_is_said_next() -> None:
    """A sync source that hangs when it is interrupted is left to itself."""
    let_go = threading.Event()
    seen: list[type[BaseException]] = []

    def hang() -> Iterator[AudioFrame]:
        yield tone(500, 0.1, RATE)
        try:
            let_go.wait(20)
        except BaseException as error:
            seen.append(type(error))
            raise
        yield SOUND

    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        bot.say(hang())
        await asyncio.sleep(0.2)
        bot.interrupt()
        assert (await bot.say(tone(500, 0.1, RATE))).heard == pytest.approx(0.1)
        assert not let_go.is_set()
    assert len(seen) == 1
    assert issubclass(seen[0], GeneratorExit)


@pytest.mark.virtual_clock
async def test_the_end_of_the_session_ends_what_is_said() -> None:
    """Every handle is done, and a later `say` too; the source is closed."""
    closed = []

    async def talk() -> AsyncIterator[AudioFrame]:
        try:
            while True:
                yield SOUND
        finally:
            closed.append(True)

    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        speeches = [bot.say(talk()), bot.say(SOUND)]
        await asyncio.sleep(0.4)
    assert [(await speech).interrupted for speech in speeches] == [True, True]
    assert (await speeches[0]).heard == pytest.approx(0.4, abs=0.03)
    assert closed == [True]
    assert (await bot.say(SOUND)).interrupted
    assert peer.close_reason is CloseReason.CLIENT


@pytest.mark.virtual_clock
async def test_close_stream_in_a_speech_ends_the_session_after_it() -> None:
    """All of it is heard first."""

    def goodbye() -> Iterator[Any]:
        yield SOUND
        yield CloseStream("bye")

    async with connect(Bot()) as peer:
        speech = bot_of(peer).say(goodbye())
        await peer.session.stopped()
        assert peer.of_type("end_stream") == ["bye"]
    assert speech.done
    assert heard_samples(peer.heard).shape == (12000,)


@pytest.mark.virtual_clock
async def test_close_stream_of_emit_waits_for_what_is_said() -> None:
    """And for what waits to be."""
    async with connect(Bot()) as peer:
        speeches = [bot_of(peer).say(frames_async()), bot_of(peer).say(SOUND)]
        bot_of(peer).to_emit.put_nowait(CloseStream("bye"))
        await peer.session.stopped()
        assert [(await speech).heard for speech in speeches] == [0.5, 0.5]


@pytest.mark.virtual_clock
async def test_too_much_is_refused() -> None:
    """Sixty-four may wait."""
    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        bot.say(tone(500, 10, RATE))
        await asyncio.sleep(0.1)
        for _ in range(64):
            bot.say(SOUND)
        with pytest.raises(QueueFullError, match="64"):
            bot.say(SOUND)
        bot.interrupt()
        assert (await bot.say(SOUND)).heard == 0.5


@pytest.mark.virtual_clock
async def test_a_cleared_queue_is_not_counted_as_heard() -> None:
    """`clear_queue` takes what waits; the speech goes on with what comes next."""
    pieces = [tone(500, 0.1, RATE), tone(500, 0.1, RATE)]

    async def talk() -> AsyncIterator[AudioFrame]:
        yield pieces[0]
        await asyncio.sleep(0.5)
        yield pieces[1]

    async with connect(Bot()) as peer:
        speech = bot_of(peer).say(talk())
        await asyncio.sleep(0.05)
        bot_of(peer).clear_queue()
        sent = len(peer.heard)
        playback = await speech
        assert playback.heard == pytest.approx(0.02 * sent + 0.1)
        assert not playback.interrupted


@pytest.mark.virtual_clock
async def test_another_rate_is_heard_to_its_last_sample() -> None:
    """What the resampler holds back comes before the end, not before the next speech."""
    async with connect(Bot(output_sample_rate=48000)) as peer:
        bot = bot_of(peer)
        for _ in range(2):
            assert (await bot.say(tone(500, 0.5, 22050))).heard == pytest.approx(0.5, abs=0.003)
    assert fit_sine(heard_samples(peer.heard)[2400:21600], 500, 48000).snr > 40


@pytest.mark.virtual_clock
async def test_a_session_that_sends_nothing_says_nothing() -> None:
    """The error names the mode; a prototype has no session."""
    async with connect(Bot(), sends=frozenset()) as peer:
        with pytest.raises(ConfigurationError, match="send"):
            bot_of(peer).say(SOUND)
    with pytest.raises(RuntimeError, match="prototype"):
        Bot().say(SOUND)


def test_a_speech_that_nobody_plays_can_be_cancelled() -> None:
    """It is done then."""
    speech = Speech(SOUND)
    speech.cancel()
    assert speech.wait(0).interrupted


def test_the_stream_speaks_in_a_session_by_its_id() -> None:
    """An unknown one is an error."""
    stream = Stream(Echo())
    with pytest.raises(UnknownSessionError):
        stream.say("nobody", SOUND)
    with pytest.raises(UnknownSessionError):
        stream.interrupt("nobody")


@pytest.mark.virtual_clock
async def test_outputs_may_be_published_at_any_time() -> None:
    """From a thread too."""
    async with connect(Bot()) as peer:
        await asyncio.to_thread(bot_of(peer).publish, "a", 1)
        await asyncio.sleep(0.01)
        latest = peer.session.outputs.latest
        assert latest is not None
        assert latest.args == ("a", 1)
        assert peer.of_type("fetch_output") == [[]]


@pytest.mark.virtual_clock
async def test_outputs_leave_a_sentence_whole() -> None:
    """They are published before the sentence in which they stand; so `None` does no harm."""

    async def tokens() -> AsyncIterator[Any]:
        yield "First one. "
        yield "The wea"
        yield AdditionalOutputs("within")
        yield None
        yield "ther is ni", AdditionalOutputs("with it")
        yield "ce."
        yield AdditionalOutputs("after")
        yield "Bye"
        yield CloseStream()

    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        bot.tts = voice = Beeper()
        published: list[Any] = []
        publish = peer.session.outputs.publish

        def noting(outputs: AdditionalOutputs) -> None:
            published.append(outputs.args[0])
            publish(outputs)

        peer.session.outputs.publish = noting  # type: ignore[method-assign]
        playback = await bot.say(tokens())
    assert voice.spoken == ["First one.", "The weather is nice.", "Bye"]
    assert playback.text == "First one. The weather is nice. Bye"
    assert published == ["within", "with it", "after"]


@pytest.mark.virtual_clock
async def test_a_voice_says_the_words_and_the_transcript_keeps_the_text() -> None:
    """What is only for the eye was there when all before it has been heard."""
    text = "It is **bold** 😀.\n```\nx = 1\n```\n- [Link](http://x.y)"
    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        bot.tts = voice = Beeper()
        playback = await bot.say(iter(text))
        assert voice.spoken == ["It is bold.", "Link"]
        assert playback.text == text
        told = [said["text"] for said in peer.of_type("transcript")]
        assert told == ["It is **bold** 😀.", "```", "x = 1", "```", "- [Link](http://x.y)"]
        speech = bot.say(text)
        # The voice speaks on a thread, which the virtual clock does not wait for.
        while len(peer.of_type("transcript")) == len(told):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.35)
        bot.interrupt()
        assert (await speech).text == "It is"
        assert peer.of_type("interrupted")[-1]["text"] == "It is"


@pytest.mark.virtual_clock
async def test_a_voice_may_be_given_the_text_as_it_is() -> None:
    """Such as one that reads SSML."""
    async with connect(Bot()) as peer:
        bot = bot_of(peer)
        bot.tts = voice = Beeper()
        bot.clean_text = False
        await bot.say("It is **bold** &amp; so.")
        assert voice.spoken == ["It is **bold** &amp; so."]
