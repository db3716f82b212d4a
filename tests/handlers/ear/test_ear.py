"""Ears by themselves: what they take out, what they tell apart, and that they lose nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.frames import to_int16
from fastrtc_core.tracks.monitor import MonitoredFrame
from fastrtc_handlers.ear import Ear, EarVAD
from fastrtc_handlers.ear.canceller import EchoCanceller
from fastrtc_handlers.vad import EnergyVAD

from ..conversations import Speaker, Voices
from .room import FRAME, RATE, Samples, echo_of, hiss

SENTENCES = (
    "I would like to tell you about the second floor of the library.",
    "The report that Margaret sent before noon says that it costs twenty pounds.",
    "There is a window seat left on the next train to Cambridge.",
)


@pytest.fixture(scope="module")
def far(voices: Voices) -> Samples:
    """What an agent says, 12 s."""
    said = [voices.say(text, Speaker("en-gb", 150, 40)) for text in SENTENCES]
    sound = np.concatenate([part for sentence in said for part in (sentence, np.zeros(RATE // 2))])
    return 1.5 * np.resize(np.concatenate((np.zeros(RATE // 2), sound)), 12 * RATE)


def hear(ear: Ear, near: Samples, played: Samples, rate: int = RATE) -> tuple[Samples, Samples]:
    """What is left, and which samples were nothing but the agent's voice."""
    cleaned, own = [], []
    for frame in frames(near, played, rate):
        for piece in ear.hear(frame):
            cleaned.append(piece.cleaned / 32768)
            own.append(np.full(FRAME, piece.own, float))
    return np.concatenate(cleaned), np.concatenate(own)


def frames(near: Samples, played: Samples, rate: int = RATE) -> Iterator[AudioFrame]:
    size = rate // 50
    for at in range(0, len(near) - size + 1, size):
        cut = slice(at, at + size)
        frame = AudioFrame(rate, to_int16(near[np.newaxis, cut]))
        yield MonitoredFrame.of(frame, to_int16(played[np.newaxis, cut]))


def lower(before: Samples, after: Samples, start: float, end: float) -> float:
    cut = slice(round(start * RATE), round(end * RATE))
    return float(10 * np.log10(np.mean(before[cut] ** 2) / np.mean(after[cut] ** 2)))


@pytest.mark.parametrize("delay", [0.04, 0.8])
def test_an_echo_is_taken_out_and_found(far: Samples, delay: float) -> None:
    """WebRTC's canceller alone finds nothing at 0.8 s."""
    near = echo_of(far, level=-10, delay=delay) + hiss(len(far), 1)
    ear = Ear(cancel_echo=True)
    cleaned, own = hear(ear, near, far)
    assert ear.delay == pytest.approx(delay, abs=0.061)
    assert lower(near, cleaned, 4, 12) > 20
    assert own[4 * RATE :].mean() > 0.9


def test_a_known_jump_costs_nothing(far: Samples) -> None:
    """The session moves the reference by as much, at the same moment."""
    by, at = RATE // 5, 6 * RATE
    near = echo_of(far, level=-10, delay=0.1)
    near[at:] = np.concatenate((np.zeros(by), near))[at : len(near)]
    near += hiss(len(far), 1)
    moved = far.copy()
    moved[at:] = np.concatenate((np.zeros(by), far))[at : len(far)]
    known, _ = hear(Ear(cancel_echo=True), near, moved)
    unknown, _ = hear(Ear(cancel_echo=True), near, far)
    assert lower(near, known, 6.3, 8) > 20
    assert lower(near, unknown, 6.3, 8) < 15, "so the test tells them apart"
    assert lower(near, unknown, 9, 12) > 20, "found anew"


def test_noise_is_suppressed() -> None:
    noise = 30 * hiss(6 * RATE, 2)
    ear = Ear(own_voice=False, suppress_noise=2)
    cleaned, own = hear(ear, noise, np.zeros(len(noise)))
    assert lower(noise, cleaned, 3, 6) > 8
    assert not own.any()


def test_who_speaks_is_not_the_agent(far: Samples, voices: Voices) -> None:
    """Where there is an echo and where there is none; from 100 ms on."""
    voice = 1.5 * voices.say("Please change my appointment.", Speaker("en-us+f2", 150, 60))
    for level in (-10.0, -100.0):
        near = echo_of(far, level=level, delay=0.2) + hiss(len(far), 1)
        at = 6 * RATE
        near[at : at + len(voice)] += voice
        _, own = hear(Ear(), near, far)
        assert own[at + RATE // 10 : at + len(voice)].mean() < 0.15


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000])
def test_every_frame_completes_its_20_ms(rate: int) -> None:
    """No frame waits for the next, whatever the rate, of what sounds and of what does not."""
    ear = Ear()
    sound = np.random.default_rng(1).standard_normal(rate) / 10
    sound[rate // 4 : rate // 2] = 0
    for frame in frames(sound, sound, rate):
        assert len(ear.hear(frame)) == 1


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from([0, 80, 160, 320, 333, 1000, 3200]), min_size=1, max_size=30),
    st.sampled_from([8000, 16000, 48000]),
)
def test_events_count_the_samples_that_were_pushed(lengths: list[int], rate: int) -> None:
    """As those of the detector alone, but for the 20 ms that an ear puts together."""
    sound = np.random.default_rng(5).standard_normal((1, sum(lengths))) / 5
    sound[:, : sum(lengths) // 3] = 0
    alone, heard = EnergyVAD(), EarVAD(EnergyVAD(), Ear())
    events, same, at = [], [], 0
    for length in lengths:
        frame = AudioFrame(rate, to_int16(sound[:, at : at + length]))
        at += length
        events += heard.push(frame)
        same += alone.push(frame)
    for event in events:
        assert 0 <= event.position <= event.decided <= at + rate // 50
    for event, other in zip(events, same, strict=False):
        assert event.kind == other.kind
        assert abs(event.position - other.position) <= 0.06 * rate


def test_settings_are_checked_and_copied() -> None:
    ear = Ear(own_voice=False, cancel_echo=True, suppress_noise=3, clean_turns=True).copy()
    assert (ear.own_voice, ear.cancel_echo, ear.suppress_noise, ear.clean_turns) == (
        False,
        True,
        3,
        True,
    )
    with pytest.raises(ConfigurationError, match="0 to 3"):
        Ear(suppress_noise=4)
    with pytest.raises(ConfigurationError, match="clean_turns"):
        Ear(clean_turns=True)


def test_silence_costs_the_canceller_no_more_than_sound(far: Samples) -> None:
    """Numbers too small for the processor would take it ten times as long; CPU of the median hop.

    Where the microphone is off, nothing is heard all the same.
    """
    played = np.concatenate((far[: 6 * RATE], np.zeros(RATE)))
    near = echo_of(played, level=-10.0, delay=0.1)
    near[-RATE // 2 :] = 0
    canceller, spent = EchoCanceller(), []
    for frame in frames(near, played):
        assert frame.played is not None
        begun = time.thread_time()
        cleaned = canceller.push(frame.data[0], frame.played[0], 5, True)
        spent.append(time.thread_time() - begun)
    assert not cleaned.any()
    sounding, silent, off = spent[50:300], spent[310:325], spent[-15:]
    assert np.median(silent) < 3 * np.median(sounding)
    assert np.median(off) < 3 * np.median(sounding)
