"""The voice and the recogniser that work offline: what one says, the other understands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.testing import noise, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers.stt import (
    PocketSphinxSTT,
    STTModel,
    Transcript,
    get_stt_model,
)
from fastrtc_handlers.tts import EspeakOptions, EspeakTTS, TTSError, TTSModel, get_tts_model

GRAMMAR = """#JSGF V1.0;
grammar commands; // with a comment
public <command> = <switch> {tag} | what time is it | set <number> timers;
<switch> = turn (on | off) the (light | radio);
<number> = two | seven;
"""


@pytest.fixture(scope="module")
def stt() -> PocketSphinxSTT:
    return PocketSphinxSTT(GRAMMAR)


@pytest.fixture(scope="module")
def tts() -> EspeakTTS:
    return EspeakTTS("en-us+f3", speed=150)


@pytest.mark.parametrize(
    "command",
    ["turn on the light", "turn off the radio", "what time is it", "set seven timers"],
)
def test_what_is_said_is_understood(tts: EspeakTTS, stt: PocketSphinxSTT, command: str) -> None:
    """Exactly, with silence around it, and again after something else."""
    speech = tts.tts(command)
    silence = np.zeros((1, speech.sample_rate // 3), np.int16)
    audio = AudioFrame(speech.sample_rate, np.concatenate([silence, speech.data, silence], axis=1))
    assert stt.stt(audio) == command
    stt.stt(noise(0.5))
    assert stt.stt((audio.sample_rate, audio.data[0])) == command


@pytest.mark.real_time
async def test_what_is_said_is_understood_while_it_is_said(
    tts: EspeakTTS, stt: PocketSphinxSTT
) -> None:
    """In the pause after it already; streams that run at the same time do not hear each other."""

    async def listen(command: str) -> list[tuple[Transcript, float]]:
        speech = tts.tts(command)
        pause = np.zeros((1, speech.sample_rate // 2), np.int16)
        whole = AudioFrame(speech.sample_rate, np.concatenate([pause, speech.data, pause], axis=1))
        heard = 0.0

        async def audio() -> AsyncIterator[AudioFrame]:
            nonlocal heard
            for frame in frames_of(whole, 20):
                heard += frame.duration
                yield frame
                await asyncio.sleep(0)

        told = [(each, heard) async for each in stt.stream_stt(audio())]
        assert told[-1][0].text == stt.stt(whole)
        return told

    commands = ("turn on the light", "what time is it")
    for command, told in zip(commands, await asyncio.gather(*map(listen, commands)), strict=True):
        *partial, (final, length) = told
        assert (final.text, final.final) == (command, True)
        assert not any(each.final for each, _ in partial)
        assert partial[0][1] < final.end, "something is known before all was said"
        assert partial[-1][0].text == command
        assert partial[-1][1] < length
        assert 0 <= final.start < final.end < length - 0.3


def test_nothing_is_understood_as_nothing(stt: PocketSphinxSTT) -> None:
    """Silence, no samples at all."""
    assert stt.stt(AudioFrame(16000, np.zeros((1, 16000), np.int16))) == ""
    assert stt.stt(AudioFrame(48000, np.zeros((1, 0), np.int16))) == ""


def test_sessions_share_a_recogniser(tts: EspeakTTS, stt: PocketSphinxSTT) -> None:
    """From many threads, each gets its own words."""
    commands = ["turn on the light", "what time is it"] * 4
    results: dict[int, str] = {}

    def work(number: int) -> None:
        results[number] = stt.stt(tts.tts(commands[number]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(commands))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[n] for n in range(len(commands))] == commands


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        ("#JSGF V1.0; grammar g; public <a> = hello qwertz and blorp;", "blorp, qwertz"),
        ("#JSGF V1.0; grammar g; // in a\n public <a> = hello qwertz;", "have qwertz;"),
        ("no grammar", "cannot be read"),
    ],
)
def test_a_grammar_that_cannot_be_used(grammar: str, message: str) -> None:
    """Unknown words are named."""
    with pytest.raises(ConfigurationError, match=message):
        PocketSphinxSTT(grammar)


def test_a_text_is_spoken_by_the_sentence(tts: EspeakTTS) -> None:
    """The first is there before the last has been spoken."""
    frames = list(tts.stream_tts_sync("One. Two, three. Four!"))
    assert len(frames) == 3
    assert all(frame.sample_rate == tts.sample_rate for frame in frames)
    assert all(frame.data.dtype == np.int16 and frame.data.shape[0] == 1 for frame in frames)
    assert all(np.abs(frame.data).max() > 2000 for frame in frames)
    whole = tts.tts("One. Two, three. Four!")
    assert whole.duration == pytest.approx(sum(frame.duration for frame in frames), abs=0.1)


async def test_a_voice_on_an_event_loop(tts: EspeakTTS) -> None:
    """Sentence by sentence as well; it may be left early."""
    assert isinstance(tts, TTSModel)
    frames = [frame async for frame in tts.stream_tts("One. Two.")]
    assert len(frames) == 2
    assert frames[0].duration == pytest.approx(tts.tts("One.").duration, abs=0.1)
    stream = tts.stream_tts("One. Two. Three.")
    async for _ in stream:
        break
    await stream.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0)


def test_how_it_speaks(tts: EspeakTTS) -> None:
    """Speed and language are heard; each voice keeps its own."""
    slow = tts.tts("Hello there", EspeakOptions(speed=90))
    assert slow.duration > 1.2 * tts.tts("Hello there").duration
    german = EspeakTTS("de", pitch=50)
    word = "Donaudampfschifffahrtsgesellschaft"
    assert german.tts(word).duration != pytest.approx(tts.tts(word).duration, abs=0.1)
    assert tts.tts("\0 null and \ud800 a surrogate").duration > 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda: EspeakTTS("klingon-x"),
        lambda: EspeakTTS(speed=1000),
        lambda: EspeakOptions(pitch=-1),
        lambda: get_tts_model("parrot"),
        lambda: get_stt_model("ear"),
    ],
)
def test_what_there_is_not(make: Iterator[None]) -> None:
    """The error names what there is."""
    with pytest.raises(ConfigurationError, match=r"klingon.*en-us|450|99|espeak|pocketsphinx"):
        make()  # type: ignore[operator]


def test_nothing_to_say(tts: EspeakTTS) -> None:
    """No audio is an error where audio is asked for."""
    assert list(tts.stream_tts_sync("  ")) == []
    with pytest.raises(TTSError, match="nothing to say"):
        tts.tts("")


def test_models_by_name() -> None:
    """With the options of their class."""
    assert isinstance(get_tts_model(voice="en-gb"), EspeakTTS)
    assert isinstance(get_stt_model("pocketsphinx", grammar=GRAMMAR), STTModel)
    assert get_stt_model("pocketsphinx", grammar=GRAMMAR).stt(tone(duration=0.1)) == ""
