"""Which voice is near, by its level alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import AudioFrame
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers.vad import EnergyVAD, SileroVAD, VADEvent, VADOptions
from fastrtc_handlers.vad.foreground import Foreground
from fastrtc_handlers.vad.levels import Levels, level_of

WINDOW = 0.032
RATE = 16000

Window = tuple[float | None, float]
"""Level in dB and probability."""

levels = st.integers(-80 * 4, 0).map(lambda quarters: quarters / 4)
"""In quarters of a dB, which floats hold exactly: a gain then changes nothing at all."""
stretches = st.lists(
    st.tuples(st.one_of(st.none(), levels), st.sampled_from([0.0, 0.3, 0.9]), st.integers(1, 60)),
    max_size=12,
)
"""A level and a probability for some windows, and then others."""


def windows(seconds: float, level: float | None, probability: float = 0.9) -> list[Window]:
    return [(level, probability)] * round(seconds / WINDOW)


def unrolled(parts: list[tuple[float | None, float, int]]) -> list[Window]:
    return [(level, probability) for level, probability, count in parts for _ in range(count)]


def heard(foreground: Foreground, parts: list[Window]) -> list[tuple[bool, bool, float]]:
    """What it says of each window."""
    return [
        (foreground.push(level, probability), foreground.traces, foreground.extra_silence)
        for level, probability in parts
    ]


def share(result: list[tuple[bool, bool, float]]) -> float:
    """Of the windows that may be the speaker."""
    return float(np.mean([near for near, _, _ in result]))


@given(stretches, st.integers(-30, 30))
def test_a_gain_changes_nothing(parts: list[tuple[float | None, float, int]], gain: int) -> None:
    stream = unrolled(parts)
    louder = [(None if level is None else level + gain, p) for level, p in stream]
    first, second = Foreground(WINDOW), Foreground(WINDOW)
    for one, other in zip(heard(first, stream), heard(second, louder), strict=True):
        assert one == other


@given(stretches, st.integers(0, 400))
def test_the_line_may_have_been_off_before(
    parts: list[tuple[float | None, float, int]], before: int
) -> None:
    """Everything is as much later as the stream is, and else the same."""
    silence: list[Window] = [(None, 0.0)] * before
    late = heard(Foreground(WINDOW), [*silence, *unrolled(parts)])
    assert late[before:] == heard(Foreground(WINDOW), unrolled(parts))


@given(stretches)
def test_reset_forgets(parts: list[tuple[float | None, float, int]]) -> None:
    used = Foreground(WINDOW)
    heard(used, unrolled(parts))
    used.reset()
    probe = [*windows(5, -20), *windows(2, -40), *windows(1, -80, 0.0), *windows(2, -20)]
    assert heard(used, probe) == heard(Foreground(WINDOW), probe)


@given(stretches)
def test_silence_is_never_speech(parts: list[tuple[float | None, float, int]]) -> None:
    """Nor is anything that has no level a trace of it."""
    for (level, _), (near, traces, _) in zip(
        unrolled(parts), heard(Foreground(WINDOW), unrolled(parts)), strict=True
    ):
        assert level is not None or not (near or traces)


def test_who_speaks_alone_is_heard() -> None:
    """However loud, with pauses as people make them, and a quiet last word."""
    turn = [*windows(2.5, -26), *windows(0.4, -36), *windows(0.5, -70, 0.0)]
    foreground = Foreground(WINDOW)
    for _ in range(10):
        result = heard(foreground, turn)
        assert all(near for (near, _, _), (_, p) in zip(result, turn, strict=True) if p > 0.5)
        assert foreground.extra_silence == 0


def test_a_crowd_is_left_out_after_four_seconds() -> None:
    """And who is nearer is heard above it, after a moment that shows that it is no syllable."""
    foreground = Foreground(WINDOW)
    assert share(heard(foreground, windows(3.9, -40))) == 1
    assert share(heard(foreground, windows(4, -40))) < 0.1
    assert foreground.crowd
    assert foreground.extra_silence == pytest.approx(0.4)
    speaker = heard(foreground, windows(2, -26))
    assert 0 < [near for near, _, _ in speaker].index(True) * WINDOW <= 0.15
    assert share(speaker) > 0.9
    assert share(heard(foreground, windows(2, -40))) < 0.2
    syllable = heard(foreground, [*windows(0.09, -33), *windows(0.5, -40)])
    assert share(syllable) == 0
    heard(foreground, windows(0.3, -60, 0.0))
    assert not foreground.crowd


def test_another_voice_is_left_out_once_it_was_heard_for_a_second() -> None:
    """For 20 s, and as long again when it is heard again; who speaks up is heard at once."""
    foreground = Foreground(WINDOW)
    heard(foreground, windows(2, -26))
    background = heard(foreground, [*windows(1.5, -40), *windows(0.3, -70, 0.0)])
    assert foreground.other
    assert foreground.extra_silence > 0
    assert 0 < share(background) < 0.9
    assert share(heard(foreground, windows(1, -40))) == 0
    heard(foreground, windows(19, -70, 0.0))
    assert share(heard(foreground, windows(1.2, -40))) == 0, "it was expected"
    heard(foreground, windows(21, -70, 0.0))
    assert not foreground.other
    assert share(heard(foreground, windows(0.5, -40))) == 1


def test_a_voice_that_falls_for_a_moment_is_no_other() -> None:
    foreground = Foreground(WINDOW)
    result = heard(foreground, [*windows(2, -26), *windows(0.9, -40), *windows(1, -26)])
    assert share(result) == 1
    assert not foreground.other


def test_what_may_be_a_soft_consonant_is_a_trace() -> None:
    """Louder than the room, though the model hears nothing; or the model is in doubt."""
    foreground = Foreground(WINDOW)
    heard(foreground, [*windows(1, -70, 0.0), *windows(2, -26)])
    for level, probability, traces in ((-45, 0.0, True), (-62, 0.0, False), (-62, 0.25, True)):
        heard(foreground, windows(0.5, -70, 0.0))
        foreground.push(level, probability)
        assert foreground.traces == traces


def test_in_loud_music_pauses_are_longer() -> None:
    foreground = Foreground(WINDOW)
    heard(foreground, [*windows(2, -30, 0.0), *windows(1, -20)])
    assert foreground.noisy
    assert foreground.extra_silence == pytest.approx(0.2)
    foreground.push(None, 0.0)
    assert not foreground.noisy, "the line is off"


def test_levels() -> None:
    """Full scale is 0 dB, and digital silence has no level."""
    assert level_of(np.full(512, -32768, np.int16)) == pytest.approx(0)
    assert level_of(np.full(512, 3277, np.int16)) == pytest.approx(-20, abs=0.01)
    assert level_of(np.zeros(512, np.int16)) is None
    known = Levels(WINDOW)
    for level in [-60.0] * 30 + [-20.0] * 95:
        known.push(level)
    assert (known.floor, known.held) == (-60.0, -20.0)
    known.push(-60.0)
    assert known.held == pytest.approx(-20 - 40 * WINDOW)
    for _ in range(125):
        known.push(-20.0)
    assert known.floor == -20.0, "4 s later the room is forgotten"


def events(vad: SileroVAD, audio: AudioFrame, milliseconds: int) -> list[VADEvent]:
    return [event for frame in frames_of(audio, milliseconds) for event in vad.push(frame)]


def test_frames_of_any_length_are_the_same_stream() -> None:
    """What is near does not depend on how the audio is cut."""
    random = np.random.default_rng(3)
    loudness = np.repeat(random.choice([30, 300, 6000], 60), RATE // 4)
    audio = AudioFrame(RATE, (random.standard_normal(len(loudness)) * loudness)
                       .clip(-32768, 32767).astype(np.int16)[np.newaxis])  # fmt: skip
    whole = events(SileroVAD(), audio, 20)
    for milliseconds in (10, 33, 1000):
        assert events(SileroVAD(), audio, milliseconds) == whole


def test_it_can_be_left_out() -> None:
    """And detectors that know the noise themselves have none."""
    crowd = [EnergyVAD(), SileroVAD(VADOptions(foreground=False))]
    assert all(vad.extra_silence == 0 and not vad.traces for vad in crowd)
    loud = AudioFrame(RATE, np.full((1, RATE * 6), 8000, np.int16))
    for vad in crowd:
        vad.push(loud)
        assert vad.extra_silence == 0
        assert not vad.traces
