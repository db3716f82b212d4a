"""Conversations of recorded speech are what they say, and shrink."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastrtc_core import ConfigurationError
from fastrtc_core.testing.conversations import (
    LEVEL,
    RATE,
    Conversation,
    Item,
    Recordings,
    Script,
    Setting,
    Sound,
    Utterance,
    read_sound,
    render,
    script,
    shrink,
)

SPEECH = Path("/usr/share/pocketsphinx/test/data")
"""Of Debian's package pocketsphinx-testdata: a reader, and some commands by others."""


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    if not SPEECH.exists():
        pytest.skip("pocketsphinx-testdata is not installed; scripts/test installs it")
    return Recordings.read(SPEECH, lambda path: path.parent.name)


def level(samples: np.ndarray) -> float:
    """In dB relative to full scale."""
    return float(10 * np.log10(np.mean((samples / 32768.0) ** 2) + 1e-12))


def heard(talk: Conversation, start: int, end: int) -> float:
    return level(talk.audio.data[0, start:end])


def gaps(talk: Conversation) -> np.ndarray:
    """What is heard while nobody speaks."""
    mask = np.ones(talk.audio.samples_per_channel, bool)
    for segment in talk.segments:
        mask[segment.start : segment.end] = False
    samples: np.ndarray = talk.audio.data[0][mask]
    return samples


def test_phrases_have_no_pauses(recordings: Recordings) -> None:
    """They are short, equally loud, and cut where nothing is heard."""
    assert set(recordings.speakers) >= {"cards", "librivox"}
    for speaker, phrases in recordings.phrases.items():
        joined = np.concatenate(phrases)
        assert np.sqrt(np.mean(joined**2)) == pytest.approx(LEVEL, rel=0.01), speaker
        for phrase in phrases:
            assert 0.7 <= len(phrase) / RATE <= 5
            assert phrase[0] == phrase[-1] == 0
            steps = phrase[: len(phrase) // 160 * 160].reshape(-1, 160)
            quiet = np.sqrt(np.mean(steps**2, axis=1)) < LEVEL / 100
            longest = max(map(len, "".join(".x"[int(one)] for one in quiet).split(".")))
            assert longest <= 18


def test_one_seed_is_one_conversation(recordings: Recordings) -> None:
    first, again, other = (
        render(script(seed, recordings, Setting(noise="babble")), recordings) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.audio.data, again.audio.data)
    assert first.segments == again.segments
    assert first.segments != other.segments


def test_the_setting_changes_nothing_of_who_says_what(recordings: Recordings) -> None:
    settings = (
        Setting(), Setting(noise="pink"), Setting(noise="music", snr=0), Setting(noise="talker"),
        Setting(t60=0.6), Setting(telephone=True), Setting(level=-20), Setting(echo=-10),
    )  # fmt: skip
    talks = [render(script(3, recordings, one, agent="talks"), recordings) for one in settings]
    assert len({talk.segments for talk in talks}) == 1
    assert len({talk.audio.data.tobytes() for talk in talks}) == len(talks)


def test_pauses_are_where_the_truth_says(recordings: Recordings) -> None:
    """Of the length that was asked for, and silent; the utterance begins and ends with sound."""
    pauses = 0
    for seed in range(4):
        talk = render(script(seed, recordings, pauses=(0.5, 1.0), hesitating=1.0), recordings)
        assert len(talk.of("utterance")) == 6
        for segment in talk.of("utterance"):
            assert heard(talk, segment.start, segment.start + RATE // 10) > -60
            assert heard(talk, segment.end - RATE // 10, segment.end) > -60
            for start, end in segment.pauses:
                pauses += 1
                assert segment.start < start < end < segment.end
                assert 0.5 <= (end - start) / RATE <= 1.0
                assert heard(talk, start, end) == pytest.approx(-26 - 45, abs=0.5)
    assert pauses == 24


@pytest.mark.parametrize("noise", ["pink", "babble", "music", "talker"])
@pytest.mark.parametrize("snr", [0.0, 10.0])
def test_noise_has_its_level(recordings: Recordings, noise: str, snr: float) -> None:
    talk = render(script(1, recordings, Setting(noise=noise, snr=snr)), recordings)  # type: ignore[arg-type]
    # Speech and music are not equally loud all the time.
    assert level(gaps(talk)) == pytest.approx(-26 - snr, abs=0.6 if noise == "pink" else 5)


def test_a_telephone_has_no_bass_and_no_treble(recordings: Recordings) -> None:
    wide, narrow = (
        render(script(1, recordings, Setting(noise="pink", snr=0, telephone=one)), recordings)
        for one in (False, True)
    )
    power = [np.abs(np.fft.rfft(talk.audio.data[0] / 32768)) ** 2 for talk in (wide, narrow)]
    hertz = np.fft.rfftfreq(wide.audio.samples_per_channel, 1 / RATE)
    for low, high, least, most in (
        (0, 150, 0.0, 0.05),
        (500, 3000, 0.8, 1.2),
        (5000, 8000, 0, 0.2),
    ):
        band = (hertz >= low) & (hertz < high)
        assert least <= power[1][band].sum() / power[0][band].sum() <= most


def test_a_room_goes_on_after_the_speaker(recordings: Recordings) -> None:
    """By 60 dB less in the time that was asked for."""
    dry, wet = (
        render(script(1, recordings, Setting(t60=t60, room=-90)), recordings) for t60 in (0.0, 0.6)
    )
    end = dry.segments[0].end
    tails = [heard(wet, end + at, end + at + RATE // 20) for at in (0, 3 * RATE // 10)]
    assert heard(dry, end, end + RATE // 20) < -80
    assert tails[0] > -60
    assert tails[1] - tails[0] == pytest.approx(-30, abs=8)


def test_the_agent_answers_and_is_heard_again(recordings: Recordings) -> None:
    """Its voice is apart, and comes to the microphone as late and as loud as asked."""
    setting = Setting(echo=-10, echo_delay=0.25, room=-90)
    talk = render(script(2, recordings, setting, agent="answers"), recordings)
    answers = talk.of("agent")
    assert len(answers) == len(talk.of("utterance")) == 6
    late = RATE // 4
    for answer in answers:
        said = talk.agent.data[0, answer.start : answer.end] / 32768
        echo = talk.audio.data[0, answer.start + late : answer.end + late] / 32768
        assert np.corrcoef(said, echo)[0, 1] > 0.99
        assert level(echo * 32768) - level(said * 32768) == pytest.approx(-10, abs=0.2)
    quiet = render(script(2, recordings, Setting(room=-90), agent="answers"), recordings)
    assert heard(quiet, answers[0].start, answers[0].end) < -80


def test_other_sounds_are_between(recordings: Recordings) -> None:
    """Of each kind, once after each utterance, and heard."""
    kinds: tuple[Sound, ...] = ("backchannel", "cough", "click", "laugh")
    found = set()
    for seed in range(6):
        talk = render(script(seed, recordings, sounds=kinds), recordings)
        others = talk.of(*kinds)
        found |= {segment.kind for segment in others}
        assert len(others) == 6
        assert all(heard(talk, segment.start, segment.end) > -50 for segment in others)
        ends = [0, *(segment.end for segment in talk.segments)]
        for segment, before in zip(talk.segments, ends, strict=False):
            assert segment.start - before >= 2 * RATE - 1
    assert found == set(kinds)


def test_a_failing_conversation_shrinks_to_what_fails(recordings: Recordings) -> None:
    """Everything goes that it does not take; what is left can be rendered."""
    long = script(
        5,
        recordings,
        Setting(noise="babble", t60=0.5, echo=-10),
        sounds=("cough", "click"),
        hesitating=1.0,
        agent="answers",
    )

    def fails(one: Script) -> bool:
        talk = render(one, recordings)
        pause = any(segment.pauses for segment in talk.segments)
        return pause and bool(talk.of("click")) and one.setting.noise == "babble"

    assert fails(long)
    short = shrink(long, fails)
    assert fails(short)
    assert short.setting == Setting(noise="babble")
    assert len(short.items) == 2
    (said,) = (item for item in short.items if isinstance(item.what, Utterance))
    assert len(said.what.phrases) == 2  # type: ignore[union-attr]
    assert said.answer is None
    assert max(item.gap for item in short.items) == 0.5


def test_shrinking_ends(recordings: Recordings) -> None:
    """After so many steps, with something that fails; a script that passes is no failure."""
    long = script(5, recordings)
    calls = []

    def fails(one: Script) -> bool:
        calls.append(one)
        return True

    assert len(shrink(long, fails, steps=3).items) < len(long.items)
    assert len(calls) == 3
    with pytest.raises(ValueError, match="does not fail"):
        shrink(long, lambda one: False)


def test_a_script_can_be_written_by_hand(recordings: Recordings) -> None:
    items = (Item(0.5, Utterance((0,))), Item(1.0, "cough", seed=3))
    talk = render(Script(1, "librivox", "cards", items, tail=0.5), recordings)
    said, cough = talk.segments
    assert (said.kind, cough.kind) == ("utterance", "cough")
    assert said.start == RATE // 2
    assert cough.start == said.end + RATE
    changed = replace(talk.script, setting=Setting(level=-20))
    assert heard(render(changed, recordings), said.start, said.end) == pytest.approx(
        heard(talk, said.start, said.end) - 20, abs=0.2
    )


def test_recordings_without_speech_are_refused(tmp_path: Path, recordings: Recordings) -> None:
    with pytest.raises(ConfigurationError, match="no phrase"):
        Recordings.read(tmp_path)
    with pytest.raises(ConfigurationError, match="nobody"):
        script(1, recordings, speakers=["nobody"])


def test_files_of_other_rates_are_read_at_16_khz(tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        tone = 10000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
        file.writeframes(tone.astype("<i2").tobytes())
    samples = read_sound(tmp_path / "a.wav")
    assert len(samples) == pytest.approx(RATE, abs=40)
    assert np.argmax(np.abs(np.fft.rfft(samples[: RATE // 2]))) == 220
