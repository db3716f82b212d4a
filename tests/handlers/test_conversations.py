"""The synthetic conversations are what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .conversations import (
    BACKCHANNELS,
    NOISES,
    RATE,
    SOUNDS,
    Conversation,
    Kind,
    Noise,
    Segment,
    Speaker,
    Voices,
    conversation,
)


def power(talk: Conversation, start: int, end: int) -> float:
    return float(np.mean((talk.audio.data[0, start:end] / 32768) ** 2))


def gaps(talk: Conversation) -> list[tuple[int, int]]:
    """Where nothing but the noise is heard, before, between and after the segments."""
    starts = [0, *(segment.end for segment in talk.segments)]
    ends = [*(segment.start for segment in talk.segments), talk.audio.samples_per_channel]
    return list(zip(starts, ends, strict=True))


def test_one_seed_is_one_conversation(voices: Voices) -> None:
    first, again = conversation(1, voices), conversation(1, voices)
    other = conversation(2, voices)
    np.testing.assert_array_equal(first.audio.data, again.audio.data)
    assert first.segments == again.segments
    assert first.segments != other.segments


def test_the_same_is_said_over_any_noise(voices: Voices) -> None:
    """Noise and its level change nothing of who says what when."""
    truths = {conversation(3, voices, noise=noise, snr=snr).segments
              for noise in NOISES for snr in (5.0, 20.0)}  # fmt: skip
    assert len(truths) == 1


def test_segments_follow_each_other(voices: Voices) -> None:
    """In order, at least a second apart, as many utterances as turns."""
    talk = conversation(4, voices, turns=8)
    assert len(talk.of("utterance")) == 8
    assert all(end - start >= RATE * 0.99 for start, end in gaps(talk))
    assert all(segment.start < segment.end for segment in talk.segments)


def test_silence_is_where_the_truth_says(voices: Voices) -> None:
    """Without noise, gaps and hesitations are digital silence, and segments begin with sound."""
    hesitations = 0
    for seed in range(4):
        talk = conversation(seed, voices, noise="none")
        assert all(power(talk, start, end) == 0 for start, end in gaps(talk))
        for segment in talk.segments:
            assert power(talk, segment.start, segment.start + 240) > 0
            for start, end in segment.pauses:
                hesitations += 1
                assert segment.start < start < end < segment.end
                assert 0.2 <= (end - start) / RATE <= 0.4
                assert power(talk, start, end) == 0
    assert hesitations


@pytest.mark.parametrize("noise", ["white", "pink", "hum", "babble"])
@pytest.mark.parametrize("snr", [5.0, 20.0])
def test_noise_has_its_level(voices: Voices, noise: Noise, snr: float) -> None:
    """Sentences are at -26 dB and the noise is as far below as asked."""
    talk = conversation(5, voices, noise=noise, snr=snr)
    quiet = np.concatenate([talk.audio.data[0, start:end] for start, end in gaps(talk)]) / 32768
    level = 10 * np.log10(np.mean(quiet**2))
    # Seven people who talk at once are not equally loud all the time.
    assert level == pytest.approx(-26 - snr, abs=2 if noise == "babble" else 0.5)


def test_every_kind_of_sound_comes_up(voices: Voices) -> None:
    """Backchannels and noises are between the sentences, each of its own length."""
    found: dict[Kind, list[Segment]] = {}
    for seed in range(8):
        for segment in conversation(seed, voices).segments:
            found.setdefault(segment.kind, []).append(segment)
    assert set(found) == {"utterance", "backchannel", *SOUNDS}
    seconds = {kind: [(s.end - s.start) / RATE for s in all_] for kind, all_ in found.items()}
    assert all(0.15 <= length <= 0.3 for length in seconds["cough"])
    assert max(seconds["click"]) < 0.01
    assert max(seconds["backchannel"]) < 1
    assert {segment.text for segment in found["backchannel"]} <= set(BACKCHANNELS)


def test_what_was_spoken_once_is_kept(voices: Voices, tmp_path: Path) -> None:
    """The second time, the file is read; another voice is another file."""
    own = Voices(tmp_path)
    first = own.say("Hello.", Speaker())
    (file,) = tmp_path.iterdir()
    made = file.stat().st_mtime_ns
    np.testing.assert_array_equal(own.say("Hello.", Speaker()), first)
    assert file.stat().st_mtime_ns == made
    own.say("Hello.", Speaker(pitch=70))
    assert len(list(tmp_path.iterdir())) == 2


def test_frames_are_the_audio(voices: Voices) -> None:
    talk = conversation(6, voices, turns=1)
    joined = np.concatenate([frame.data for frame in talk.frames(30)], axis=1)
    np.testing.assert_array_equal(joined, talk.audio.data)
