"""Continuous transcription: partial results while somebody speaks, final ones at pauses."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.testing import connect
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers import Transcriber
from fastrtc_handlers.stt import SegmentedStream, STTStream, Transcript

from .turns.test_taking import LoudIsSpeech

RATE = 8000


class Counter:
    """Writes the values of the frames that it hears, and takes as long as it is told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.takes = 0.0

    def stt(self, audio: Any) -> str:
        self.now += self.takes
        return " ".join(dict.fromkeys(str(value) for value in audio[1][0, ::80] if value))


def sound(*values: int) -> AudioFrame:
    """20 ms of each value."""
    return AudioFrame(RATE, np.repeat(np.array(values, np.int16), 160)[np.newaxis])


def listen(stream: STTStream, *sounds: AudioFrame) -> list[Transcript]:
    return [t for audio in sounds for frame in frames_of(audio) for t in stream.push(frame)]


def test_partial_and_final_transcripts() -> None:
    """Partial ones grow; the final one has it all, and its times."""
    stream = SegmentedStream(Counter(), LoudIsSpeech(), interval=0.5, silence=0.3)
    heard = listen(stream, sound(*[0] * 50), sound(*range(1, 61)), sound(*[0] * 50))
    assert [transcript.final for transcript in heard] == [False, False, True]
    assert heard[0].text.split() == [str(n) for n in range(1, len(heard[0].text.split()) + 1)]
    assert len(heard[0].text) < len(heard[1].text) < len(heard[2].text)
    assert heard[2].text.split() == [str(n) for n in range(1, 61)]
    assert heard[2].start == pytest.approx(0.7)
    assert heard[2].end == pytest.approx(2.5)
    assert stream.flush() == []


def test_who_never_pauses_is_written_down_too() -> None:
    """Cut where it is most quiet; every word is in exactly one final transcript."""
    stream = SegmentedStream(Counter(), LoudIsSpeech(), interval=100, longest=4.0)
    # Loud numbers, and between them a tenth of a second or more that is quiet.
    values = [n if n % 30 > 8 else 1 for n in range(1, 501)]
    heard = [t for t in listen(stream, sound(*values)) if t.final] + stream.flush()
    assert 3 <= len(heard) <= 6
    words = [int(word) for transcript in heard for word in transcript.text.split()]
    assert [word for word in words if word != 1] == [n for n in range(2, 501) if n % 30 > 8]
    for one, two in itertools.pairwise(heard):
        assert one.end == pytest.approx(two.start)


def test_a_slow_recogniser_is_asked_less_often() -> None:
    """Partial results take half of the time at most."""
    model = Counter()
    model.takes = 1.0
    stream = SegmentedStream(model, LoudIsSpeech(), interval=0.2, clock=lambda: model.now)
    heard = listen(stream, sound(*[5] * 500))
    assert 4 <= len(heard) <= 6


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 200)), max_size=12))
@example([(False, 2), (True, 198), (False, 3)])
def test_every_word_is_final_once(parts: list[tuple[bool, int]]) -> None:
    """Whatever the pauses, in order, and nothing is kept for ever."""
    stream = SegmentedStream(Counter(), LoudIsSpeech(), interval=1.0, longest=3.0)
    number, said = 1, []
    final: list[Transcript] = []
    for speaks, count in parts:
        values = [number + n if speaks else 0 for n in range(count)]
        said += [value for value in values if value]
        number += count
        final += [t for t in listen(stream, sound(*values)) if t.final]
        assert stream.kept <= 5 * RATE
    final += stream.flush()
    words = [int(word) for transcript in final for word in transcript.text.split()]
    assert list(dict.fromkeys(words)) == said


@pytest.mark.parametrize("options", [{"interval": 0}, {"silence": 0}, {"longest": 1}])
def test_durations_that_make_no_sense(options: Any) -> None:
    """The error says what they must be."""
    with pytest.raises(ConfigurationError, match="interval"):
        SegmentedStream(Counter(), LoudIsSpeech(), **options)


@pytest.mark.virtual_clock
async def test_transcripts_reach_client_and_application() -> None:
    """As messages and as additional outputs; the last words at the end of the session too."""
    prototype = Transcriber(Counter(), model=LoudIsSpeech(), input_sample_rate=RATE, interval=0.4)
    async with connect(prototype, sends=frozenset()) as peer:
        outputs = peer.session.outputs.subscribe()
        await peer.speak(sound(*range(1, 31), *[0] * 50, 7, 8, 9))
        await asyncio.sleep(0.1)
    published = [output.args[0] async for output in outputs]
    messages = peer.of_type("transcript")
    assert [transcript.final for transcript in published] == [False, True, True]
    assert published[1].text.split() == [str(n) for n in range(1, 31)]
    assert published[2].text == "7 8 9"
    assert messages == [{"role": "user", **transcript._asdict()} for transcript in published]


@pytest.mark.virtual_clock
async def test_a_recogniser_that_streams_is_taken_as_it_is() -> None:
    """One stream for each session; a failure loses one frame."""

    class Words:
        def stream(self) -> STTStream:
            return Stream()

    class Stream:
        def __init__(self) -> None:
            self.frames = 0

        def push(self, frame: AudioFrame) -> list[Transcript]:
            self.frames += 1
            if self.frames == 2:
                raise ValueError("no")
            return [Transcript(str(self.frames), True, 0.0, 0.02)]

        def flush(self) -> list[Transcript]:
            return [Transcript("end", True, 0.0, 0.0)]

    for _ in range(2):
        async with connect(Transcriber(Words(), input_sample_rate=RATE)) as peer:
            await peer.speak(sound(1, 1, 1))
            await asyncio.sleep(0.1)
        texts = [data["text"] for data in peer.of_type("transcript")]
        assert texts == ["1", "3", "end"]
        assert len(peer.of_type("error")) == 1
